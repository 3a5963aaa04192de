-- What is asked of a CA is written down before it is asked, so that a crash never costs or doubles a certificate.

CREATE TABLE issuance_intents (
  id                text PRIMARY KEY,
  job_id            text NOT NULL,
  certificate_id    text,
  issuer_id         text NOT NULL,
  seq               integer NOT NULL DEFAULT 0,
  state             text NOT NULL CHECK (state IN ('prepared', 'submitting', 'ordered', 'issued', 'recorded',
    'unknown_outcome', 'failed', 'abandoned', 'rejected', 'duplicate')),
  idempotency_key   text NOT NULL,
  csr_pem           text NOT NULL DEFAULT '',
  spki_sha256       bytea NOT NULL DEFAULT '',
  key_sealed        bytea,
  plugin            text NOT NULL DEFAULT '',
  checkpoint_sealed bytea,
  checkpoint_at     timestamptz,
  order_id          text,
  expires_at        timestamptz,
  submit_count      integer NOT NULL DEFAULT 0,
  submitted_at      timestamptz,
  poll_at           timestamptz,
  polls             integer NOT NULL DEFAULT 0,
  result_pem        text,
  serial            text,
  issued_at         timestamptz,
  version_id        text,
  error_kind        text,
  error             text,
  created_at        timestamptz NOT NULL DEFAULT now(),
  updated_at        timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX idx_issuance_intents_idempotency ON issuance_intents (issuer_id, idempotency_key);
CREATE UNIQUE INDEX idx_issuance_intents_open_job ON issuance_intents (job_id)
  WHERE state IN ('prepared', 'submitting', 'ordered', 'issued', 'unknown_outcome');
CREATE INDEX idx_issuance_intents_open ON issuance_intents (updated_at)
  WHERE state IN ('prepared', 'submitting', 'ordered', 'issued', 'unknown_outcome');

CREATE TABLE job_attempts (
  job_id      text NOT NULL,
  attempt     integer NOT NULL,
  instance_id text NOT NULL DEFAULT '',
  started_at  timestamptz NOT NULL DEFAULT now(),
  ended_at    timestamptz,
  outcome     text NOT NULL DEFAULT '',
  error_kind  text,
  error       text,
  log         text NOT NULL DEFAULT '' CHECK (octet_length(log) <= 65536),
  PRIMARY KEY (job_id, attempt)
);

-- How busy and how healthy a lane is; a lane is an issuer, `deploy` or `validate`.
CREATE TABLE issuer_runtime (
  lane            text PRIMARY KEY,
  max_concurrency integer NOT NULL DEFAULT 8,
  buckets         jsonb NOT NULL DEFAULT '{}',
  circuit         text NOT NULL DEFAULT 'closed' CHECK (circuit IN ('closed', 'open', 'half_open')),
  failures        integer NOT NULL DEFAULT 0,
  open_until_at   timestamptz,
  learned         jsonb NOT NULL DEFAULT '{}',
  last_served_at  timestamptz NOT NULL DEFAULT 'epoch'
);

-- Keys that were reported compromised: never certified again.
CREATE TABLE blocked_keys (
  spki_sha256 bytea PRIMARY KEY,
  reason      text NOT NULL DEFAULT '',
  serial      text NOT NULL DEFAULT '',
  blocked_at  timestamptz NOT NULL DEFAULT now(),
  blocked_by  text NOT NULL DEFAULT ''
);

-- Own CAs

CREATE TABLE local_ca_generations (
  id          text PRIMARY KEY,
  issuer_id   text NOT NULL REFERENCES issuers (id) ON DELETE CASCADE,
  generation  integer NOT NULL,
  cert_pem    text NOT NULL,
  chain_pem   text NOT NULL DEFAULT '',
  key_ref     text NOT NULL DEFAULT '',
  key_sealed  bytea,
  key_alg     text NOT NULL DEFAULT '',
  spki_sha256 bytea NOT NULL,
  state       text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'superseded', 'retired')),
  not_before  timestamptz NOT NULL,
  not_after   timestamptz NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  UNIQUE (issuer_id, spki_sha256)
);
CREATE UNIQUE INDEX idx_local_ca_generations_active ON local_ca_generations (issuer_id) WHERE state = 'active';

-- Everything that an own CA ever signed; rows live as long as the CA.
CREATE TABLE issued_certificates (
  ca_id              text NOT NULL,
  serial_norm        text NOT NULL,  -- lower hex without leading zeros
  issuer_id          text NOT NULL,
  intent_id          text,
  state              text NOT NULL CHECK (state IN ('pending', 'issued', 'failed')),
  serial_number      text NOT NULL DEFAULT '',
  subject            text NOT NULL DEFAULT '',
  spki_sha256        bytea NOT NULL DEFAULT '',
  fingerprint_sha256 bytea,
  not_before         timestamptz NOT NULL,
  not_after          timestamptz NOT NULL,
  certificate_id     text,
  version_id         text,
  profile_id         text,
  source             text NOT NULL DEFAULT '' CHECK (source IN
    ('', 'EST', 'SCEP', 'API', 'Agent', 'ACME', 'Import', 'subca', 'ocsp-responder')),
  short_lived        boolean NOT NULL DEFAULT false,
  crl_shard          smallint NOT NULL DEFAULT 0,  -- fixed at issuance
  created_at         timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (ca_id, serial_norm)
);
CREATE INDEX idx_issued_certificates_issuer_serial ON issued_certificates (issuer_id, serial_norm);
CREATE INDEX idx_issued_certificates_spki ON issued_certificates (spki_sha256);
CREATE INDEX idx_issued_certificates_certificate ON issued_certificates (certificate_id);
CREATE INDEX idx_issued_certificates_pending ON issued_certificates (created_at) WHERE state = 'pending';

CREATE TABLE ca_revocation_epoch (
  ca_id          text PRIMARY KEY,
  epoch          bigint NOT NULL DEFAULT 0,
  dirty_since_at timestamptz
);

-- Plugins

CREATE TABLE plugin_modules (
  name          text PRIMARY KEY,
  kind          text NOT NULL DEFAULT '',
  version       text NOT NULL DEFAULT '',
  sha256        text NOT NULL DEFAULT '',
  state         text NOT NULL CHECK (state IN ('loaded', 'refused', 'quarantined', 'unavailable', 'disabled')),
  isolation     text NOT NULL DEFAULT '',
  grants        jsonb NOT NULL DEFAULT '{}',
  reason        text,
  restarts      integer NOT NULL DEFAULT 0,
  last_crash_at timestamptz
);

-- What a plugin asks its host to keep; compare-and-set on version.
CREATE TABLE plugin_state (
  instance_id  text NOT NULL,
  key          text NOT NULL,
  value_sealed bytea NOT NULL DEFAULT '',
  version      bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (instance_id, key)
);
