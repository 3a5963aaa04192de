# shellcheck shell=bash
# Server and agent of the quickstart: copies of what was built, started with an environment of their own.

# certctl-exec starts the commands of plugins; it stands beside the program that needs it.
readonly PROGRAMS=(certctl-server certctl-agent certctl-exec)

# What the site needs of the build; the tests are left out.
build_product() {
  local plugins
  configure release
  mapfile -t plugins < <(plugin_outputs)
  compile "${PROGRAMS[@]}" "${plugins[@]}"
}

# Programs run from copies in the data folder: the server's account can reach them, their modes are what the plugin
# loader wants, and a rebuild does not touch running programs. Sets PRODUCT, which names the copied build.
install_product() {
  local program kind file
  for program in "${PROGRAMS[@]}"; do install_file 0755 "$BUILD_DIR/bin/$program" "$DIR/bin/$program"; done
  for kind in issuers targets notifiers; do
    public_folder "plugins/$kind"
    for file in "$BUILD_DIR/plugins/$kind"/*.so; do
      if [[ -e $file ]]; then install_file 0644 "$file" "$DIR/plugins/$kind/${file##*/}"; fi
    done
    for file in "$DIR/plugins/$kind"/*.so; do
      if [[ ! -e $BUILD_DIR/plugins/$kind/${file##*/} ]]; then rm -f -- "$file"; fi
    done
  done
  PRODUCT=$(find "$DIR/bin" "$DIR/plugins" -type f -exec sha256sum {} + | sort | sha256sum | cut -c1-16)
}
install_file() {
  cmp -s -- "$2" "$3" && return
  install -m "$1" -- "$2" "$3.new"
  mv -f -- "$3.new" "$3"
}

# Nothing of the caller's settings may reach the programs: an exported CERTCTL_DATABASE_URL would be obeyed.
clean_environment() {
  local name
  for name in "${!CERTCTL_@}" "${!PG@}" "${!LD_@}" "${!OPENSSL_@}" "${!SSL_CERT_@}"; do unset "$name"; done
  unset STEP_TITLE STEP_STARTED
  export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
}

keep_log_small() {
  if [[ -e $1 && $(stat -c %s -- "$1") -gt 50000000 ]]; then mv -f -- "$1" "$1.1"; fi
}

start_server() {
  local log=$DIR/logs/server.log from
  if running server; then
    if [[ $RUNS == "$PRODUCT" ]]; then step_note 'running'; else terminate server 60; fi
  fi
  if ! running server; then
    port_is_free "$SERVER_PORT" ||
      fail "port $SERVER_PORT, chosen for the API, is taken by $(port_holder "$SERVER_PORT")" \
        'stop that program, or begin anew: ./quickstart clean'
    keep_log_small "$log"
    from=$(stat -c %s -- "$log" 2>/dev/null || printf 0)
    (
      clean_environment
      export CERTCTL_SERVER_HOST=127.0.0.1 CERTCTL_SERVER_PORT="$SERVER_PORT"
      export CERTCTL_SERVER_TLS_CERT_PATH="$DIR/tls/server.crt" CERTCTL_SERVER_TLS_KEY_PATH="$DIR/tls/server.key"
      export CERTCTL_DATA_DIR="$DIR/data" CERTCTL_RUNTIME_DIR="$RUNTIME_DIR" CERTCTL_PLUGIN_DIR="$DIR/plugins"
      export CERTCTL_API_KEYS_NAMED_FILE="$DIR/secrets/api-keys"
      export CERTCTL_CONFIG_ENCRYPTION_KEY_FILE="$DIR/secrets/encryption-key"
      if ((EUID == 0)); then export CERTCTL_RUN_AS="$ACCOUNT"; fi
      cd -- "$DIR/data" || exit
      launch server "$PRODUCT" "$log" "$DIR/bin/certctl-server"
    )
  fi
  wait_until 120 server_answered_or_ended || true
  server_is_ready && return
  explain_server "$log" "${from:-0}"
}

server_is_ready() { curl_server -o /dev/null -f "$SERVER_URL/ready" 2>/dev/null; }
server_answered_or_ended() { server_is_ready || ! running server; }

explain_server() {
  local gate hint
  gate=$(tail -c "+$(($2 + 1))" -- "$1" | sed -n 's/^certctl-server: //p' | tail -n 1)
  hint=$(tail -c "+$(($2 + 1))" -- "$1" | sed -n 's/^  hint: //p' | tail -n 1)
  if [[ ! $gate ]]; then show_tail "$1"; fi
  if running server; then
    fail "${gate:-the server runs, but is not ready after 2 minutes}" "${hint:-see its log; ./quickstart stop ends it}" "$1"
  fi
  fail "the server ended: ${gate:-see the lines above}" "${hint:-correct what it says and run ./quickstart again}" "$1"
}

start_agent() {
  local log=$DIR/logs/agent.log
  if running agent; then
    if [[ $RUNS == "$PRODUCT" ]]; then step_note 'running'; else terminate agent 90; fi
  fi
  if ! running agent; then
    keep_log_small "$log"
    (
      clean_environment
      export CERTCTL_SERVER_URL="$SERVER_URL" CERTCTL_SERVER_CA_BUNDLE_PATH="$DIR/ca.crt"
      export CERTCTL_AGENT_ID="$AGENT_ID" CERTCTL_AGENT_NAME=quickstart
      export CERTCTL_KEY_DIR="$DIR/agent/keys" CERTCTL_STATE_DIR="$DIR/agent/state" CERTCTL_PLUGIN_DIR="$DIR/plugins"
      export CERTCTL_VERIFY_DELAY=200ms
      # Not on a command line, where everybody could read it.
      CERTCTL_API_KEY=$(<"$DIR/secrets/agent-key")
      export CERTCTL_API_KEY
      cd -- "$DIR/agent" || exit
      launch agent "$PRODUCT" "$log" "$DIR/bin/certctl-agent"
    )
  fi
  wait_until 60 agent_online_or_ended || true
  agent_is_online && return
  show_tail "$log"
  if running agent; then
    fail 'the agent runs, but is not online at the server after a minute' 'see its log' "$log"
  fi
  fail "the agent ended: $(sed -n 's/^Error: //p' "$log" | tail -n 1)" 'correct what it says and run ./quickstart again' "$log"
}
agent_is_online() { api GET "/agents/$AGENT_ID" && [[ $(answer .status) == Online ]]; }
agent_online_or_ended() { agent_is_online || ! running agent; }

# The server stops its PostgreSQL with itself. One that outlived a killed server is ended here, by its own fast stop.
stop_database() {
  local file pid
  for file in "$DIR"/data/pg/*/postmaster.pid; do
    [[ -e $file ]] || continue
    read -r pid <"$file"
    if [[ $(cat "/proc/$pid/comm" 2>/dev/null) == postgres && $(readlink "/proc/$pid/cwd") == "${file%/*}" ]]; then
      kill -INT "$pid" 2>/dev/null || true
      wait_until 30 process_is_gone "$pid" || warn "PostgreSQL (pid $pid) has not stopped"
    fi
  done
}
process_is_gone() { [[ ! $(process_started "$1") ]]; }

stop_product() {
  terminate agent 90
  stop_site
  terminate server 90
  stop_database
}
