#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <certctl/call.h>

#include "core/base/secret.hpp"
#include "core/plugin/call.hpp"
#include "core/plugin/manifest.hpp"
#include "core/plugin/outcome.hpp"
#include "core/plugin/services.hpp"
#include "core/plugin/settings.hpp"
#include "core/plugin/watchdog.hpp"

namespace certctl::plugin {

/// What a call runs against; all of it outlives the call.
struct CallEnvironment {
  const Manifest& manifest;
  std::string operation;
  std::string instance_id;
  const Settings& settings;
  std::shared_ptr<Services> services;
  const std::function<Secret(std::string_view, std::string_view)>* resolve_secret = nullptr;
  std::function<void()> on_overdue;
};

/// Why the plugin must not be entered with this call; empty: nothing. Names critical keys and options that the
/// connector's manifest does not honour.
std::string refusal(const Manifest& manifest, std::string_view operation, const Call& call);

/// Results as they are put, counted against the limits of certctl/call.h. Not thread-safe.
class ResultSink {
 public:
  /// Why the put is a fault; empty: it was taken.
  std::string put(std::uint32_t key, certctl_bytes value);
  std::string put_int(std::uint32_t key, std::int64_t value);
  Fields& fields() { return fields_; }

 private:
  std::string count(std::size_t bytes);
  Fields fields_;
  std::size_t puts_ = 0;
  std::size_t bytes_ = 0;
};

class SubCall;

/// The call object that a plugin holds while an operation runs: the C functions of certctl_call_api over our values.
class RunningCall final : public certctl_call, private Watchdog::Watched {
 public:
  RunningCall(CallEnvironment environment, Call call, Watchdog& watchdog);
  ~RunningCall() override;

  /// What the plugin's return value and everything it did amount to.
  Outcome finish(certctl_status returned);
  /// The plugin broke a rule: the call ends as internal. The first fault decides. [any thread]
  void fault(const std::string& what);

 private:
  friend class SubCall;
  struct Api;

  void deadline_passed() override { cancellation_.cancel(); }
  void overdue() override;

  std::uint32_t get(std::uint32_t key, std::uint32_t index, certctl_bytes* out);
  std::uint32_t get_int(std::uint32_t key, std::uint32_t index, std::int64_t* out);
  std::uint32_t setting(std::string_view pointer, std::uint32_t index, certctl_bytes* out);
  certctl_status make_checkpoint(certctl_bytes bytes);
  certctl_status fail(certctl_status status, certctl_bytes id, certctl_bytes text);
  certctl_call* open(std::uint32_t service);
  void close(SubCall* sub);
  void log(std::uint32_t level, certctl_bytes event, certctl_bytes text);

  void mark_read(std::uint32_t key, std::uint32_t index);
  void mark_option_read(std::string_view pointer);
  const std::vector<std::string>& setting_values(std::string_view pointer);
  std::string resolved(std::string_view pointer, std::string value);
  std::vector<std::string> unread() const;
  std::string faulted() const;
  bool out_of_time() const;
  void settle_failure(Outcome& outcome);
  bool may_have_happened(Status status) const;

  CallEnvironment environment_;
  Call call_;
  Watchdog& watchdog_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point deadline_;
  Cancellation cancellation_;
  std::uint64_t follow_ = 0;  // our place with the caller's cancellation
  Settings overlaid_;
  const Settings* settings_;

  std::map<std::uint32_t, std::set<std::uint32_t>> critical_unread_;  // key → indexes
  std::set<std::string, std::less<>> options_unread_;
  std::map<std::string, std::vector<std::string>, std::less<>> handed_out_;  // settings, by pointer
  std::set<std::string, std::less<>> handed_out_secrets_;
  ResultSink results_;
  std::optional<Bytes> checkpoint_;
  std::string setting_error_;
  std::string text_id_, text_;

  std::atomic<bool> effect_since_checkpoint_ = false;
  mutable std::mutex mutex_;  // guards what follows
  std::string fault_;
  std::list<std::unique_ptr<SubCall>> sub_calls_;
};

/// A host service that a plugin has opened. Belongs to one thread at a time.
class SubCall final : public certctl_call {
 public:
  SubCall(RunningCall& parent, std::uint32_t service);

 private:
  friend struct RunningCall::Api;
  certctl_status run();

  RunningCall& parent_;
  std::uint32_t service_;
  ResultSink request_;
  ServiceAnswer answer_;
  bool ran_ = false;
};

}  // namespace certctl::plugin
