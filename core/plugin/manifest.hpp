#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/plugin/schema.hpp"

namespace certctl::plugin {

/// What a connector says about itself: static JSON inside the plugin.
///
///     { "id": "certctl.issuer.local", "kind": "issuer", "type": "GenericCA", "aliases": ["local"], "name": "Local CA",
///       "description": "…", "vendor": "certctl", "version": "1.0.0", "home_page": "https://…",
///       "status": "stable" | "beta" | "alpha", "security_posture": "…", "capabilities": ["own-ca"],
///       "honours": {"issue": ["serial", "not_before"]},
///       "needs": {"services": ["keys"], "network": [], "files": [], "processes": []},
///       "schema": { … } }
struct Manifest {
  std::string id;
  std::string kind;
  std::string type;
  std::vector<std::string> aliases;
  std::string name;
  std::string description;
  std::string vendor;
  std::string version;
  std::string home_page;
  std::string status;
  std::string security_posture;
  std::vector<std::string> capabilities;
  std::map<std::string, std::set<std::uint32_t>> honours;  ///< operation → critical keys
  std::vector<std::string> services;                       ///< families, see service_family()
  std::vector<std::string> network;
  std::vector<std::string> files;
  std::vector<std::string> processes;
  Schema schema;
  std::string text;  ///< the manifest as it stands in the plugin

  bool has_capability(std::string_view name) const;
  bool honours_key(std::string_view operation, std::uint32_t key) const;

  /// Throws Error(invalid) that names the member at fault.
  static Manifest parse(std::string_view text);
};

}  // namespace certctl::plugin
