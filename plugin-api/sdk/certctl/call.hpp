#pragma once

#include <poll.h>

#include <chrono>
#include <concepts>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <certctl/call.h>
#include <certctl/key.hpp>
#include <certctl/status.hpp>

namespace certctl {

enum class Severity { good = 0, warning = 1, bad = 2 };

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// What calls and sub-calls have in common: typed fields in both directions. Texts handed out live until the call
/// returns or the sub-call is closed. Reads go to the host each time, so that it knows what was looked at: read a field
/// where it is used.
class FieldAccess {
 public:
  explicit FieldAccess(certctl_call* call) : call_(call) {}

  std::uint32_t count(std::uint32_t key) const {
    certctl_bytes none;
    return call_->api->get(call_, key, 0, &none);
  }
  bool has(IntKey key) const { return get(key).has_value(); }
  template <std::uint32_t Type>
  bool has(Key<Type> key) const {
    return count(key.number) > 0;
  }

  /// Empty: absent.
  std::string_view get(TextKey key, std::uint32_t index = 0) const { return raw(key.number, index); }
  std::string_view get(BytesKey key, std::uint32_t index = 0) const { return raw(key.number, index); }
  std::string_view text(BytesKey key) const { return raw(key.number, 0); }
  std::string text(TextKey key) const { return std::string(raw(key.number, 0)); }
  std::optional<std::int64_t> get(IntKey key, std::uint32_t index = 0) const {
    std::int64_t value = 0;
    return call_->api->get_int(call_, key.number, index, &value) > index ? std::optional(value) : std::nullopt;
  }
  bool flag(IntKey key) const { return get(key).value_or(0) != 0; }

  std::vector<std::string> all(TextKey key) const { return list(key.number); }
  std::vector<std::string> all(BytesKey key) const { return list(key.number); }
  Pairs all(MapKey key) const {
    Pairs pairs;
    const auto texts = list(key.number);
    for (std::size_t i = 0; i + 1 < texts.size(); i += 2) pairs.emplace_back(texts[i], texts[i + 1]);
    return pairs;
  }

 protected:
  void write(std::uint32_t key, std::string_view value) { call_->api->put(call_, key, view(value)); }
  void write(std::uint32_t key, std::int64_t value) { call_->api->put_int(call_, key, value); }
  certctl_call* raw_call() const { return call_; }

 private:
  std::string_view raw(std::uint32_t key, std::uint32_t index) const {
    certctl_bytes value = {nullptr, 0};
    call_->api->get(call_, key, index, &value);
    return view(value);
  }
  std::vector<std::string> list(std::uint32_t key) const {
    std::vector<std::string> values;
    certctl_bytes value = {nullptr, 0};
    for (std::uint32_t i = 0; call_->api->get(call_, key, i, &value) > i; ++i) values.emplace_back(view(value));
    return values;
  }

  certctl_call* call_;
};

/// A host service under way: open, put, run, get; closed by the destructor.
class ServiceCall : public FieldAccess {
 public:
  /// Throws Error(internal) when the host does not offer the service; `family` is its name in the manifest's needs.
  ServiceCall(certctl_call* parent, std::uint32_t service, const char* family)
      : FieldAccess(parent->api->open(parent, service)) {
    if (!raw_call()) {
      throw Error(Status::internal, std::string("the host does not offer the service \"") + family +
                                        "\" to this plugin; does its manifest name it?");
    }
  }
  ServiceCall(ServiceCall&& other) noexcept : FieldAccess(other), open_(std::exchange(other.open_, false)) {}
  ServiceCall& operator=(ServiceCall&&) = delete;
  ~ServiceCall() {
    if (open_) raw_call()->api->close(raw_call());
  }

  template <std::uint32_t Type>
  ServiceCall& put(Key<Type> key, std::string_view value) {
    write(key.number, value);
    return *this;
  }
  ServiceCall& put(IntKey key, std::int64_t value) { write(key.number, value); return *this; }
  ServiceCall& put(MapKey key, std::string_view name, std::string_view value) {
    write(key.number, name);
    write(key.number, value);
    return *this;
  }

  Status run() { return Status(raw_call()->api->run(raw_call())); }
  /// As run(); throws Error with the host's own words unless it went well.
  void run_or_throw();

 private:
  bool open_ = true;
};

class HttpRequest;
class Process;

/// The call of an operation: inputs, settings, results, services, time.
class Call : public FieldAccess {
 public:
  explicit Call(certctl_call* call) : FieldAccess(call) {}

  // --- settings, by JSON pointer; defaults filled in, the request's options laid over ---

