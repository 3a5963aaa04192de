-- Notifications

CREATE TABLE notification_channels (
  id                      text PRIMARY KEY,
  name                    text NOT NULL UNIQUE,
  type                    text NOT NULL,
  enabled                 boolean NOT NULL DEFAULT true,
  config                  jsonb NOT NULL DEFAULT '{}',
  encrypted_config_sealed bytea,
  team_id                 text REFERENCES teams (id) ON DELETE CASCADE,
  rate_limit              jsonb NOT NULL DEFAULT '{}',
  quiet_hours             jsonb NOT NULL DEFAULT '{}',
  breaker                 jsonb NOT NULL DEFAULT '{}',
  last_success_at         timestamptz,
  last_failure_at         timestamptz,
  source                  text NOT NULL DEFAULT 'database' CHECK (source IN ('database', 'env')),
  created_at              timestamptz NOT NULL DEFAULT now(),
  updated_at              timestamptz NOT NULL DEFAULT now(),
  row_version             bigint NOT NULL DEFAULT 1
);
CREATE INDEX idx_notification_channels_team ON notification_channels (team_id);

ALTER TABLE notification_events
  ADD COLUMN urgency          smallint NOT NULL DEFAULT 0,  -- 0 critical, 1 warning, 2 informational
  ADD COLUMN claimable        boolean NOT NULL DEFAULT true,
  ADD COLUMN subject          text NOT NULL DEFAULT '',
  ADD COLUMN severity         text NOT NULL DEFAULT '',
  ADD COLUMN payload          jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN event_id         text,
  ADD COLUMN channel_id       text,
  ADD COLUMN incident_id      text,
  ADD COLUMN dedup_key        text,
  ADD COLUMN not_before       timestamptz,
  ADD COLUMN read_at          timestamptz,
  ADD COLUMN acknowledged_at  timestamptz,
  ADD COLUMN acknowledged_by  text,
  ADD COLUMN delivered        boolean,
  ADD COLUMN provider_ref     text,
  ADD COLUMN silenced_by      text,
  ADD COLUMN grouped_into     text,
  ADD COLUMN lease_owner      text,
  ADD COLUMN lease_expires_at timestamptz,
  ADD COLUMN fence            bigint NOT NULL DEFAULT 0,
  ADD COLUMN attempts_log     jsonb NOT NULL DEFAULT '[]',
  ADD CONSTRAINT notification_events_status_check CHECK (status IN ('pending', 'sent', 'failed', 'dead', 'read'));
CREATE INDEX idx_notification_events_claim ON notification_events (channel_id, urgency, created_at, id)
  WHERE status = 'pending' AND claimable;
CREATE INDEX idx_notification_events_promote ON notification_events (not_before, id)
  WHERE status = 'pending' AND NOT claimable;
CREATE UNIQUE INDEX idx_notification_events_dedup ON notification_events (dedup_key);
CREATE INDEX idx_notification_events_by_created ON notification_events (created_at DESC, id);
CREATE INDEX idx_notification_events_of_status ON notification_events (status, created_at DESC, id);
DROP INDEX idx_notification_events_status;

-- Audit: nothing that happened can be made not to have happened.

ALTER TABLE audit_events
  ADD COLUMN request_id       text,
  ADD COLUMN source_addr_hash bytea;
DROP INDEX idx_audit_events_timestamp;  -- its twin in descending order serves both ways

CREATE TRIGGER audit_events_worm_truncate_trigger BEFORE TRUNCATE ON audit_events
  FOR EACH STATEMENT EXECUTE FUNCTION audit_events_block_modification();
-- Also while session_replication_role is replica.
ALTER TABLE audit_events ENABLE ALWAYS TRIGGER audit_events_worm_trigger;
ALTER TABLE audit_events ENABLE ALWAYS TRIGGER audit_events_worm_truncate_trigger;
