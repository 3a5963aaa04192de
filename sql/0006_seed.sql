-- Rows that every installation starts with. Given once: what an operator deletes or renames stays so.

INSERT INTO renewal_policies (id, name, renewal_window_days, auto_renew, max_retries, retry_interval_seconds,
                              alert_thresholds_days)
VALUES ('rp-default', 'default', 30, true, 3, 60, '[30, 14, 7, 0]')
ON CONFLICT DO NOTHING;

INSERT INTO policy_rules (id, name, type, config, enabled, severity)
VALUES
  ('pr-require-owner', 'require-owner', 'RequiredMetadata', '{"required_keys": ["owner"]}', true, 'Warning'),
  ('pr-allowed-environments', 'allowed-environments', 'AllowedEnvironments',
   '{"allowed": ["production", "staging", "development"]}', true, 'Error'),
  ('pr-max-certificate-lifetime', 'max-certificate-lifetime', 'CertificateLifetime', '{"max_days": 90}', true, 'Critical'),
  ('pr-min-renewal-window', 'min-renewal-window', 'RenewalLeadTime', '{"lead_time_days": 14}', true, 'Warning')
ON CONFLICT DO NOTHING;

-- Lanes without an issuer; those of issuers come with the issuer.
INSERT INTO issuer_runtime (lane) VALUES ('deploy'), ('validate') ON CONFLICT DO NOTHING;
