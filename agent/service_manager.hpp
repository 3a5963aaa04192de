#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace certctl::agent {

/// systemd's notification protocol (sd_notify(3)); does nothing without it.
class ServiceManager {
 public:
  ServiceManager();

  void ready() const { notify("READY=1"); }
  void reloaded() const { notify("READY=1"); }
  void stopping() const { notify("STOPPING=1"); }
  void status(std::string_view text) const { notify("STATUS=" + std::string(text)); }
  void alive() const { notify("WATCHDOG=1"); }

  /// How often alive() is due; zero: nobody watches.
  std::chrono::milliseconds watchdog_period() const { return watchdog_period_; }

 private:
  void notify(std::string_view text) const;

  std::string socket_;
  std::chrono::milliseconds watchdog_period_{0};
};

}  // namespace certctl::agent
