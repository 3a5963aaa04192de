#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/plugin/connector.hpp"

namespace certctl::plugin {

/// A file that was found and not taken.
struct Refusal {
  std::string file;
  std::string reason;  ///< names file, versions, remedy
};

/// Finds plugins, loads them into this process and keeps the catalogue of their connectors.
///
///     Host host({"/usr/lib/certctl/plugins"}, clock);
///     auto issuer = host.get("issuer", "GenericCA").create({.id = "iss-local", .config = config, .services = services});
///     Outcome outcome = issuer->call("issue", std::move(call));
///
/// Loaded libraries stay mapped until the process ends.
class Host {
 public:
  /// Looks for `*.so` in `issuers/`, `targets/`, `notifiers/` below each folder, in the order given; of two connectors
  /// with one kind and type the first wins. Files that cannot be used are in refusals(); never throws for them. A folder
  /// that does not exist is skipped.
  /// `overdue`: how long after its deadline a call may still run before its instance is given up.
  Host(std::vector<std::string> folders, std::shared_ptr<const Clock> clock,
       std::chrono::milliseconds overdue = std::chrono::seconds(10));
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  /// By type or alias, any letter case; nullptr: none.
  const Connector* find(std::string_view kind, std::string_view type) const;
  /// As find(); throws Error(invalid) `unsupported issuer type: <type as given>`.
  const Connector& get(std::string_view kind, std::string_view type) const;
  /// Sorted by type.
  std::vector<const Connector*> connectors(std::string_view kind) const;
  const std::vector<Refusal>& refusals() const;

  /// Before the program exits, when no call runs any more: later calls end as cancelled, and each library's `deinit`
  /// runs. Not needed for a program that just ends.
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// The folders of `CERTCTL_PLUGIN_DIR`: a list separated by colons.
std::vector<std::string> plugin_folders(std::string_view list);

}  // namespace certctl::plugin
