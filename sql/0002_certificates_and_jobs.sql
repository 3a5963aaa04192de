-- What the path from a certificate to a deployed version writes and reads beyond the schema of 0001. Additive: every new
-- column has a neutral default, so that statements which know only the columns of 0001 go on working.

-- Defaults that contradicted the words which the code writes.

ALTER TABLE managed_certificates ALTER COLUMN status SET DEFAULT 'Pending';
ALTER TABLE jobs ALTER COLUMN status SET DEFAULT 'Pending';
ALTER TABLE agents ALTER COLUMN status SET DEFAULT 'Offline';

-- Agents may be put in with any letter case.
CREATE FUNCTION agents_respell_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.status := CASE lower(NEW.status)
    WHEN 'online' THEN 'Online'
    WHEN 'offline' THEN 'Offline'
    WHEN 'degraded' THEN 'Degraded'
    ELSE NEW.status
  END;
  RETURN NEW;
END
$$;
CREATE TRIGGER agents_respell_status_trigger BEFORE INSERT OR UPDATE OF status ON agents
  FOR EACH ROW EXECUTE FUNCTION agents_respell_status();

-- Closed enumerations.

ALTER TABLE agents ADD CONSTRAINT agents_status_check CHECK (status IN ('Online', 'Offline', 'Degraded'));
ALTER TABLE managed_certificates
  ADD CONSTRAINT managed_certificates_status_check CHECK (status IN
    ('Pending', 'Active', 'Expiring', 'Expired', 'RenewalInProgress', 'Failed', 'Revoked', 'Archived')),
  ADD CONSTRAINT managed_certificates_source_check CHECK (source IN ('', 'EST', 'SCEP', 'API', 'Agent', 'ACME', 'Import'));
ALTER TABLE jobs
  ADD CONSTRAINT jobs_type_check CHECK (type IN ('Issuance', 'Renewal', 'Deployment', 'Validation')),
  ADD CONSTRAINT jobs_status_check CHECK (status IN
    ('Pending', 'AwaitingCSR', 'AwaitingApproval', 'Running', 'Completed', 'Failed', 'Cancelled')),
  ADD CONSTRAINT jobs_verification_status_check CHECK (verification_status IN ('pending', 'success', 'failed', 'skipped'));
ALTER TABLE certificate_revocations ADD CONSTRAINT certificate_revocations_reason_check CHECK (reason IN
  ('unspecified', 'keyCompromise', 'caCompromise', 'affiliationChanged', 'superseded', 'cessationOfOperation',
   'certificateHold', 'privilegeWithdrawn'));

-- A deleted team took the whole inventory with it.
ALTER TABLE managed_certificates
  DROP CONSTRAINT managed_certificates_team_id_fkey,
  ADD CONSTRAINT managed_certificates_team_id_fkey FOREIGN KEY (team_id) REFERENCES teams (id) ON DELETE RESTRICT;

-- Organisation, policy

ALTER TABLE teams ADD COLUMN row_version bigint NOT NULL DEFAULT 1;
ALTER TABLE owners ADD COLUMN row_version bigint NOT NULL DEFAULT 1;
ALTER TABLE policy_rules ADD COLUMN row_version bigint NOT NULL DEFAULT 1;
ALTER TABLE agent_groups ADD COLUMN row_version bigint NOT NULL DEFAULT 1;
ALTER TABLE network_scan_targets ADD COLUMN row_version bigint NOT NULL DEFAULT 1;
ALTER TABLE endpoint_health_checks ADD COLUMN row_version bigint NOT NULL DEFAULT 1;
ALTER TABLE acme_accounts ADD COLUMN row_version bigint NOT NULL DEFAULT 1;

ALTER TABLE renewal_policies
  ADD COLUMN row_version            bigint NOT NULL DEFAULT 1,
  ADD COLUMN renewal_window_percent integer,
  ADD COLUMN renewal_window_strict  boolean NOT NULL DEFAULT false,
  ADD COLUMN jitter_percent         integer;

ALTER TABLE certificate_profiles
  ADD COLUMN row_version            bigint NOT NULL DEFAULT 1,
  ADD COLUMN approval_required      smallint NOT NULL DEFAULT 1,
  ADD COLUMN approver_groups        text[] NOT NULL DEFAULT '{}',
  ADD COLUMN approval_scope         text NOT NULL DEFAULT 'all'
    CHECK (approval_scope IN ('all', 'first_issuance', 'changes_only')),
  ADD COLUMN approval_at            text NOT NULL DEFAULT 'finalize' CHECK (approval_at IN ('finalize', 'order')),
  ADD COLUMN approval_grant_ttl     integer NOT NULL DEFAULT 604800,  -- seconds
  ADD COLUMN key_reuse              jsonb NOT NULL DEFAULT '{"mode": "never"}',
  ADD COLUMN permitted_san_patterns jsonb NOT NULL DEFAULT '[]',
  ADD COLUMN must_staple_required   boolean NOT NULL DEFAULT false,
  ADD COLUMN issuer_options         jsonb NOT NULL DEFAULT '{}';

