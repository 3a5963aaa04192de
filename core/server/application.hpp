#pragma once

#include <memory>
#include <string>

#include "core/base/config.hpp"

namespace certctl::server {

/// The server put together: the gates of its start in order, its running, its end.
class Application {
 public:
  explicit Application(const config::Values& settings);
  ~Application();

  /// Runs the gates; throws GateFailure at the first that does not pass. `check_only`: nothing is migrated or served.
  void start(bool check_only);
  /// Serves until SIGTERM or SIGINT; SIGHUP reloads. Returns the exit status.
  int serve();
  /// Brings the database to this program's schema and returns how many migrations ran.
  int migrate();

 private:
  class Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace certctl::server
