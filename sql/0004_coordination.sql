-- How any number of servers on one database work as one.

-- A fence only rises; no row is ever deleted.
CREATE TABLE leases (
  name       text PRIMARY KEY,
  owner      text NOT NULL DEFAULT '',
  fence      bigint NOT NULL DEFAULT 0,
  expires_at timestamptz NOT NULL
);

CREATE TABLE scheduler_loops (
  name             text PRIMARY KEY,
  next_due_at      timestamptz NOT NULL DEFAULT now(),
  last_started_at  timestamptz,
  last_finished_at timestamptz,
  last_error       text,
  runs             bigint NOT NULL DEFAULT 0,
  rows             bigint NOT NULL DEFAULT 0
);

CREATE TABLE server_instances (
  instance_id  text PRIMARY KEY,
  started_at   timestamptz NOT NULL DEFAULT now(),
  heartbeat_at timestamptz NOT NULL DEFAULT now(),
  version      text NOT NULL DEFAULT '',
  address      text NOT NULL DEFAULT '',
  capabilities jsonb NOT NULL DEFAULT '{}',
  draining     boolean NOT NULL DEFAULT false
);

-- What a commit wants announced; each server sends its own rows. A crash may empty it: everybody polls as well.
CREATE UNLOGGED TABLE outbox (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic       text NOT NULL,
  key         text NOT NULL DEFAULT '-',
  instance_id text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);

-- Work that a commit leaves behind for others: to tell a CA of a revocation, to sign a CRL.
CREATE TABLE outbox_effects (
  id               text PRIMARY KEY,
  kind             text NOT NULL,
  key              text NOT NULL,
  payload          jsonb NOT NULL DEFAULT '{}',
  next_attempt_at  timestamptz NOT NULL DEFAULT now(),
  attempts         integer NOT NULL DEFAULT 0,
  last_error       text,
  lease_owner      text,
  lease_expires_at timestamptz,
  fence            bigint NOT NULL DEFAULT 0,
  done_at          timestamptz,
  UNIQUE (kind, key)
);
CREATE INDEX idx_outbox_effects_claim ON outbox_effects (next_attempt_at, id) WHERE done_at IS NULL;

CREATE TABLE idempotency_keys (
  actor           text NOT NULL,
  key             text NOT NULL,
  request_hash    bytea NOT NULL,
  state           text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done')),
  status          integer,
  headers         jsonb NOT NULL DEFAULT '{}',
  response_sealed bytea,
  created_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (actor, key)
);
CREATE INDEX idx_idempotency_keys_created ON idempotency_keys (created_at);

CREATE TABLE settings (
  name       text PRIMARY KEY,
  value      jsonb NOT NULL DEFAULT '{}',
  updated_by text NOT NULL DEFAULT '',
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- One row a subject, updated in place (heap-only), hence no other index and room on each page.
CREATE TABLE rate_limits (
  scope   text NOT NULL,
  subject text NOT NULL,
  tat     timestamptz NOT NULL,
  hits    timestamptz[],
  PRIMARY KEY (scope, subject)
) WITH (fillfactor = 50);
