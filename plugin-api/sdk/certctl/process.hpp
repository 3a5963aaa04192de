#pragma once

#include <optional>
#include <span>
#include <string>

#include <certctl/services.hpp>

namespace certctl {

namespace key {
inline constexpr TextKey process_arg{CERTCTL_KEY_PROCESS_ARG};
inline constexpr MapKey process_env{CERTCTL_KEY_PROCESS_ENV};
inline constexpr TextKey process_directory{CERTCTL_KEY_PROCESS_DIRECTORY};
inline constexpr IntKey process_timeout_ms{CERTCTL_KEY_PROCESS_TIMEOUT_MS};
inline constexpr MapKey process_bind{CERTCTL_KEY_PROCESS_BIND};
inline constexpr TextKey process_path{CERTCTL_KEY_PROCESS_PATH};
inline constexpr IntKey process_exit{CERTCTL_KEY_PROCESS_EXIT};
inline constexpr IntKey process_signal{CERTCTL_KEY_PROCESS_SIGNAL};
inline constexpr IntKey process_timed_out{CERTCTL_KEY_PROCESS_TIMED_OUT};
inline constexpr BytesKey process_output{CERTCTL_KEY_PROCESS_OUTPUT};
inline constexpr IntKey process_isolated{CERTCTL_KEY_PROCESS_ISOLATED};
}  // namespace key

struct ProcessResult {
  int exit = -1;     ///< exit status; -1: killed by `signal`
  int signal = 0;
  bool timed_out = false;
  std::string output;     ///< stdout and stderr, first and last 8 KiB, private keys removed
  bool isolated = false;  ///< the binds were in place
  /// The kernel refuses private mount namespaces here: the program did not run.
  bool isolation_refused = false;

  bool succeeded() const { return exit == 0 && !timed_out && !isolation_refused; }
  /// `exit status 1`, `killed by signal 9`, `timed out`.
  std::string reason() const {
    if (timed_out) return "timed out";
    return exit >= 0 ? "exit status " + std::to_string(exit) : "killed by signal " + std::to_string(signal);
  }
};

/// One program, without a shell: `call.process(argv).timeout(30s).bind(staged, "/etc/nginx/tls.crt").run()`.
class Process {
 public:
  Process(const Call& call, std::span<const std::string> arguments)
      : service_(call.open(CERTCTL_PROCESS_RUN, "process")) {
    for (const std::string& argument : arguments) service_.put(key::process_arg, argument);
  }

  Process& env(std::string_view name, std::string_view value) { service_.put(key::process_env, name, value); return *this; }
  Process& directory(std::string_view path) { service_.put(key::process_directory, path); return *this; }
  Process& timeout(std::chrono::milliseconds time) { service_.put(key::process_timeout_ms, time.count()); return *this; }
  /// Shows the staged file at `destination` to this program only, in a mount namespace of its own.
  Process& bind(std::string_view staged, std::string_view destination) {
    service_.put(key::process_bind, staged, destination);
    binds_ = true;
    return *this;
  }

  /// Throws Error when the program could not be started. A time-out, a signal or a bad exit status is a result.
  ProcessResult run() {
    ProcessResult result;
    const Status status = service_.run();
    if (status == Status::not_supported && binds_) {
      result.isolation_refused = true;
      result.output = service_.text(key::service_error);
      return result;
    }
    if (status != Status::ok) throw Error(status, service_.text(key::service_error));
    result.exit = int(service_.get(key::process_exit).value_or(-1));
    result.signal = int(service_.get(key::process_signal).value_or(0));
    result.timed_out = service_.flag(key::process_timed_out);
    result.output = std::string(service_.get(key::process_output));
    result.isolated = service_.flag(key::process_isolated);
    return result;
  }

 private:
  ServiceCall service_;
  bool binds_ = false;
};

inline Process Call::process(std::span<const std::string> arguments) const { return {*this, arguments}; }

}  // namespace certctl
