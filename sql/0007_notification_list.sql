-- The order in which notifications are listed.

CREATE INDEX idx_notification_events_by_sent ON notification_events (sent_at DESC NULLS LAST, created_at DESC, id);
