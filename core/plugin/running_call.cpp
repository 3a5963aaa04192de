#include "core/plugin/running_call.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/plugin/messages.hpp"
#include "core/plugin/running_call_api.hpp"

namespace certctl::plugin {

namespace {

constexpr std::size_t kMaxText = 1024;

std::string_view view(certctl_bytes bytes) {
  return bytes.data ? std::string_view(static_cast<const char*>(bytes.data), bytes.size) : std::string_view();
}

certctl_bytes hand_out(const std::string& text) { return {text.c_str(), text.size()}; }

/// The name of the top-level setting that a pointer leads to.
std::string first_token(std::string_view pointer) {
  const auto tokens = split(pointer, '/');
  return tokens.size() < 2 ? std::string() : std::string(tokens[1]);
}

json::Raw overlay(const Settings& settings, const json::Raw& options) {
  json::Document merged;
  merged.CopyFrom(settings.root(), merged.GetAllocator());
  const json::Document given = json::parse(options.text);
  for (const auto& option : given.GetObject()) {
    merged.RemoveMember(option.name);
    merged.AddMember(json::Value(option.name, merged.GetAllocator()), json::Value(option.value, merged.GetAllocator()),
                     merged.GetAllocator());
  }
  return json::raw(merged);
}

bool is_empty_object(const json::Raw& raw) { return raw.text.empty() || raw.text == "{}"; }

}  // namespace

std::string refusal(const Manifest& manifest, std::string_view operation, const Call& call) {
  for (const Fields::Slot& slot : call.in.slots()) {
    if (!(slot.key & CERTCTL_CRITICAL) || manifest.honours_key(operation, slot.key)) continue;
    return fmt::format("{} does not honour {} in {}", manifest.type, key_name(slot.key), operation);
  }
  if (is_empty_object(call.options)) return {};
  const json::Document options = json::parse(call.options.text);
  if (!options.IsObject()) return "request options must be a JSON object";
  const auto& allowed = manifest.schema.per_request();
  for (const auto& option : options.GetObject()) {
    if (std::find(allowed.begin(), allowed.end(), json::text_of(option.name)) != allowed.end()) continue;
    return fmt::format("{} takes no option \"{}\" with a request", manifest.type, json::text_of(option.name));
  }
  return {};
}

std::string ResultSink::count(std::size_t bytes) {
  if (++puts_ > CERTCTL_MAX_PUTS) return fmt::format("more than {} values were put", int(CERTCTL_MAX_PUTS));
  bytes_ += bytes;
  if (bytes > CERTCTL_MAX_VALUE) return fmt::format("a value of {} bytes was put; the limit is 1 MiB", bytes);
  if (bytes_ > CERTCTL_MAX_RESULT) return "more than 16 MiB were put";
  return {};
}

std::string ResultSink::put(std::uint32_t key, certctl_bytes value) {
  if (!value.data && value.size > 0) return fmt::format("{} was put as NULL with a size", key_name(key));
  if (std::string excess = count(value.size); !excess.empty()) return excess;
  const std::uint32_t type = key & CERTCTL_TYPE_MASK;
  if (type == CERTCTL_INT || type == CERTCTL_REC) return fmt::format("{} is a number, bytes were put", key_name(key));
  if (type == CERTCTL_TEXT || type == CERTCTL_MAP) {
    const std::string_view text = view(value);
    if (!is_utf8(text) || text.find('\0') != text.npos) return fmt::format("{} is not UTF-8 text", key_name(key));
  }
  fields_.add(key, view(value));
  return {};
}

std::string ResultSink::put_int(std::uint32_t key, std::int64_t value) {
  if (std::string excess = count(sizeof value); !excess.empty()) return excess;
  const std::uint32_t type = key & CERTCTL_TYPE_MASK;
  if (type != CERTCTL_INT && type != CERTCTL_REC) return fmt::format("{} is no number, one was put", key_name(key));
  fields_.add_int(key, value);
  return {};
}

RunningCall::RunningCall(CallEnvironment environment, Call call, Watchdog& watchdog)
    : certctl_call{&Api::kCall},
      environment_(std::move(environment)),
      call_(std::move(call)),
      watchdog_(watchdog),
      started_(std::chrono::steady_clock::now()),
      deadline_(started_ + call_.timeout),
      settings_(&environment_.settings) {
  if (!is_empty_object(call_.options)) {
    overlaid_ = Settings(overlay(environment_.settings, call_.options));
    settings_ = &overlaid_;
    const json::Document options = json::parse(call_.options.text);
    for (const auto& option : options.GetObject()) options_unread_.emplace(json::text_of(option.name));
  }
  for (const Fields::Slot& slot : call_.in.slots()) {
    if (!(slot.key & CERTCTL_CRITICAL)) continue;
    for (std::uint32_t i = 0; i < slot.values.size(); ++i) critical_unread_[slot.key].insert(i);
  }
  if (!call_.in.has(CERTCTL_KEY_TYPE)) call_.in.add(CERTCTL_KEY_TYPE, environment_.manifest.type);
  if (!call_.request_id.empty() && !call_.in.has(CERTCTL_KEY_REQUEST_ID)) {
    call_.in.add(CERTCTL_KEY_REQUEST_ID, call_.request_id);
  }
  if (call_.cancellation) follow_ = call_.cancellation->listen([this] { cancellation_.cancel(); });
  watchdog_.watch(*this, deadline_);
}

RunningCall::~RunningCall() {
  watchdog_.unwatch(*this);
  if (call_.cancellation) call_.cancellation->forget(follow_);
  for (const std::string& pointer : handed_out_secrets_) {
    for (std::string& value : handed_out_[pointer]) wipe(value);
  }
}

void RunningCall::overdue() {
  log::write(kPluginOverdue, {{"plugin", environment_.manifest.id},
                              {"instance", environment_.instance_id},
                              {"operation", environment_.operation},
                              {"request_id", call_.request_id}});
  if (environment_.on_overdue) environment_.on_overdue();
}

void RunningCall::mark_read(std::uint32_t key, std::uint32_t index) {
  const auto entry = critical_unread_.find(key);
  if (entry == critical_unread_.end()) return;
  entry->second.erase(index);
  if (entry->second.empty()) critical_unread_.erase(entry);
}

std::uint32_t RunningCall::get(std::uint32_t key, std::uint32_t index, certctl_bytes* out) {
  *out = {nullptr, 0};
  const std::uint32_t type = key & CERTCTL_TYPE_MASK;
  const Fields::Slot* slot = call_.in.find(key);
  if (!slot || type == CERTCTL_INT || type == CERTCTL_REC) return 0;
  if (index < slot->values.size()) {
    *out = hand_out(slot->values[index].text);
    mark_read(key, index);
  }
  return std::uint32_t(slot->values.size());
}

std::uint32_t RunningCall::get_int(std::uint32_t key, std::uint32_t index, std::int64_t* out) {
  const std::uint32_t type = key & CERTCTL_TYPE_MASK;
  const Fields::Slot* slot = call_.in.find(key);
  if (!slot || (type != CERTCTL_INT && type != CERTCTL_REC)) return 0;
  if (index < slot->values.size()) {
    *out = slot->values[index].number;
    mark_read(key, index);
  }
  return std::uint32_t(slot->values.size());
}

void RunningCall::mark_option_read(std::string_view pointer) {
  if (options_unread_.empty()) return;
  if (pointer.empty()) return options_unread_.clear();
  options_unread_.erase(first_token(pointer));
}

std::string RunningCall::resolved(std::string_view pointer, std::string value) {
  if (!environment_.resolve_secret || !*environment_.resolve_secret) return value;
  try {
    return (*environment_.resolve_secret)(pointer, value).use([](std::string_view text) { return std::string(text); });
  } catch (const Error& error) {
    setting_error_ = error.what();
    return {};
  }
}

const std::vector<std::string>& RunningCall::setting_values(std::string_view pointer) {
  const auto known = handed_out_.find(pointer);
  if (known != handed_out_.end()) return known->second;
  std::vector<std::string> values = settings_->values(pointer);
  const Schema& schema = environment_.manifest.schema;
  const json::Value* value = json::at(settings_->root(), pointer);
  const bool object = value && value->IsObject();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (object && i % 2 == 0) continue;
    const bool container = value->IsArray() || object;
    const std::string place = !container ? std::string(pointer)
                              : object   ? fmt::format("{}/{}", pointer, values[i - 1])
                                         : fmt::format("{}/{}", pointer, i);
    if (!schema.is_secret(place)) continue;
    values[i] = resolved(place, std::move(values[i]));
    handed_out_secrets_.emplace(pointer);
  }
  if (!setting_error_.empty() && handed_out_secrets_.contains(pointer)) values.clear();
  return handed_out_.emplace(pointer, std::move(values)).first->second;
}