-- Issuers, agents, targets

ALTER TABLE issuers
  ADD COLUMN row_version bigint NOT NULL DEFAULT 1,
  ADD COLUMN limits      jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN env_hash    bytea,        -- of the environment that a row with source 'env' was made from
  ADD COLUMN edited_at   timestamptz;  -- such a row was changed by a person

ALTER TABLE agents
  ADD COLUMN api_key_hash_next       text,
  ADD COLUMN api_key_next_expires_at timestamptz,
  ADD COLUMN capabilities            jsonb NOT NULL DEFAULT '[]',
  ADD COLUMN plugins                 jsonb NOT NULL DEFAULT '[]',
  ADD COLUMN clock_skew_ms           integer,
  ADD COLUMN pending_reports         integer NOT NULL DEFAULT 0,
  ADD COLUMN started_at              timestamptz;

ALTER TABLE deployment_targets
  ADD COLUMN row_version            bigint NOT NULL DEFAULT 1,
  ADD COLUMN maintenance_window     jsonb,
  ADD COLUMN verify_endpoint        text,
  ADD COLUMN manual_action_required boolean NOT NULL DEFAULT false;
-- A retired target frees its name.
CREATE UNIQUE INDEX idx_deployment_targets_live_agent_name ON deployment_targets (agent_id, name) WHERE retired_at IS NULL;
DROP INDEX idx_deployment_targets_agent_name;

-- Certificates

ALTER TABLE managed_certificates
  ADD COLUMN row_version        bigint NOT NULL DEFAULT 1,
  ADD COLUMN current_version_id text REFERENCES certificate_versions (id) ON DELETE SET NULL,
  ADD COLUMN renew_after        timestamptz,
  ADD COLUMN renew_not_before   timestamptz,
  ADD COLUMN renewal_source     text CHECK (renewal_source IN ('policy', 'percent', 'ari', 'campaign', 'manual')),
  ADD COLUMN deployment_state   text NOT NULL DEFAULT 'none'
    CHECK (deployment_state IN ('none', 'pending', 'partial', 'deployed', 'drifted', 'failed')),
  ADD COLUMN last_error         text,
  ADD COLUMN search             text NOT NULL DEFAULT '';  -- lower-case name, common name, SANs

CREATE INDEX idx_managed_certificates_by_created ON managed_certificates (created_at, id);
CREATE INDEX idx_managed_certificates_by_expires ON managed_certificates (expires_at, id);
CREATE INDEX idx_managed_certificates_by_updated ON managed_certificates (updated_at, id);
CREATE INDEX idx_managed_certificates_by_common_name ON managed_certificates (common_name, id);
CREATE INDEX idx_managed_certificates_by_name ON managed_certificates (name, id);
CREATE INDEX idx_managed_certificates_of_status ON managed_certificates (status, created_at, id);
CREATE INDEX idx_managed_certificates_of_environment ON managed_certificates (environment, created_at, id);
CREATE INDEX idx_managed_certificates_of_issuer ON managed_certificates (issuer_id, created_at, id);
CREATE INDEX idx_managed_certificates_of_owner ON managed_certificates (owner_id, created_at, id);
CREATE INDEX idx_managed_certificates_of_team ON managed_certificates (team_id, created_at, id);
CREATE INDEX idx_managed_certificates_of_profile ON managed_certificates (certificate_profile_id, created_at, id);
CREATE INDEX idx_managed_certificates_of_policy ON managed_certificates (renewal_policy_id, id);
CREATE INDEX idx_managed_certificates_due ON managed_certificates (renew_after, id)
  WHERE status IN ('Active', 'Expiring', 'Expired');
CREATE INDEX idx_managed_certificates_current_version ON managed_certificates (current_version_id)
  WHERE current_version_id IS NOT NULL;
CREATE INDEX idx_managed_certificates_sans ON managed_certificates USING gin (sans);
CREATE INDEX idx_managed_certificates_tags ON managed_certificates USING gin (tags jsonb_path_ops);
-- Substring search by trigrams; where the extension cannot be had, at least prefixes.
DO $$
BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
  CREATE INDEX idx_managed_certificates_search ON managed_certificates USING gin (search gin_trgm_ops);
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported OR undefined_object THEN
  CREATE INDEX idx_managed_certificates_name_prefix ON managed_certificates (name text_pattern_ops);
  CREATE INDEX idx_managed_certificates_common_name_prefix ON managed_certificates (common_name text_pattern_ops);
