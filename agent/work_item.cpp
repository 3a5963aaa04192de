#include "agent/work_item.hpp"

#include <fmt/format.h>

#include <set>

#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/text.hpp"
#include "core/base/time.hpp"

namespace certctl::agent {
namespace {

/// An optional text; null is absent.
std::string text_member(const json::Value& object, std::string_view name) {
  const json::Value* found = json::find(object, name);
  if (found == nullptr || found->IsNull()) return {};
  if (!found->IsString()) throw invalid(fmt::format("{} is a {}, not a string", name, json::type_name(*found)));
  return std::string(json::text_of(*found));
}

}  // namespace

WorkItem parse_work_item(const json::Value& value) {
  if (!value.IsObject()) throw invalid(fmt::format("a work item is a {}, not an object", json::type_name(value)));
  WorkItem out;
  out.id = text_member(value, "id");
  if (out.id.empty()) throw invalid("a work item has no id");
  if (!is_valid_id(out.id)) throw invalid(fmt::format("job id \"{}\" is not valid", printable(shorten(out.id, 160))));
  out.type = text_member(value, "type");
  out.status = text_member(value, "status");
  out.certificate_id = text_member(value, "certificate_id");
  out.common_name = text_member(value, "common_name");
  out.sans = json::texts(value, "sans");
  out.target_id = text_member(value, "target_id");
  if (!out.target_id.empty() && !is_valid_id(out.target_id))
    throw invalid(fmt::format("job {}: target_id is not valid", out.id));
  out.target_type = text_member(value, "target_type");
  if (const json::Value* config = json::find(value, "target_config")) out.target_config = json::raw(*config);
  if (const json::Value* defaults = json::find(value, "deploy_defaults"); defaults != nullptr && defaults->IsObject()) {
    out.deploy_defaults = json::raw(*defaults);
  }
  out.attempt = int(json::integer_or(value, "attempt", 0));
  out.key_algorithm = text_member(value, "key_algorithm");
  out.must_staple = json::flag_or(value, "must_staple", false);
  out.reuse_key = json::flag_or(value, "reuse_key", false);
  out.deadline = parse_time(text_member(value, "deadline"));
  out.text = json::raw(value);
  return out;
}

Work parse_work(const json::Value& answer) {
  const json::Value* jobs = json::find(answer, "jobs");
  if (jobs == nullptr || (!jobs->IsArray() && !jobs->IsNull())) throw invalid("the answer has no list `jobs`");
  Work out;
  if (jobs->IsNull()) return out;
  std::set<std::string> seen;
  for (const auto& value : jobs->GetArray()) {
    if (out.items.size() == kMostItems) {
      out.refused.push_back(fmt::format("{} items at once: the first {} are taken", jobs->Size(), kMostItems));
      break;
    }
    try {
      WorkItem item = parse_work_item(value);
      if (seen.insert(item.id).second) out.items.push_back(std::move(item));
    } catch (const Error& e) {
      if (out.refused.size() < kMostItems) out.refused.emplace_back(e.what());
    }
  }
  return out;
}

}  // namespace certctl::agent