std::uint32_t RunningCall::setting(std::string_view pointer, std::uint32_t index, certctl_bytes* out) {
  *out = {nullptr, 0};
  mark_option_read(pointer);
  const auto& values = setting_values(pointer);
  if (index < values.size()) *out = hand_out(values[index]);
  return std::uint32_t(values.size());
}

bool RunningCall::out_of_time() const {
  return cancellation_.cancelled() || std::chrono::steady_clock::now() >= deadline_;
}

certctl_status RunningCall::make_checkpoint(certctl_bytes bytes) {
  if (bytes.size > CERTCTL_MAX_CHECKPOINT || (!bytes.data && bytes.size > 0)) {
    fault(fmt::format("a checkpoint of {} bytes; the limit is 64 KiB", bytes.size));
    return CERTCTL_INVALID_REQUEST;
  }
  if (!checkpoint_ && !unread().empty()) {
    fault(fmt::format("it made a checkpoint before it had read {}", join(unread(), ", ")));
    return CERTCTL_INVALID_REQUEST;
  }
  if (out_of_time()) return CERTCTL_CANCELLED;
  if (!call_.checkpoint) return CERTCTL_NOT_SUPPORTED;
  try {
    if (!call_.checkpoint(as_bytes(view(bytes)))) return CERTCTL_CONFLICT;
  } catch (const Error& error) {
    fail(CERTCTL_TRANSIENT, {nullptr, 0}, hand_out(error.what()));
    return CERTCTL_TRANSIENT;
  }
  const auto kept = as_bytes(view(bytes));
  checkpoint_.emplace(kept.begin(), kept.end());
  effect_since_checkpoint_ = false;
  return CERTCTL_OK;
}