END
$$;

-- The roll-up of a certificate's deployment reads these rows, never jobs.
ALTER TABLE certificate_target_mappings
  ADD COLUMN state                  text NOT NULL DEFAULT 'pending',
  ADD COLUMN version_id             text,
  ADD COLUMN job_id                 text,
  ADD COLUMN deployed_at            timestamptz,
  ADD COLUMN verified_at            timestamptz,
  ADD COLUMN expected_fingerprint   text,
  ADD COLUMN served_fingerprint     text,
  ADD COLUMN drifted_at             timestamptz,
  ADD COLUMN manual_action_required boolean NOT NULL DEFAULT false;

ALTER TABLE certificate_versions
  ADD COLUMN issuer_id         text REFERENCES issuers (id),
  ADD COLUMN issuer_ref        jsonb,
  ADD COLUMN order_id          text,
  ADD COLUMN ca_id             text,
  ADD COLUMN crl_shard         smallint,
  ADD COLUMN intent_id         text,
  ADD COLUMN job_id            text,
  ADD COLUMN agent_id          text,
  ADD COLUMN profile_id        text,
  ADD COLUMN acme_account_id   text,
  ADD COLUMN device_id         text,
  ADD COLUMN sans              text[] NOT NULL DEFAULT '{}',
  ADD COLUMN source            text NOT NULL DEFAULT '',
  ADD COLUMN server_key_sealed bytea,
  ADD COLUMN spki_sha256       bytea,
  ADD COLUMN aki_hash          bytea,
  ADD COLUMN revoked_at        timestamptz,
  ADD COLUMN superseded_at     timestamptz,
  ADD COLUMN superseded_by     text;
CREATE UNIQUE INDEX idx_certificate_versions_issuer_serial ON certificate_versions (issuer_id, serial_number)
  WHERE serial_number <> '';
CREATE INDEX idx_certificate_versions_serial ON certificate_versions (serial_number);
CREATE INDEX idx_certificate_versions_spki ON certificate_versions (spki_sha256);
CREATE INDEX idx_certificate_versions_not_after ON certificate_versions (not_after);
CREATE INDEX idx_certificate_versions_job ON certificate_versions (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX idx_certificate_versions_acme_account ON certificate_versions (acme_account_id)
  WHERE acme_account_id IS NOT NULL;

-- A revocation outlives its certificate, and may concern one that was never managed.
ALTER TABLE certificate_revocations
  ALTER COLUMN certificate_id DROP NOT NULL,
  ADD COLUMN version_id      text,
  ADD COLUMN ca_id           text,
  ADD COLUMN serial_norm     text,
  ADD COLUMN crl_shard       smallint,
  ADD COLUMN invalidity_date timestamptz,
  ADD COLUMN released_at     timestamptz;
CREATE UNIQUE INDEX idx_certificate_revocations_ca_serial ON certificate_revocations (ca_id, serial_norm)
  WHERE ca_id IS NOT NULL;
CREATE INDEX idx_certificate_revocations_crl ON certificate_revocations (ca_id, crl_shard, serial_norm)
  WHERE released_at IS NULL;

-- Jobs

ALTER TABLE jobs
  ADD COLUMN executor         text NOT NULL DEFAULT 'server' CHECK (executor IN ('server', 'agent', 'external')),
  ADD COLUMN lane             text NOT NULL DEFAULT '',
  ADD COLUMN priority         smallint NOT NULL DEFAULT 50,
  ADD COLUMN deadline         timestamptz NOT NULL DEFAULT 'infinity',
  ADD COLUMN claimable        boolean NOT NULL DEFAULT true,
  ADD COLUMN next_attempt_at  timestamptz,
  ADD COLUMN lease_owner      text,
  ADD COLUMN lease_expires_at timestamptz,
  ADD COLUMN fence            bigint NOT NULL DEFAULT 0,
  ADD COLUMN issuer_id        text,
  ADD COLUMN parent_job_id    text,
  ADD COLUMN campaign_id      text,
  ADD COLUMN intent_id        text,
  ADD COLUMN version_id       text,
  ADD COLUMN trigger          text NOT NULL DEFAULT '',
  ADD COLUMN requested_by     text NOT NULL DEFAULT '',
  ADD COLUMN phase            text NOT NULL DEFAULT 'queued' CHECK (phase IN
    ('queued', 'awaiting_csr', 'submitting', 'awaiting_ca', 'recording', 'deploying', 'verifying', 'needs_decision')),
  ADD COLUMN hold_reasons     text[] NOT NULL DEFAULT '{}',
  ADD COLUMN retryable        boolean NOT NULL DEFAULT true,
  ADD COLUMN awaiting_since   timestamptz,
  ADD COLUMN progress         jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN options          jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN updated_at       timestamptz NOT NULL DEFAULT now(),
  SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01);

