-- The schema that certctl databases have had since before this program: names, column order, types, defaults and
-- constraint names are what an existing database has, so that one can be taken over in place. Later files add to it.

-- Organisation and policy

CREATE TABLE teams (
  id          text PRIMARY KEY,
  name        varchar(255) NOT NULL UNIQUE,
  description text,
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_teams_name ON teams (name);

-- Person or mailbox responsible for certificates; recipient of alerts.
CREATE TABLE owners (
  id         text PRIMARY KEY,
  name       varchar(255) NOT NULL,
  email      varchar(255) NOT NULL,
  team_id    text NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_owners_email ON owners (email);
CREATE INDEX idx_owners_team_id ON owners (team_id);

-- What may be issued.
CREATE TABLE certificate_profiles (
  id                      text PRIMARY KEY,
  name                    varchar(255) NOT NULL UNIQUE,
  description             text DEFAULT '',
  allowed_key_algorithms  jsonb NOT NULL
    DEFAULT '[{"algorithm": "ECDSA", "min_size": 256}, {"algorithm": "RSA", "min_size": 2048}]',
  max_ttl_seconds         integer NOT NULL DEFAULT 0,  -- 0: no cap
  allowed_ekus            jsonb NOT NULL DEFAULT '["serverAuth"]',
  required_san_patterns   jsonb NOT NULL DEFAULT '[]',
  spiffe_uri_pattern      varchar(512) DEFAULT '',
  allow_short_lived       boolean NOT NULL DEFAULT false,
  enabled                 boolean NOT NULL DEFAULT true,
  created_at              timestamptz NOT NULL DEFAULT now(),
  updated_at              timestamptz NOT NULL DEFAULT now(),
  required_csr_attributes jsonb NOT NULL DEFAULT '[]',
  must_staple             boolean NOT NULL DEFAULT false,
  acme_auth_mode          text NOT NULL DEFAULT 'trust_authenticated'
    CONSTRAINT certificate_profiles_acme_auth_mode_chk CHECK (acme_auth_mode IN ('trust_authenticated', 'challenge')),
  requires_approval       boolean NOT NULL DEFAULT false
);
CREATE INDEX idx_certificate_profiles_enabled ON certificate_profiles (enabled);
CREATE INDEX idx_certificate_profiles_name ON certificate_profiles (name);

CREATE TABLE agent_groups (
  id                 text PRIMARY KEY,
  name               varchar(255) NOT NULL UNIQUE,
  description        text DEFAULT '',
  match_os           varchar(100) DEFAULT '',
  match_architecture varchar(100) DEFAULT '',
  match_ip_cidr      varchar(45) DEFAULT '',
  match_version      varchar(50) DEFAULT '',
  enabled            boolean NOT NULL DEFAULT true,
  created_at         timestamptz NOT NULL DEFAULT now(),
  updated_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_agent_groups_enabled ON agent_groups (enabled);
CREATE INDEX idx_agent_groups_name ON agent_groups (name);

-- When and how to renew and to warn.
CREATE TABLE renewal_policies (
  id                     text PRIMARY KEY,
  name                   varchar(255) NOT NULL UNIQUE,
  renewal_window_days    integer NOT NULL,
  auto_renew             boolean NOT NULL DEFAULT true,
  max_retries            integer NOT NULL DEFAULT 3,
  retry_interval_seconds integer NOT NULL DEFAULT 60,
  alert_thresholds_days  jsonb NOT NULL DEFAULT '[30, 14, 7, 0]',
  created_at             timestamptz NOT NULL DEFAULT now(),
  updated_at             timestamptz NOT NULL DEFAULT now(),
  certificate_profile_id text REFERENCES certificate_profiles (id) ON DELETE SET NULL,
  agent_group_id         text REFERENCES agent_groups (id) ON DELETE SET NULL,
  alert_channels         jsonb NOT NULL DEFAULT '{}',  -- tier: [channel]; empty: Email for all tiers
  alert_severity_map     jsonb NOT NULL DEFAULT '{}'   -- "days": tier
);
CREATE INDEX idx_renewal_policies_name ON renewal_policies (name);

-- Compliance rules.
CREATE TABLE policy_rules (
  id         text PRIMARY KEY,
  name       varchar(255) NOT NULL UNIQUE,
  type       varchar(255) NOT NULL,
  config     jsonb NOT NULL,
  enabled    boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  severity   varchar(50) NOT NULL DEFAULT 'Warning' CHECK (severity IN ('Warning', 'Error', 'Critical'))
);
CREATE INDEX idx_policy_rules_enabled ON policy_rules (enabled);
CREATE INDEX idx_policy_rules_name ON policy_rules (name);

-- Issuers, agents, targets

CREATE TABLE issuers (
  id               text PRIMARY KEY,
  name             varchar(255) NOT NULL UNIQUE,
  type             varchar(255) NOT NULL,
  config           jsonb,  -- redacted; the full one where encrypted_config is NULL
  enabled          boolean NOT NULL DEFAULT true,
  created_at       timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now(),
  encrypted_config bytea,
  last_tested_at   timestamptz,
  test_status      text NOT NULL DEFAULT 'untested',
  source           text NOT NULL DEFAULT 'database',
  hierarchy_mode   varchar(20) NOT NULL DEFAULT 'single'
);
CREATE INDEX idx_issuers_enabled ON issuers (enabled);
CREATE INDEX idx_issuers_name ON issuers (name);

CREATE TABLE agents (
  id                text PRIMARY KEY,
  name              varchar(255) NOT NULL UNIQUE,
  hostname          varchar(255) NOT NULL,
  status            varchar(50) NOT NULL DEFAULT 'offline',
  last_heartbeat_at timestamptz,
  registered_at     timestamptz NOT NULL DEFAULT now(),
  api_key_hash      varchar(255) NOT NULL,  -- SHA-256, hex
  os                varchar(100) DEFAULT '',
  architecture      varchar(100) DEFAULT '',
  ip_address        varchar(45) DEFAULT '',
  version           varchar(50) DEFAULT '',
  retired_at        timestamptz,
  retired_reason    text
);
CREATE INDEX idx_agents_architecture ON agents (architecture);
CREATE INDEX idx_agents_hostname ON agents (hostname);
CREATE INDEX idx_agents_last_heartbeat_at ON agents (last_heartbeat_at);
CREATE INDEX idx_agents_online_heartbeat ON agents (status, last_heartbeat_at) WHERE status = 'online';
CREATE INDEX idx_agents_os ON agents (os);
CREATE INDEX idx_agents_retired_at ON agents (retired_at) WHERE retired_at IS NOT NULL;
CREATE INDEX idx_agents_status ON agents (status);

CREATE TABLE agent_group_members (
  agent_group_id  text NOT NULL REFERENCES agent_groups (id) ON DELETE CASCADE,
  agent_id        text NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
  membership_type varchar(20) NOT NULL DEFAULT 'include',
  created_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (agent_group_id, agent_id)
);
CREATE INDEX idx_agent_group_members_agent ON agent_group_members (agent_id);

CREATE TABLE deployment_targets (
  id               text PRIMARY KEY,
  name             varchar(255) NOT NULL,
  type             varchar(255) NOT NULL,
  agent_id         text NOT NULL REFERENCES agents (id) ON DELETE RESTRICT,
  config           jsonb,
  enabled          boolean NOT NULL DEFAULT true,
  created_at       timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now(),
  encrypted_config bytea,
  last_tested_at   timestamptz,
  test_status      text NOT NULL DEFAULT 'untested',
  source           text NOT NULL DEFAULT 'database',
  retired_at       timestamptz,
  retired_reason   text
);
CREATE INDEX idx_deployment_targets_agent_id ON deployment_targets (agent_id);
CREATE UNIQUE INDEX idx_deployment_targets_agent_name ON deployment_targets (agent_id, name);
CREATE INDEX idx_deployment_targets_enabled ON deployment_targets (enabled);
CREATE INDEX idx_deployment_targets_name ON deployment_targets (name);
CREATE INDEX idx_deployment_targets_retired_at ON deployment_targets (retired_at) WHERE retired_at IS NOT NULL;

-- Certificates and work

-- The identity that is kept alive; each X.509 certificate issued for it is a version.
CREATE TABLE managed_certificates (
  id                     text PRIMARY KEY,
  name                   varchar(255) NOT NULL UNIQUE,
  common_name            varchar(255) NOT NULL,
  sans                   text[] DEFAULT '{}',
  environment            varchar(50),
  owner_id               text NOT NULL REFERENCES owners (id) ON DELETE RESTRICT,
  team_id                text NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
  issuer_id              text NOT NULL REFERENCES issuers (id) ON DELETE RESTRICT,
  renewal_policy_id      text NOT NULL REFERENCES renewal_policies (id) ON DELETE RESTRICT,
  status                 varchar(50) NOT NULL DEFAULT 'pending',
  expires_at             timestamptz,
  tags                   jsonb NOT NULL DEFAULT '{}',
  last_renewal_at        timestamptz,
  last_deployment_at     timestamptz,
  created_at             timestamptz NOT NULL DEFAULT now(),
  updated_at             timestamptz NOT NULL DEFAULT now(),
  certificate_profile_id text REFERENCES certificate_profiles (id) ON DELETE SET NULL,
  revoked_at             timestamptz,
  revocation_reason      varchar(50),
  source                 text NOT NULL DEFAULT ''
);
CREATE INDEX idx_managed_certificates_expires_at ON managed_certificates (expires_at);
CREATE INDEX idx_managed_certificates_issuer_id ON managed_certificates (issuer_id);
CREATE INDEX idx_managed_certificates_name ON managed_certificates (name);
CREATE INDEX idx_managed_certificates_owner_id ON managed_certificates (owner_id);
CREATE INDEX idx_managed_certificates_profile_id ON managed_certificates (certificate_profile_id);
CREATE INDEX idx_managed_certificates_status ON managed_certificates (status);
CREATE INDEX idx_managed_certificates_team_id ON managed_certificates (team_id);

CREATE TABLE policy_violations (
  id             text PRIMARY KEY,
  certificate_id text NOT NULL REFERENCES managed_certificates (id) ON DELETE CASCADE,
  rule_id        text NOT NULL REFERENCES policy_rules (id) ON DELETE CASCADE,
  message        text NOT NULL,
  severity       varchar(50) NOT NULL CHECK (severity IN ('Warning', 'Error', 'Critical')),
  created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_policy_violations_certificate_id ON policy_violations (certificate_id);
CREATE INDEX idx_policy_violations_rule_id ON policy_violations (rule_id);
CREATE INDEX idx_policy_violations_severity ON policy_violations (severity);

CREATE TABLE certificate_target_mappings (
  certificate_id text NOT NULL REFERENCES managed_certificates (id) ON DELETE CASCADE,
  target_id      text NOT NULL REFERENCES deployment_targets (id) ON DELETE CASCADE,
  PRIMARY KEY (certificate_id, target_id)
);
CREATE INDEX idx_certificate_target_mappings_target_id ON certificate_target_mappings (target_id);

CREATE TABLE certificate_versions (
  id                 text PRIMARY KEY,
  certificate_id     text NOT NULL REFERENCES managed_certificates (id) ON DELETE CASCADE,
  serial_number      varchar(255) NOT NULL,
  not_before         timestamptz NOT NULL,
  not_after          timestamptz NOT NULL,
  fingerprint_sha256 varchar(255) NOT NULL UNIQUE,
  pem_chain          text NOT NULL,
  csr_pem            text,
  created_at         timestamptz NOT NULL DEFAULT now(),
  key_algorithm      varchar(50) DEFAULT '',
  key_size           integer DEFAULT 0
);
CREATE INDEX idx_certificate_versions_cert_created ON certificate_versions (certificate_id, created_at DESC);
CREATE INDEX idx_certificate_versions_certificate_id ON certificate_versions (certificate_id);
CREATE INDEX idx_certificate_versions_fingerprint ON certificate_versions (fingerprint_sha256);

CREATE TABLE jobs (
  id                       text PRIMARY KEY,
  type                     varchar(255) NOT NULL,
  certificate_id           text REFERENCES managed_certificates (id) ON DELETE CASCADE,
  target_id                text REFERENCES deployment_targets (id) ON DELETE SET NULL,
  agent_id                 text REFERENCES agents (id) ON DELETE SET NULL,
  status                   varchar(50) NOT NULL DEFAULT 'pending',
  attempts                 integer NOT NULL DEFAULT 0,
  max_attempts             integer NOT NULL DEFAULT 3,
  last_error               text,
  deployment_result        jsonb,
  scheduled_at             timestamptz,
  started_at               timestamptz,
  completed_at             timestamptz,
  created_at               timestamptz NOT NULL DEFAULT now(),
  verification_status      text DEFAULT 'pending',
  verified_at              timestamptz,
  verification_fingerprint text,
  verification_error       text
);
CREATE INDEX idx_jobs_agent_id ON jobs (agent_id);
CREATE INDEX idx_jobs_certificate_id ON jobs (certificate_id);
CREATE INDEX idx_jobs_scheduled_at ON jobs (scheduled_at);
CREATE INDEX idx_jobs_status ON jobs (status);
CREATE INDEX idx_jobs_status_scheduled_at ON jobs (status, scheduled_at);
CREATE INDEX idx_jobs_verification_status ON jobs (verification_status);
CREATE INDEX idx_jobs_verified_at ON jobs (verified_at);

CREATE TABLE issuance_approval_requests (
  id             text PRIMARY KEY,
  certificate_id text NOT NULL REFERENCES managed_certificates (id) ON DELETE CASCADE,
  job_id         text NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  profile_id     text NOT NULL REFERENCES certificate_profiles (id) ON DELETE RESTRICT,
  requested_by   text NOT NULL,
  state          varchar(20) NOT NULL DEFAULT 'pending'
    CONSTRAINT approval_state_check CHECK (state IN ('pending', 'approved', 'rejected', 'expired')),
  decided_by     text,
  decided_at     timestamptz,
  decision_note  text,
  metadata       jsonb NOT NULL DEFAULT '{}',
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT approval_decision_consistency CHECK (
    (state = 'pending' AND decided_by IS NULL AND decided_at IS NULL) OR (state <> 'pending' AND decided_at IS NOT NULL))
);
CREATE INDEX idx_approval_certificate ON issuance_approval_requests (certificate_id);
CREATE INDEX idx_approval_pending_age ON issuance_approval_requests (created_at) WHERE state = 'pending';
CREATE UNIQUE INDEX idx_approval_pending_per_job ON issuance_approval_requests (job_id) WHERE state = 'pending';
CREATE INDEX idx_approval_state ON issuance_approval_requests (state);

-- Source of CRL and OCSP.
CREATE TABLE certificate_revocations (
  id              text PRIMARY KEY,
  certificate_id  text NOT NULL REFERENCES managed_certificates (id),
  serial_number   text NOT NULL,
  reason          varchar(50) NOT NULL DEFAULT 'unspecified',
  revoked_by      text NOT NULL,
  revoked_at      timestamptz NOT NULL DEFAULT now(),
  issuer_id       text REFERENCES issuers (id),
  issuer_notified boolean NOT NULL DEFAULT false,
  created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_certificate_revocations_cert_id ON certificate_revocations (certificate_id);
CREATE UNIQUE INDEX idx_certificate_revocations_issuer_serial ON certificate_revocations (issuer_id, serial_number);
CREATE INDEX idx_certificate_revocations_revoked_at ON certificate_revocations (revoked_at);
CREATE INDEX idx_certificate_revocations_serial_lookup ON certificate_revocations (serial_number);

-- Notifications and audit

CREATE TABLE notification_events (
  id             text PRIMARY KEY,
  type           varchar(255) NOT NULL,
  certificate_id text REFERENCES managed_certificates (id) ON DELETE CASCADE,
  channel        varchar(255) NOT NULL,
  recipient      varchar(255) NOT NULL,
  message        text NOT NULL,
  sent_at        timestamptz,
  status         varchar(50) NOT NULL DEFAULT 'pending',
  error          text,
  retry_count    integer NOT NULL DEFAULT 0,
  next_retry_at  timestamptz,
  last_error     text,
  created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_notification_events_certificate_id ON notification_events (certificate_id);
CREATE INDEX idx_notification_events_retry_sweep ON notification_events (next_retry_at)
  WHERE status = 'failed' AND next_retry_at IS NOT NULL;
CREATE INDEX idx_notification_events_status ON notification_events (status);
CREATE INDEX idx_notification_events_type ON notification_events (type);

CREATE TABLE audit_events (
  id            text PRIMARY KEY,
  actor         varchar(255) NOT NULL,
  actor_type    varchar(50) NOT NULL,
  action        varchar(255) NOT NULL,
  resource_type varchar(255) NOT NULL,
  resource_id   varchar(255) NOT NULL,
  details       jsonb,
  timestamp     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_audit_events_action ON audit_events (action);
CREATE INDEX idx_audit_events_actor ON audit_events (actor);
CREATE INDEX idx_audit_events_resource_type_id ON audit_events (resource_type, resource_id);
CREATE INDEX idx_audit_events_timestamp ON audit_events (timestamp);
CREATE INDEX idx_audit_events_timestamp_desc ON audit_events (timestamp DESC);

CREATE FUNCTION audit_events_block_modification() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit_events is append-only: % is not allowed', TG_OP
    USING ERRCODE = 'check_violation',
          HINT = 'Retention is the task of a separate compliance superuser role.';
END
$$;
CREATE TRIGGER audit_events_worm_trigger BEFORE UPDATE OR DELETE ON audit_events
  FOR EACH ROW EXECUTE FUNCTION audit_events_block_modification();
DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'certctl') THEN
    REVOKE UPDATE, DELETE ON audit_events FROM certctl;
  END IF;
END
$$;

-- Discovery and monitoring

CREATE TABLE discovery_scans (
  id                 text PRIMARY KEY,
  agent_id           text NOT NULL REFERENCES agents (id),
  directories        text[] NOT NULL,
  certificates_found integer NOT NULL DEFAULT 0,
  certificates_new   integer NOT NULL DEFAULT 0,
  errors_count       integer NOT NULL DEFAULT 0,
  scan_duration_ms   integer NOT NULL DEFAULT 0,
  started_at         timestamptz NOT NULL DEFAULT now(),
  completed_at       timestamptz
);
CREATE INDEX idx_discovery_scans_agent_id ON discovery_scans (agent_id);
CREATE INDEX idx_discovery_scans_started_at ON discovery_scans (started_at DESC);

CREATE TABLE discovered_certificates (
  id                     text PRIMARY KEY,
  fingerprint_sha256     text NOT NULL,
  common_name            text NOT NULL DEFAULT '',
  sans                   text[] DEFAULT '{}',
  serial_number          text NOT NULL DEFAULT '',
  issuer_dn              text NOT NULL DEFAULT '',
  subject_dn             text NOT NULL DEFAULT '',
  not_before             timestamptz,
  not_after              timestamptz,
  key_algorithm          text NOT NULL DEFAULT '',
  key_size               integer NOT NULL DEFAULT 0,
  is_ca                  boolean NOT NULL DEFAULT false,
  pem_data               text NOT NULL DEFAULT '',
  source_path            text NOT NULL DEFAULT '',
  source_format          text NOT NULL DEFAULT 'PEM',
  agent_id               text NOT NULL REFERENCES agents (id),
  discovery_scan_id      text REFERENCES discovery_scans (id),
  managed_certificate_id text REFERENCES managed_certificates (id),
  status                 text NOT NULL DEFAULT 'Unmanaged',
  first_seen_at          timestamptz NOT NULL DEFAULT now(),
  last_seen_at           timestamptz NOT NULL DEFAULT now(),
  dismissed_at           timestamptz,
  created_at             timestamptz NOT NULL DEFAULT now(),
  updated_at             timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_discovered_certs_agent_id ON discovered_certificates (agent_id);
CREATE INDEX idx_discovered_certs_fingerprint ON discovered_certificates (fingerprint_sha256);
CREATE UNIQUE INDEX idx_discovered_certs_fingerprint_agent_path
  ON discovered_certificates (fingerprint_sha256, agent_id, source_path);
CREATE INDEX idx_discovered_certs_managed_id ON discovered_certificates (managed_certificate_id)
  WHERE managed_certificate_id IS NOT NULL;
CREATE INDEX idx_discovered_certs_not_after ON discovered_certificates (not_after);
CREATE INDEX idx_discovered_certs_status ON discovered_certificates (status);

CREATE TABLE network_scan_targets (
  id                    text PRIMARY KEY,
  name                  text NOT NULL,
  cidrs                 text[] NOT NULL DEFAULT '{}',
  ports                 integer[] NOT NULL DEFAULT '{443}',
  enabled               boolean NOT NULL DEFAULT true,
  scan_interval_hours   integer NOT NULL DEFAULT 6,
  timeout_ms            integer NOT NULL DEFAULT 5000,
  last_scan_at          timestamptz,
  last_scan_duration_ms integer,
  last_scan_certs_found integer,
  created_at            timestamptz NOT NULL DEFAULT now(),
  updated_at            timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_network_scan_targets_enabled ON network_scan_targets (enabled) WHERE enabled = true;

CREATE TABLE scep_probe_results (
  id                      text PRIMARY KEY,
  target_url              text NOT NULL,
  reachable               boolean NOT NULL,
  advertised_caps         text[] NOT NULL DEFAULT '{}',
  supports_rfc8894        boolean NOT NULL DEFAULT false,
  supports_aes            boolean NOT NULL DEFAULT false,
  supports_post_operation boolean NOT NULL DEFAULT false,
  supports_renewal        boolean NOT NULL DEFAULT false,
  supports_sha256         boolean NOT NULL DEFAULT false,
  supports_sha512         boolean NOT NULL DEFAULT false,
  ca_cert_subject         text,
  ca_cert_issuer          text,
  ca_cert_not_before      timestamptz,
  ca_cert_not_after       timestamptz,
  ca_cert_expired         boolean NOT NULL DEFAULT false,
  ca_cert_algorithm       text,
  ca_cert_chain_length    integer NOT NULL DEFAULT 0,
  probed_at               timestamptz NOT NULL,
  probe_duration_ms       bigint NOT NULL DEFAULT 0,
  error                   text,
  created_at              timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_scep_probe_results_probed_at ON scep_probe_results (probed_at DESC);
CREATE INDEX idx_scep_probe_results_target_url ON scep_probe_results (target_url, probed_at DESC);

CREATE TABLE endpoint_health_checks (
  id                     text PRIMARY KEY,
  endpoint               text NOT NULL,  -- host:port
  certificate_id         text REFERENCES managed_certificates (id),
  network_scan_target_id text REFERENCES network_scan_targets (id),
  expected_fingerprint   text NOT NULL DEFAULT '',
  observed_fingerprint   text NOT NULL DEFAULT '',
  status                 text NOT NULL DEFAULT 'unknown',
  consecutive_failures   integer NOT NULL DEFAULT 0,
  response_time_ms       integer NOT NULL DEFAULT 0,
  tls_version            text NOT NULL DEFAULT '',
  cipher_suite           text NOT NULL DEFAULT '',
  cert_subject           text NOT NULL DEFAULT '',
  cert_issuer            text NOT NULL DEFAULT '',
  cert_expiry            timestamptz,
  last_checked_at        timestamptz,
  last_success_at        timestamptz,
  last_failure_at        timestamptz,
  last_transition_at     timestamptz,
  failure_reason         text NOT NULL DEFAULT '',
  degraded_threshold     integer NOT NULL DEFAULT 2,
  down_threshold         integer NOT NULL DEFAULT 5,
  check_interval_seconds integer NOT NULL DEFAULT 300,
  enabled                boolean NOT NULL DEFAULT true,
  acknowledged           boolean NOT NULL DEFAULT false,
  acknowledged_by        text NOT NULL DEFAULT '',
  acknowledged_at        timestamptz,
  created_at             timestamptz NOT NULL DEFAULT now(),
  updated_at             timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_health_checks_certificate ON endpoint_health_checks (certificate_id) WHERE certificate_id IS NOT NULL;
CREATE INDEX idx_health_checks_enabled ON endpoint_health_checks (enabled) WHERE enabled = true;
CREATE INDEX idx_health_checks_endpoint ON endpoint_health_checks (endpoint);
CREATE INDEX idx_health_checks_status ON endpoint_health_checks (status);

CREATE TABLE endpoint_health_history (
  id               text PRIMARY KEY,
  health_check_id  text NOT NULL REFERENCES endpoint_health_checks (id) ON DELETE CASCADE,
  status           text NOT NULL,
  response_time_ms integer NOT NULL DEFAULT 0,
  fingerprint      text NOT NULL DEFAULT '',
  failure_reason   text NOT NULL DEFAULT '',
  checked_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_health_history_check_time ON endpoint_health_history (health_check_id, checked_at DESC);

-- PKI caches and hierarchy

CREATE TABLE crl_cache (
  issuer_id              text PRIMARY KEY REFERENCES issuers (id) ON DELETE CASCADE,
  crl_der                bytea NOT NULL,
  crl_number             bigint NOT NULL,
  this_update            timestamptz NOT NULL,
  next_update            timestamptz NOT NULL,
  generated_at           timestamptz NOT NULL DEFAULT now(),
  generation_duration_ms integer NOT NULL,
  revoked_count          integer NOT NULL,
  created_at             timestamptz NOT NULL DEFAULT now(),
  updated_at             timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_crl_cache_next_update ON crl_cache (next_update);

CREATE TABLE crl_generation_events (
  id            bigserial PRIMARY KEY,
  issuer_id     text NOT NULL,
  crl_number    bigint NOT NULL,
  duration_ms   integer NOT NULL,
  revoked_count integer NOT NULL,
  started_at    timestamptz NOT NULL DEFAULT now(),
  succeeded     boolean NOT NULL,
  error         text
);
CREATE INDEX idx_crl_generation_events_issuer_started ON crl_generation_events (issuer_id, started_at DESC);

CREATE TABLE ocsp_responders (
  issuer_id    text PRIMARY KEY REFERENCES issuers (id) ON DELETE CASCADE,
  cert_pem     text NOT NULL,
  cert_serial  text NOT NULL,
  key_path     text NOT NULL,  -- a reference, never key bytes
  key_alg      text NOT NULL,
  not_before   timestamptz NOT NULL,
  not_after    timestamptz NOT NULL,
  rotated_from text,
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_ocsp_responders_not_after ON ocsp_responders (not_after);

CREATE TABLE ocsp_response_cache (
  issuer_id         text NOT NULL REFERENCES issuers (id) ON DELETE CASCADE,
  serial_hex        text NOT NULL,
  response_der      bytea NOT NULL,
  cert_status       text NOT NULL,
  revocation_reason integer,
  revoked_at        timestamptz,
  this_update       timestamptz NOT NULL,
  next_update       timestamptz NOT NULL,
  generated_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (issuer_id, serial_hex)
);
CREATE INDEX idx_ocsp_response_cache_issuer ON ocsp_response_cache (issuer_id);
CREATE INDEX idx_ocsp_response_cache_next_update ON ocsp_response_cache (next_update);

CREATE TABLE intermediate_cas (
  id                  text PRIMARY KEY,
  owning_issuer_id    text NOT NULL REFERENCES issuers (id) ON DELETE RESTRICT,
  parent_ca_id        text REFERENCES intermediate_cas (id) ON DELETE RESTRICT,  -- NULL: a root
  name                text NOT NULL,
  subject             text NOT NULL,
  state               varchar(20) NOT NULL DEFAULT 'active'
    CONSTRAINT intermediate_ca_state_check CHECK (state IN ('active', 'retiring', 'retired')),
  cert_pem            text NOT NULL,
  key_driver_id       text NOT NULL,  -- a reference, never key bytes
  not_before          timestamptz NOT NULL,
  not_after           timestamptz NOT NULL,
  path_len_constraint integer,
  name_constraints    jsonb NOT NULL DEFAULT '[]',
  ocsp_responder_url  text,
  metadata            jsonb NOT NULL DEFAULT '{}',
  created_at          timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT intermediate_ca_validity_check CHECK (not_after > not_before),
  CONSTRAINT intermediate_ca_no_self_parent CHECK (parent_ca_id <> id)
);
CREATE UNIQUE INDEX idx_intermediate_ca_active_root_per_issuer ON intermediate_cas (owning_issuer_id)
  WHERE parent_ca_id IS NULL AND state = 'active';
CREATE INDEX idx_intermediate_ca_expiring ON intermediate_cas (not_after) WHERE state = 'active';
CREATE INDEX idx_intermediate_ca_owning_issuer ON intermediate_cas (owning_issuer_id);
CREATE INDEX idx_intermediate_ca_parent ON intermediate_cas (parent_ca_id);
CREATE INDEX idx_intermediate_ca_state ON intermediate_cas (state);
CREATE UNIQUE INDEX idx_intermediate_ca_unique_name_per_issuer ON intermediate_cas (owning_issuer_id, name);

-- ACME server

CREATE TABLE acme_accounts (
  account_id     text PRIMARY KEY,
  jwk_thumbprint text NOT NULL,  -- RFC 7638
  jwk_pem        text NOT NULL,
  contact        text[],
  status         text NOT NULL,
  profile_id     text NOT NULL REFERENCES certificate_profiles (id),
  owner_id       text REFERENCES owners (id),
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now(),
  UNIQUE (profile_id, jwk_thumbprint)
);
CREATE INDEX idx_acme_accounts_jwk_thumb ON acme_accounts (profile_id, jwk_thumbprint);
CREATE INDEX idx_acme_accounts_status ON acme_accounts (status) WHERE status = 'valid';

CREATE TABLE acme_orders (
  order_id       text PRIMARY KEY,
  account_id     text NOT NULL REFERENCES acme_accounts (account_id),
  identifiers    jsonb NOT NULL,
  status         text NOT NULL,
  expires_at     timestamptz NOT NULL,
  not_before     timestamptz,
  not_after      timestamptz,
  error          jsonb,
  csr_pem        text,
  certificate_id text REFERENCES managed_certificates (id),
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_acme_orders_account ON acme_orders (account_id);
CREATE INDEX idx_acme_orders_expires ON acme_orders (expires_at);
CREATE INDEX idx_acme_orders_status ON acme_orders (status) WHERE status IN ('pending', 'ready', 'processing');

CREATE TABLE acme_authorizations (
  authz_id   text PRIMARY KEY,
  order_id   text NOT NULL REFERENCES acme_orders (order_id),
  identifier jsonb NOT NULL,
  status     text NOT NULL,
  expires_at timestamptz NOT NULL,
  wildcard   boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_acme_authz_order ON acme_authorizations (order_id);
CREATE INDEX idx_acme_authz_status ON acme_authorizations (status) WHERE status IN ('pending', 'processing');

CREATE TABLE acme_challenges (
  challenge_id text PRIMARY KEY,
  authz_id     text NOT NULL REFERENCES acme_authorizations (authz_id),
  type         text NOT NULL,
  status       text NOT NULL,
  token        text NOT NULL,
  validated_at timestamptz,
  error        jsonb,
  created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_acme_challenges_authz ON acme_challenges (authz_id);

CREATE TABLE acme_nonces (
  nonce      text PRIMARY KEY,
  issued_at  timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  used       boolean NOT NULL DEFAULT false
);
CREATE INDEX idx_acme_nonces_expires ON acme_nonces (expires_at) WHERE used = false;