certctl_status RunningCall::fail(certctl_status status, certctl_bytes id, certctl_bytes text) {
  if (status < CERTCTL_INVALID_CONFIG) {
    fault(fmt::format("it failed with status {}, which is none of failure", status));
    return CERTCTL_INTERNAL;
  }
  text_id_ = printable(shorten(view(id), 64));
  text_ = shorten(printable(view(text)), kMaxText);
  return status;
}

certctl_call* RunningCall::open(std::uint32_t service) {
  const std::string_view family = service_family(service);
  const auto& granted = environment_.manifest.services;
  if (family.empty() || !environment_.services || std::find(granted.begin(), granted.end(), family) == granted.end() ||
      !environment_.services->offers(service)) {
    return nullptr;
  }
  std::scoped_lock lock(mutex_);
  return sub_calls_.emplace_back(std::make_unique<SubCall>(*this, service)).get();
}

void RunningCall::close(SubCall* sub) {
  std::scoped_lock lock(mutex_);
  std::erase_if(sub_calls_, [sub](const auto& known) { return known.get() == sub; });
}

void RunningCall::log(std::uint32_t level, certctl_bytes event, certctl_bytes text) {
  log::write(plugin_message(level), {{"plugin", environment_.manifest.id},
                                     {"instance", environment_.instance_id},
                                     {"operation", environment_.operation},
                                     {"request_id", call_.request_id},
                                     {"event", printable(view(event))},
                                     {"text", printable(view(text))}});
}

std::vector<std::string> RunningCall::unread() const {
  std::vector<std::string> names;
  for (const auto& [key, indexes] : critical_unread_) names.push_back(key_name(key));
  for (const std::string& option : options_unread_) names.push_back("option " + option);
  return names;
}

void RunningCall::fault(const std::string& what) {
  std::scoped_lock lock(mutex_);
  if (fault_.empty()) fault_ = what;
}

std::string RunningCall::faulted() const {
  std::scoped_lock lock(mutex_);
  return fault_;
}

