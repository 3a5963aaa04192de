#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/db/executor.hpp"

/// The timetable of the singleton loops (`scheduler_loops`).
namespace certctl::store::loops {

/// Due at once when it is new.
void declare(db::Executor db, const std::string& name);
std::vector<std::string> due(db::Executor db);
/// Starts a run that is due; false: another instance was first.
bool begin(db::Executor db, const std::string& name, Duration interval);
/// `next`: earlier than the interval says.
void finish(db::Executor db, const std::string& name, std::optional<Time> next, const std::string& error);
/// Runs at `at`, unless it runs earlier anyway (the usual case: no row is touched).
void run_by(db::Executor db, const std::string& name, Time at);
void hurry(db::Executor db, const std::string& name);

}  // namespace certctl::store::loops