  /// Empty: absent.
  std::string setting(std::string_view pointer, std::uint32_t index = 0) const {
    certctl_bytes value = {nullptr, 0};
    raw_call()->api->setting(raw_call(), view(pointer), index, &value);
    return std::string(view(value));
  }
  bool setting_flag(std::string_view pointer) const { return setting(pointer) == "true"; }
  /// Throws Error(invalid_config) if it is there and no whole number.
  std::int64_t setting_integer(std::string_view pointer, std::int64_t fallback = 0) const;
  /// The elements of an array.
  std::vector<std::string> setting_list(std::string_view pointer) const {
    std::vector<std::string> values;
    certctl_bytes value = {nullptr, 0};
    const certctl_bytes path = view(pointer);
    for (std::uint32_t i = 0; raw_call()->api->setting(raw_call(), path, i, &value) > i; ++i) {
      values.emplace_back(view(value));
    }
    return values;
  }
  /// The members of an object.
  Pairs setting_map(std::string_view pointer) const {
    Pairs pairs;
    const auto values = setting_list(pointer);
    for (std::size_t i = 0; i + 1 < values.size(); i += 2) pairs.emplace_back(values[i], values[i + 1]);
    return pairs;
  }
  bool has_setting(std::string_view pointer) const {
    certctl_bytes value = {nullptr, 0};
    return raw_call()->api->setting(raw_call(), view(pointer), 0, &value) > 0;
  }

  // --- results ---

  Call& put(TextKey key, std::string_view value) { write(key.number, value); return *this; }
  Call& put(BytesKey key, std::string_view value) { write(key.number, value); return *this; }
  template <std::integral I>
  Call& put(IntKey key, I value) { write(key.number, std::int64_t(value)); return *this; }
  Call& put(RecKey key, std::int64_t value) { write(key.number, value); return *this; }
  Call& put(MapKey key, std::string_view name, std::string_view value) {
    write(key.number, name);
    write(key.number, value);
    return *this;
  }
  /// One line of `validate` or `test`; `path` is the JSON pointer of the setting it is about.
  Call& finding(Severity severity, std::string_view text, std::string_view path = {}) {
    put(key::finding, std::int64_t(severity)).put(key::finding_text, text);
    if (!path.empty()) put(key::finding_path, path);
    return *this;
  }

  Status done() const { return Status::ok; }
  /// Look again after `poll_in`. There must be a checkpoint.
  Status pending(std::chrono::milliseconds poll_in) { put(key::poll_in_ms, poll_in.count()); return Status::pending; }

  /// Durable on return. Throws Error when it could not be made so, or when the call has no time left: do not send.
  void checkpoint(std::string_view bytes) {
    const auto status = Status(raw_call()->api->checkpoint(raw_call(), view(bytes)));
    if (status != Status::ok) throw Error(status, "the checkpoint could not be made durable; nothing was sent");
  }

  // --- time and log ---

  std::chrono::milliseconds remaining() const {
    return std::chrono::milliseconds(raw_call()->api->remaining_ms(raw_call()));
  }
  int cancel_fd() const { return raw_call()->api->cancel_fd(raw_call()); }
  bool cancelled() const {
    pollfd descriptor{cancel_fd(), POLLIN, 0};
    return descriptor.fd >= 0 && ::poll(&descriptor, 1, 0) == 1;
  }
  /// Waits for `time`; false: the call was cancelled or its time is up.
  bool wait(std::chrono::milliseconds time) const {
    pollfd descriptor{cancel_fd(), POLLIN, 0};
    return ::poll(&descriptor, 1, int(time.count())) == 0;
  }
  void debug(std::string_view event, std::string_view text) const { log(CERTCTL_LOG_DEBUG, event, text); }
  void info(std::string_view event, std::string_view text) const { log(CERTCTL_LOG_INFO, event, text); }
  void warn(std::string_view event, std::string_view text) const { log(CERTCTL_LOG_WARN, event, text); }

  // --- host services ---

  ServiceCall open(std::uint32_t service, const char* family) const { return {raw_call(), service, family}; }
  /// See http.hpp.
  HttpRequest http(std::string_view method, std::string_view url) const;
  /// See process.hpp.
  Process process(std::span<const std::string> arguments) const;

  /// For code that speaks the C ABI.
  certctl_call* native() const { return raw_call(); }

 private:
  void log(std::uint32_t level, std::string_view event, std::string_view text) const {
    raw_call()->api->log(raw_call(), level, view(event), view(text));
  }
};

inline std::int64_t Call::setting_integer(std::string_view pointer, std::int64_t fallback) const {
  const std::string text = setting(pointer);
  if (text.empty()) return fallback;
  try {
    std::size_t used = 0;
    const std::int64_t value = std::stoll(text, &used);
    if (used == text.size()) return value;
  } catch (const std::logic_error&) {
    // not a number at all, or out of range: the same answer
  }
  throw invalid_config("the setting " + std::string(pointer) + " must be a whole number", std::string(pointer));
}

}  // namespace certctl

#include <certctl/services.hpp>