/// Whether something may have happened at the CA although the plugin says otherwise, or cannot say.
bool RunningCall::may_have_happened(Status status) const {
  if (!checkpoint_ || (environment_.operation != "issue" && environment_.operation != "renew")) return false;
  if (status != Status::transient && status != Status::cancelled && status != Status::internal) return false;
  return effect_since_checkpoint_ || std::chrono::steady_clock::now() >= deadline_;
}

void RunningCall::settle_failure(Outcome& outcome) {
  if (!setting_error_.empty()) outcome.status = Status::invalid_config;
  if (may_have_happened(outcome.status)) outcome.status = Status::unknown_outcome;
  outcome.text_id = text_id_;
  if (!setting_error_.empty())
    outcome.text = setting_error_;
  else if (outcome.text.empty())
    outcome.text = text_;
  if (outcome.text.empty()) {
    outcome.text =
        fmt::format("{} {} ended with {}", environment_.manifest.type, environment_.operation, to_text(outcome.status));
  }
}

Outcome RunningCall::finish(certctl_status returned) {
  watchdog_.unwatch(*this);
  Outcome outcome;
  outcome.took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started_);
  outcome.status = status_from(returned);
  outcome.checkpoint = checkpoint_;
  if (outcome.status == Status::internal && returned != CERTCTL_INTERNAL) {
    fault(fmt::format("it returned the unknown status {}", returned));
  }
  if (outcome.status == Status::pending && !checkpoint_ && !call_.in.has(CERTCTL_KEY_CHECKPOINT)) {
    fault("it returned pending without a checkpoint");
  }
  if (const std::string fault = faulted(); !fault.empty()) {
    outcome.status = Status::internal;
    outcome.text = shorten(fmt::format("plugin {}: {}", environment_.manifest.id, fault), kMaxText);
    log::write(kPluginFault, {{"plugin", environment_.manifest.id},
                              {"instance", environment_.instance_id},
                              {"operation", environment_.operation},
                              {"request_id", call_.request_id},
                              {"fault", fault}});
  } else {
    outcome.out = std::move(results_.fields());
  }
  if (outcome.status != Status::ok && outcome.status != Status::pending) settle_failure(outcome);
  if (outcome.status == Status::ok) {
    outcome.unread = unread();
    outcome.unread_critical = !outcome.unread.empty();
  }
  if (outcome.unread_critical) {
    outcome.text = fmt::format("{} did not read {}", environment_.manifest.type, join(outcome.unread, ", "));
    log::write(kPluginUnread, {{"plugin", environment_.manifest.id},
                               {"instance", environment_.instance_id},
                               {"operation", environment_.operation},
                               {"unread", join(outcome.unread, ", ")}});
  }
  return outcome;
}

SubCall::SubCall(RunningCall& parent, std::uint32_t service)
    : certctl_call{&RunningCall::Api::kSubCall}, parent_(parent), service_(service) {}

certctl_status SubCall::run() {
  if (ran_) return CERTCTL_INVALID_REQUEST;
  ran_ = true;
  const auto failed = [this](Status status, std::string_view text) {
    answer_.status = status;
    answer_.error = text;
  };
  if (parent_.out_of_time()) {
    failed(Status::cancelled, "the call is out of time");
  } else if (!parent_.faulted().empty()) {
    failed(Status::internal, "the call is faulted");
  } else {
    const CallEnvironment& environment = parent_.environment_;
    try {
      answer_ = environment.services->run({service_, request_.fields(), *parent_.settings_, environment.manifest.kind,
                                           environment.manifest.type, environment.instance_id, parent_.call_.request_id,
                                           parent_.deadline_, parent_.cancellation_});
    } catch (const Error& error) {
      failed(status_of(error.kind()), error.what());
      // Whoever throws cannot tell how far it came.
      answer_.effect = service_ == CERTCTL_HTTP_SEND || service_ == CERTCTL_PROCESS_RUN;
    }
  }
  if (answer_.effect) parent_.effect_since_checkpoint_ = true;
  if (!answer_.error.empty()) answer_.out.add(CERTCTL_KEY_SERVICE_ERROR, shorten(printable(answer_.error), kMaxText));
  return certctl_status(answer_.status);
}

}  // namespace certctl::plugin
