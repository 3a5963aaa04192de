# shellcheck shell=bash
# Background programs that outlive this script, and ports. A pid file holds the pid and the start time of the process,
# so that after a crash or a reboot a stale file never points at somebody else's process.

# Start time of a process in clock ticks since boot; empty: no such process, or a zombie.
process_started() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  stat=${stat##*) }  # the name, in brackets, may hold anything
  # shellcheck disable=SC2086
  set -- $stat
  if [[ $1 != Z && $1 != X ]]; then printf '%s' "${20}"; fi
}

# running NAME: is the recorded process there? Sets PID, and RUNS to the build it was started from.
running() {
  local started
  PID='' RUNS=''
  read -r PID started RUNS 2>/dev/null <"$PID_DIR/$1.pid" || return 1
  [[ $PID && $started && $(process_started "$PID") == "$started" ]]
}

# Closes what this (sub)shell holds open beyond the standard three: the lock, and the pipes of whoever called us, who
# would wait for ever for their end. bash's own 255 closes by itself.
close_descriptors() {
  local descriptor
  for descriptor in /proc/"$BASHPID"/fd/*; do
    descriptor=${descriptor##*/}
    if ((descriptor > 2 && descriptor != 255)); then eval "exec $descriptor>&-"; fi
  done
}

# launch NAME BUILD LOG COMMAND…: in a session of its own. Call it in a subshell that has set the environment.
launch() {
  local name=$1 build=$2 log=$3 pid
  shift 3
  (
    close_descriptors
    exec setsid "$@"
  ) >>"$log" 2>&1 </dev/null &
  pid=$!
  printf '%s %s %s\n' "$pid" "$(process_started "$pid")" "$build" >"$PID_DIR/$name.pid"
}

# terminate NAME SECONDS: asks, waits, insists.
terminate() {
  if running "$1"; then
    local pid=$PID
    kill -TERM "$pid" 2>/dev/null || true
    if ! wait_until "$2" not running "$1"; then
      warn "$1 (pid $pid) did not stop within $2 seconds and is killed"
      kill -KILL "$pid" 2>/dev/null || true
      wait_until 10 not running "$1" || true
    fi
  fi
  rm -f -- "$PID_DIR/$1.pid"
}
not() { ! "$@"; }

listening_inodes() {  # of one port
  local hex
  hex=$(printf '%04X' "$1")
  awk -v port=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}
port_is_free() { [[ ! $(listening_inodes "$1") ]]; }

# free_port FIRST: the first port from FIRST on that nobody listens on.
free_port() {
  local port
  for ((port = $1; port < $1 + 1000; port++)); do
    if port_is_free "$port"; then printf '%d' "$port"; return; fi
  done
  fail "no free port from $1 to $port" 'stop some listeners'
}

# Who listens on a port, for people: `nginx (pid 12)`; as far as we may see it.
port_holder() {
  local inode link pid
  inode=$(listening_inodes "$1" | head -n 1)
  for link in /proc/[0-9]*/fd/*; do
    if [[ $(readlink "$link" 2>/dev/null) == "socket:[$inode]" ]]; then
      pid=${link#/proc/} pid=${pid%%/*}
      printf '%s (pid %s)' "$(cat "/proc/$pid/comm")" "$pid"
      return
    fi
  done
  printf 'another program'
}
