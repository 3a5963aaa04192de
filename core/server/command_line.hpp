#pragma once

namespace certctl::server {

/// The program: options and commands of certctl-server. Returns the exit status: 0 done, 1 refused or failed, 2 usage.
int run_command(int argc, char** argv);

}  // namespace certctl::server
