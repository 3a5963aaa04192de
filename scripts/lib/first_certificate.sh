# shellcheck shell=bash
# From an empty control plane to a served certificate, through the REST API alone.

readonly AGENT_ID=ag-quickstart CERTIFICATE_ID=mc-quickstart

create_inventory() {
  ensure teams t-quickstart '{name: "Quickstart"}'
  ensure owners o-quickstart '{name: "Quickstart owner", email: "owner@example.com", team_id: "t-quickstart"}'
  ensure profiles prof-quickstart '{
    name: "Quickstart web servers", description: "ECDSA keys, 90 days, server authentication",
    allowed_key_algorithms: [{algorithm: "ECDSA", min_size: 256}], max_ttl_seconds: 7776000,
    allowed_ekus: ["serverAuth"], enabled: true}'
  ensure renewal-policies rp-quickstart '{
    name: "Quickstart renewal", renewal_window_days: 30, auto_renew: true, max_retries: 3,
    retry_interval_seconds: 60, alert_thresholds_days: [30, 14, 7, 0]}'
  ensure issuers iss-quickstart '{
    name: "Quickstart CA", type: "GenericCA", enabled: true,
    config: {ca_common_name: "certctl quickstart CA", validity_days: 90}}'
  ensure targets tgt-quickstart "$(jq -n --arg agent "$AGENT_ID" --arg site "$SITE" --arg port "$SITE_PORT" \
    --arg nginx "$(site_command)" '{
    name: "Quickstart nginx", type: "NGINX", agent_id: $agent, enabled: true,
    config: {
      cert_path: "\($site)/tls/site.crt", key_path: "\($site)/tls/site.key",
      reload_command: "\($nginx) -s reload", validate_command: "\($nginx) -t",
      post_deploy_verify: {enabled: true, endpoint: "127.0.0.1:\($port)", server_name: "localhost"}}}')"
}

request_certificate() {
  ensure certificates "$CERTIFICATE_ID" '{
    name: "quickstart site", common_name: "localhost", sans: ["localhost", "127.0.0.1"], environment: "development",
    owner_id: "o-quickstart", team_id: "t-quickstart", issuer_id: "iss-quickstart",
    certificate_profile_id: "prof-quickstart", renewal_policy_id: "rp-quickstart", target_ids: ["tgt-quickstart"]}'
}

# newest_job TYPES [NOT-BEFORE]: sets JOB_STATUS (empty: no such job), JOB_ERROR, JOB_FINAL, JOB_VERIFICATION, JOB_TIME.
newest_job() {
  must GET "/jobs?certificate_id=$CERTIFICATE_ID&per_page=500"
  { IFS= read -r JOB_STATUS; IFS= read -r JOB_ERROR; IFS= read -r JOB_FINAL; IFS= read -r JOB_VERIFICATION; IFS= read -r JOB_TIME; } < <(
    jq -r --arg types "$1" --arg from "${2-}" '
      [.data[] | select((.type | IN($types | split(" ")[])) and .created_at[:19] >= $from)]
      | reverse | sort_by(.created_at[:19]) | last // {}
      | (.status // ""), ((.last_error // "") | gsub("\\s+"; " ")),
        (.status == "Cancelled" or .status == "Failed" and .attempts >= .max_attempts),
        (.verification_status // ""), ((.created_at // "")[:19])' <<<"$API_BODY")
}

fail_job() {
  fail "$1: ${JOB_ERROR:-job $JOB_STATUS}" \
    "correct the cause, then renew as shown by ./quickstart help, or begin anew: ./quickstart clean" "$2"
}

newest_fingerprint() {
  must GET "/certificates/$CERTIFICATE_ID/versions?per_page=1"
  answer '.data[0].fingerprint_sha256'
}

# The agent makes the key and sends the CSR, the CA signs.
wait_issued() {
  local deadline=$((SECONDS + 120))
  while true; do
    newest_job 'Issuance Renewal'
    ISSUED_SINCE=$JOB_TIME
    case $JOB_STATUS in
      Completed) break ;;
      '')
        if [[ $(newest_fingerprint) ]]; then break; fi
        api POST "/certificates/$CERTIFICATE_ID/renew" '{}' || true ;;
    esac
    if [[ $JOB_FINAL == true ]]; then
      if [[ $(newest_fingerprint) ]]; then warn "the last renewal failed: $JOB_ERROR"; break; fi
      fail_job 'the certificate was not issued' "$DIR/logs/server.log"
    fi
    ((SECONDS < deadline)) || fail_job 'the certificate was not issued within 2 minutes' "$DIR/logs/server.log"
    progress "${JOB_STATUS:-waiting}${JOB_ERROR:+: $JOB_ERROR}"
    sleep 0.2
  done
  ISSUED=$(newest_fingerprint)
  [[ $ISSUED ]] || fail 'the certificate has no version' 'see the log' "$DIR/logs/server.log"
}

# The agent writes the files, checks the configuration, reloads nginx.
wait_deployed() {
  local deadline=$((SECONDS + 120))
  while true; do
    newest_job Deployment "$ISSUED_SINCE"
    if [[ $JOB_STATUS == Completed ]]; then break; fi
    if [[ $JOB_FINAL == true ]]; then fail_job 'the certificate was not deployed' "$DIR/logs/agent.log"; fi
    ((SECONDS < deadline)) || fail_job 'the certificate was not deployed within 2 minutes' "$DIR/logs/agent.log"
    progress "${JOB_STATUS:-waiting}${JOB_ERROR:+: $JOB_ERROR}"
    sleep 0.2
  done
}

# The agent asked nginx which certificate it serves.
wait_verified() {
  local deadline=$((SECONDS + 60))
  while true; do
    newest_job Deployment "$ISSUED_SINCE"
    case $JOB_VERIFICATION in
      success) break ;;
      failed | skipped) fail "the agent's verification: $JOB_VERIFICATION $JOB_ERROR" 'see its log' "$DIR/logs/agent.log" ;;
    esac
    ((SECONDS < deadline)) || fail 'the agent did not report what nginx serves' 'see its log' "$DIR/logs/agent.log"
    progress "$JOB_VERIFICATION"
    sleep 0.2
  done
}

# And we look for ourselves, with the CA's certificate as the only trust.
check_served() {
  local chain
  if ! wait_until 30 serves "$ISSUED"; then
    fail "nginx serves the certificate $(served_fingerprint), not the issued one, $ISSUED" 'see the logs' "$DIR/logs/agent.log"
  fi
  must GET "/certificates/$CERTIFICATE_ID/versions?per_page=1"
  chain=$(answer '.data[0].pem_chain')
  awk '/-----BEGIN/ { block = "" } { block = block $0 "\n" } END { printf "%s", block }' <<<"$chain" >"$DIR/site-ca.crt.new"
  chmod 0644 -- "$DIR/site-ca.crt.new"
  mv -f -- "$DIR/site-ca.crt.new" "$DIR/site-ca.crt"
  curl -sS --noproxy '*' -f -o /dev/null --cacert "$DIR/site-ca.crt" "$SITE_URL" 2>"$DIR/logs/curl.log" ||
    fail "the site's certificate is not accepted: $(<"$DIR/logs/curl.log")" 'see the logs' "$DIR/logs/server.log"
  step_note "${ISSUED:0:16}…"
}
serves() { [[ $(served_fingerprint) == "$1" ]]; }
