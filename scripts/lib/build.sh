# shellcheck shell=bash
# Configuring and building with a CMake preset, for ./check and ./quickstart. Needs say.sh and $ROOT.

# Compilers need about 1 GB each at their worst; two more jobs than cores, ninja's own choice, only slow a small machine.
build_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1100000) }' /proc/meminfo)
  if ((memory >= 1 && memory < cores)); then printf '%s' "$memory"; else printf '%s' "$cores"; fi
}

report_build() {
  local last
  last=$(grep -o '^\[ *[0-9]*% [0-9]*/[0-9]*\]' "$1" | tail -n 1)
  if [[ $last ]]; then printf '%s' "${last//[\[\]]/}"; else printf 'configuring'; fi
}

# build PRESET [TARGET…]: without targets everything. Sets BUILD_DIR.
build() {
  local preset=$1 log
  shift
  BUILD_DIR=$ROOT/build/$preset
  log=$BUILD_DIR/build.log
  mkdir -p "$BUILD_DIR"
  : >"$log"
  if [[ ! -e $BUILD_DIR/build.ninja ]]; then
    with_progress "$log" report_build cmake -S "$ROOT" --preset "$preset" || {
      show_tail "$log" 25
      fail "CMake could not configure the preset $preset" 'correct what it names; rm -rf the build folder starts anew' "$log"
    }
  fi
  local before=$SECONDS
  NINJA_STATUS='[%p %f/%t] ' with_progress "$log" report_build \
    cmake --build "$BUILD_DIR" --parallel "$(build_jobs)" ${@:+--target "$@"} || {
    explain_build_failure "$log"
  }
  if ((SECONDS - before < 2)); then step_note 'nothing to do'; fi
}

explain_build_failure() {
  clear_progress
  {
    printf '\n'
    # From the first failed command on; what other jobs printed later is of no interest.
    awk '/^FAILED: /{found = 1} found {print} /^ninja: build stopped/{exit}' "$1" | cut -c1-1000 | head -n 60 | sed 's/^/    | /'
  } >&2
  if grep -qiE 'No space left|virtual memory exhausted|Killed signal|cannot allocate' "$1"; then
    fail 'the machine ran out of memory or disk while compiling' \
      'free some (2 GB of memory and 3 GB of disk do) and run this again: what is built stays' "$1"
  fi
  fail 'a source file does not compile' 'correct what the compiler says above and run this again' "$1"
}
