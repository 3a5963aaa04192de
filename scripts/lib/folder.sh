# shellcheck shell=bash
# The quickstart's data folder: where it is, what it holds, and who owns it.
#
#   settings       ports and the socket folder, chosen once    logs/      one file a program
#   secrets/       keys and the passphrase, 0600               run/       pid files
#   tls/  ca.crt   the control plane's certificate and its CA  bin/ plugins/  copies of what was built
#   data/          the server's, with its PostgreSQL           agent/     the agent's keys and state
#   site/          the private nginx                           site-ca.crt    what signs the site's certificate
#
# As root the server reads secrets/ and tls/, then becomes the account `certctl`, which must be able to reach data/,
# plugins/ and its socket: so not below /root.

readonly MARKER=.made-by-certctl-quickstart
readonly ACCOUNT=certctl

locate_folder() {
  if [[ ${QUICKSTART_DIR-} ]]; then
    DIR=$(realpath -m -- "$QUICKSTART_DIR")
  elif ((EUID == 0)); then
    DIR=/var/lib/certctl-quickstart
  else
    DIR=$ROOT/.quickstart
  fi
  # Paths stand in the target's reload command, which is split at blanks and takes no shell characters.
  if [[ ! $DIR =~ ^/[A-Za-z0-9._/@+=:,~-]+$ ]]; then
    fail "the path $DIR has blanks or characters that commands cannot carry" \
      "choose another folder: QUICKSTART_DIR=\$HOME/certctl-quickstart ./quickstart"
  fi
  PID_DIR=$DIR/run
  SITE=$DIR/site
}

folder_exists() { [[ -e $DIR/$MARKER ]]; }

require_folder() {
  folder_exists && [[ -e $DIR/settings ]] || fail "there is no quickstart in $DIR" 'start it first: ./quickstart'
  # shellcheck source=/dev/null
  source "$DIR/settings"
}

lock_folder() {
  exec 8>"$DIR/lock"
  flock -n 8 || fail 'another ./quickstart is at work in this folder' 'wait until it has ended'
}

make_folder() {
  if ! folder_exists; then
    if [[ -e $DIR && $(ls -A -- "$DIR" 2>/dev/null) ]]; then
      fail "$DIR is there, but was not made by ./quickstart" 'move it away, or choose another: QUICKSTART_DIR=… ./quickstart'
    fi
    mkdir -p -- "$DIR" 2>/dev/null || fail "$DIR cannot be made" 'choose another folder: QUICKSTART_DIR=… ./quickstart'
    : >"$DIR/$MARKER"
  fi
  lock_folder
  if ((EUID == 0)); then
    make_account
    chmod 0755 -- "$DIR"
    runuser -u "$ACCOUNT" -- test -x "$DIR" ||
      fail "the account $ACCOUNT cannot reach $DIR" 'choose a folder outside of /root: QUICKSTART_DIR=… ./quickstart'
  else
    chmod 0700 -- "$DIR"
  fi
  private_folder secrets tls run agent agent/keys agent/state data
  give_to_server "$DIR/data"
  public_folder bin plugins logs site
  choose_settings
  make_secrets
}

make_account() {
  getent passwd "$ACCOUNT" >/dev/null && return
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$ACCOUNT"
  step_note "made the system account $ACCOUNT"
}

private_folder() {
  local name
  for name in "$@"; do
    mkdir -p -- "$DIR/$name"
    chmod 0700 -- "$DIR/$name"
  done
}
public_folder() {
  local name
  for name in "$@"; do
    mkdir -p -- "$DIR/$name"
    chmod 0755 -- "$DIR/$name"
  done
}
give_to_server() { if ((EUID == 0)); then chown "$ACCOUNT:$ACCOUNT" -- "$@"; fi; }

choose_settings() {
  if [[ -e $DIR/settings ]]; then
    # shellcheck source=/dev/null
    source "$DIR/settings"
  else
    SERVER_PORT=$(free_port 8443)
    SITE_PORT=$(free_port 9443)
    RUNTIME_DIR=$DIR/runtime
  fi
  # Socket paths end at 107 bytes, PostgreSQL's own part included. A folder in /tmp may be gone after a reboot.
  if ((${#RUNTIME_DIR} > 80)) || [[ $RUNTIME_DIR == /tmp/* && ! -O $RUNTIME_DIR ]]; then
    RUNTIME_DIR=$(mktemp -d /tmp/certctl-quickstart.XXXXXX)
  fi
  mkdir -p -- "$RUNTIME_DIR"
  chmod 0750 -- "$RUNTIME_DIR"
  give_to_server "$RUNTIME_DIR"
  printf 'SERVER_PORT=%q\nSITE_PORT=%q\nRUNTIME_DIR=%q\n' "$SERVER_PORT" "$SITE_PORT" "$RUNTIME_DIR" >"$DIR/settings.new"
  mv -f -- "$DIR/settings.new" "$DIR/settings"
}

# Made once; the database is sealed with the passphrase, so losing it loses the data.
make_secrets() {
  make_secret encryption-key openssl rand -base64 32
  make_secret admin-key openssl rand -hex 32
  make_secret agent-key openssl rand -hex 32
  make_secret api-keys name_keys
}
make_secret() {
  local file=$DIR/secrets/$1
  shift
  [[ -s $file ]] && return
  "$@" >"$file.new"
  chmod 0600 -- "$file.new"
  mv -- "$file.new" "$file"
}
name_keys() { printf 'admin:%s:admin,agent:%s\n' "$(<"$DIR/secrets/admin-key")" "$(<"$DIR/secrets/agent-key")"; }

remove_folder() {
  case $DIR in / | /root | /home | "$HOME" | "$ROOT") fail "refusing to remove $DIR" 'choose the folder by QUICKSTART_DIR' ;; esac
  if [[ ${RUNTIME_DIR-} == /tmp/certctl-quickstart.* ]]; then rm -rf -- "$RUNTIME_DIR"; fi
  rm -rf -- "$DIR"
}
