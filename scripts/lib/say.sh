# shellcheck shell=bash
# How the scripts speak: one line a step with its time, progress while a long one runs, and failures that name the
# cause, the remedy and the log.

# EPOCHREALTIME has a decimal point, apt and openssl speak English, and sorting is bytewise.
export LC_ALL=C

# The step that is running; exported, so that a script called from a step reports progress in its name.
export STEP_TITLE=${STEP_TITLE-} STEP_STARTED=${STEP_STARTED-}
STEP_NOTE=''

SAID_FAILURE=''

[[ -t 1 ]] && SAY_TERMINAL=1 || SAY_TERMINAL=''
SAY_LAST_PROGRESS=${STEP_STARTED:-0}

now_us() { printf '%s' "${EPOCHREALTIME/./}"; }

# Time since a now_us() value, for people: `0.3 s`, `41 s`, `2 m 13 s`.
elapsed_since() {
  local us=$(($(now_us) - $1))
  if ((us < 10000000)); then
    printf '%d.%d s' $((us / 1000000)) $((us / 100000 % 10))
  elif ((us < 60000000)); then
    printf '%d s' $((us / 1000000))
  else
    printf '%d m %02d s' $((us / 60000000)) $((us / 1000000 % 60))
  fi
}

say() { printf '%s\n' "$*"; }
warn() { clear_progress; printf '  warning: %s\n' "$*" >&2; }
clear_progress() { if [[ $SAY_TERMINAL ]]; then printf '\r\033[K'; fi; }

# step TITLE COMMAND…: runs the command in this shell and reports how long it took. step_note adds a word to the line.
step() {
  STEP_TITLE=$1 STEP_STARTED=$(now_us) STEP_NOTE=''
  shift
  SAY_LAST_PROGRESS=$STEP_STARTED
  progress ''
  "$@"
  clear_progress
  printf '  ok  %-46s %9s%s\n' "$STEP_TITLE" "$(elapsed_since "$STEP_STARTED")" "${STEP_NOTE:+  ($STEP_NOTE)}"
  STEP_TITLE='' STEP_STARTED=''
}
step_note() { STEP_NOTE=$*; }

# Says how far the running step is: at once on a terminal, every 15 seconds elsewhere.
progress() {
  if [[ $SAY_TERMINAL ]]; then
    printf '\r\033[K  ..  %-46s %9s  %s' "$STEP_TITLE" "$(elapsed_since "$STEP_STARTED")" "$1"
  elif (($(now_us) - SAY_LAST_PROGRESS > 15000000)); then
    printf '  ..  %-46s %9s  %s\n' "$STEP_TITLE" "$(elapsed_since "$STEP_STARTED")" "$1"
    SAY_LAST_PROGRESS=$(now_us)
  fi
}

# fail CAUSE REMEDY [LOG]: ends the script.
fail() {
  clear_progress
  {
    printf '\nfailed: %s\n' "${STEP_TITLE:-${0##*/}}"
    printf '  cause:  %s\n' "$1"
    printf '  remedy: %s\n' "$2"
    if [[ ${3-} ]]; then printf '  log:    %s\n' "$3"; fi
  } >&2
  SAID_FAILURE=1
  exit 1
}

# For the EXIT trap: an end that nobody explained is said, too.
report_unexpected() {
  if (($1 != 0 && $1 < 128)) && [[ ! $SAID_FAILURE ]]; then
    fail "ended with status $1" 'see the log or the lines above' "${2-}"
  fi
}

# Shows the end of a log, indented; for use just before fail().
show_tail() {
  clear_progress
  printf '\n' >&2
  tail -n "${2:-15}" -- "$1" 2>/dev/null | cut -c1-400 | sed 's/^/    | /' >&2 || true
}

# with_progress LOG REPORTER COMMAND…: runs the command with its output in LOG, while `REPORTER LOG` prints each second
# how far it is. The command stays in the foreground, so that Ctrl-C reaches it and traps run after it has ended.
with_progress() {
  local log=$1 reporter=$2 printer status=0
  shift 2
  (
    while sleep 1 && kill -0 $$ 2>/dev/null; do progress "$("$reporter" "$log")"; done
  ) &
  printer=$!
  "$@" >>"$log" 2>&1 </dev/null || status=$?
  kill "$printer" 2>/dev/null || true
  wait "$printer" 2>/dev/null || true
  return "$status"
}

# wait_until SECONDS COMMAND…: tries until the command succeeds; false when time is up.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    progress ''
    sleep 0.1
  done
}
