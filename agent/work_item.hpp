#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/json.hpp"

namespace certctl::agent {

/// One thing the control plane wants done (agent.md §5). Members that upstream's servers do not send keep their
/// defaults.
struct WorkItem {
  std::string id;
  std::string type;    ///< `Issuance`, `Renewal`, `Deployment`, …
  std::string status;  ///< `AwaitingCSR`, `Running`, …
  std::string certificate_id;
  std::string common_name;
  std::vector<std::string> sans;
  std::string target_id;
  std::string target_type;
  std::optional<json::Raw> target_config;  ///< whatever was sent; nullopt: absent
  json::Raw deploy_defaults;
  int attempt = 0;
  std::string key_algorithm;
  bool must_staple = false;
  bool reuse_key = false;
  std::optional<Time> deadline;
  json::Raw text;  ///< the whole item, for the journal

  bool wants_csr() const { return status == "AwaitingCSR"; }
  bool is_deployment() const { return !wants_csr() && type == "Deployment"; }
};

/// Throws Error(invalid) saying which member is missing or of the wrong type.
WorkItem parse_work_item(const json::Value& value);

struct Work {
  std::vector<WorkItem> items;       ///< at most kMostItems, each id once
  std::vector<std::string> refused;  ///< why, one sentence an item
};
inline constexpr std::size_t kMostItems = 100;

/// The answer of a poll. Throws Error(invalid) when it is not one.
Work parse_work(const json::Value& answer);

}  // namespace certctl::agent
