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

# readable COMMAND…: what it makes can be read by all, whatever the caller's umask: servers under test give up root, and
# load their plugins afterwards.
readable() {
  local mask
  mask=$(umask)
  umask 022
  "$@" || { umask "$mask"; return 1; }
  umask "$mask"
}

# configure PRESET: sets BUILD_DIR and brings its build.ninja up to date.
configure() {
  BUILD_DIR=$ROOT/build/$1
  BUILD_LOG=$BUILD_DIR/build.log
  readable mkdir -p "$BUILD_DIR" 2>/dev/null && [[ -w $BUILD_DIR ]] ||
    fail "$BUILD_DIR cannot be written" "another account built here: remove $ROOT/build or give it to $(id -un)"
  : >"$BUILD_LOG"
  if [[ -e $BUILD_DIR/build.ninja ]]; then
    set -- ninja -C "$BUILD_DIR" build.ninja  # a no-op unless a CMake file changed
  else
    set -- cmake -S "$ROOT" --preset "$1"
  fi
  readable with_progress "$BUILD_LOG" report_build "$@" || {
    show_tail "$BUILD_LOG" 25
    fail "CMake could not configure $BUILD_DIR" "correct what it names; rm -rf $BUILD_DIR starts anew" "$BUILD_LOG"
  }
}

# compile [TARGET…]: after configure; without targets everything.
compile() {
  local before=$SECONDS
  NINJA_STATUS='[%p %f/%t] ' readable with_progress "$BUILD_LOG" report_build ninja -C "$BUILD_DIR" -j "$(build_jobs)" "$@" ||
    explain_build_failure "$BUILD_LOG"
  if ((SECONDS - before < 2)); then step_note 'nothing to do'; fi
}

# The plugins that the build makes, as ninja names them: plugins/<kind>/<name>.so
plugin_outputs() { ninja -C "$BUILD_DIR" -t targets all | sed -nE 's|^(plugins/[a-z]+/[a-z0-9_-]+\.so): [A-Z].*|\1|p'; }

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
