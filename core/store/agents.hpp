#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/db/executor.hpp"
#include "core/domain/agent.hpp"
#include "core/store/page.hpp"

namespace certctl::store::agents {

/// Throws db::UniqueViolation (`agents_pkey`, `agents_name_key`).
void insert(db::Executor db, const domain::Agent& agent, const std::string& api_key_hash);
std::optional<domain::Agent> find(db::Executor db, const std::string& id);
std::optional<domain::Agent> find_for_update(db::Executor db, const std::string& id);
struct Filter {
  std::string status;
  bool retired = false;
};
/// Registration newest first; retired ones by retirement.
Page<domain::Agent> list(db::Executor db, const Filter& filter, const PageRequest& page);

struct KeyOwner {
  std::string id;
  bool retired = false;
};
/// By the SHA-256 (lower hex) of an agent's key, the present or the next one. The first use of a next key makes it the
/// present one.
std::optional<KeyOwner> find_by_key(db::Executor db, const std::string& hash);
void set_next_key(db::Executor db, const std::string& id, const std::string& hash, Time expires_at);

/// Empty texts never overwrite. False: unknown id.
struct Heartbeat {
  std::string version, hostname, os, architecture, ip_address;
  std::optional<std::vector<std::string>> capabilities;
  std::optional<json::Raw> plugins;
  std::optional<std::int32_t> clock_skew_ms, pending_reports;
  std::optional<Time> started_at;
};
bool heartbeat(db::Executor db, const std::string& id, const Heartbeat& beat);
/// `Online` and silent for longer than `silence` → `Offline`.
std::vector<std::string> mark_offline(db::Executor db, Duration silence);

struct Dependants {
  std::int64_t targets = 0, certificates = 0, jobs = 0;
  bool any() const { return targets != 0 || certificates != 0 || jobs != 0; }
};
Dependants dependants(db::Executor db, const std::string& id);
void retire(db::Executor db, const std::string& id, Time at, const std::string& reason);
void retire_targets(db::Executor db, const std::string& id, Time at, const std::string& reason);

}  // namespace certctl::store::agents