-- The claims: a query must order by exactly these columns and add nothing to these conditions, with the words as
-- literals. Anything else is a sort of the whole queue.
CREATE INDEX idx_jobs_claim_server ON jobs (lane, priority DESC, deadline, id)
  WHERE status = 'Pending' AND executor = 'server' AND claimable;
CREATE INDEX idx_jobs_claim_agent ON jobs (agent_id, status, created_at, id)
  WHERE executor = 'agent' AND status IN ('Pending', 'AwaitingCSR');
CREATE INDEX idx_jobs_claim_parked ON jobs (next_attempt_at, id) WHERE status = 'Running' AND lease_owner IS NULL;
CREATE INDEX idx_jobs_promote ON jobs (next_attempt_at, id) WHERE status = 'Pending' AND NOT claimable;
CREATE INDEX idx_jobs_retry ON jobs (next_attempt_at, id) WHERE status = 'Failed' AND retryable;
CREATE INDEX idx_jobs_lease_expires ON jobs (lease_expires_at) WHERE status = 'Running' AND lease_owner IS NOT NULL;
CREATE INDEX idx_jobs_awaiting ON jobs (awaiting_since) WHERE status IN ('AwaitingCSR', 'AwaitingApproval');

-- One open issuance a certificate (and agent, where each agent has its own key), whatever its type.
CREATE UNIQUE INDEX idx_jobs_open_issuance ON jobs (certificate_id, coalesce(agent_id, ''))
  WHERE type IN ('Issuance', 'Renewal') AND status IN ('Pending', 'AwaitingCSR', 'AwaitingApproval', 'Running');
CREATE UNIQUE INDEX idx_jobs_running_deployment ON jobs (target_id) WHERE type = 'Deployment' AND status = 'Running';

CREATE INDEX idx_jobs_by_created ON jobs (created_at DESC, id);
CREATE INDEX idx_jobs_of_certificate ON jobs (certificate_id, created_at DESC, id);
CREATE INDEX idx_jobs_of_target ON jobs (target_id, created_at DESC);
CREATE INDEX idx_jobs_completed ON jobs (completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX idx_jobs_parent ON jobs (parent_job_id) WHERE parent_job_id IS NOT NULL;
CREATE INDEX idx_jobs_campaign ON jobs (campaign_id) WHERE campaign_id IS NOT NULL;

-- Foreign keys that had no index: each delete of a parent read the whole child.
CREATE INDEX idx_renewal_policies_profile ON renewal_policies (certificate_profile_id);
CREATE INDEX idx_renewal_policies_agent_group ON renewal_policies (agent_group_id);
CREATE INDEX idx_health_checks_scan_target ON endpoint_health_checks (network_scan_target_id);
CREATE INDEX idx_acme_accounts_owner ON acme_accounts (owner_id);
CREATE INDEX idx_approval_job ON issuance_approval_requests (job_id);
CREATE INDEX idx_approval_profile ON issuance_approval_requests (profile_id);

-- Twins of a unique constraint, prefixes of an index above, columns without selectivity, and three that lure the planner
-- away from the claim indexes into a sort.
DROP INDEX idx_teams_name, idx_renewal_policies_name, idx_issuers_name, idx_managed_certificates_name,
  idx_policy_rules_name, idx_certificate_profiles_name, idx_agent_groups_name, idx_certificate_versions_fingerprint,
  idx_acme_accounts_jwk_thumb;
DROP INDEX idx_managed_certificates_status, idx_managed_certificates_issuer_id, idx_managed_certificates_owner_id,
  idx_managed_certificates_team_id, idx_managed_certificates_profile_id, idx_managed_certificates_expires_at,
  idx_certificate_versions_certificate_id, idx_jobs_certificate_id, idx_discovered_certs_fingerprint,
  idx_ocsp_response_cache_issuer, idx_intermediate_ca_owning_issuer;
DROP INDEX idx_jobs_status, idx_jobs_status_scheduled_at, idx_jobs_scheduled_at;
DROP INDEX idx_certificate_profiles_enabled, idx_policy_rules_enabled, idx_issuers_enabled, idx_agent_groups_enabled,
  idx_deployment_targets_enabled, idx_agents_os, idx_agents_architecture, idx_jobs_verification_status,
  idx_agents_online_heartbeat;
