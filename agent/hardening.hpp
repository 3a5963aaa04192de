#pragma once

namespace certctl::agent {

/// What every run does first: no core dumps, not dumpable (private keys live in this memory), umask 077, SIGPIPE
/// ignored.
void harden_process();

}  // namespace certctl::agent
