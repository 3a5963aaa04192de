#pragma once

#include <exception>
#include <memory>
#include <string_view>
#include <type_traits>

#include <certctl/call.hpp>
#include <certctl/entry.h>

/// How C++ classes become tables of C functions. Nothing here is for connectors to call.
namespace certctl::bridge {

inline certctl_status fail(certctl_call* call, Status status, std::string_view id, std::string_view text) {
  return call->api->fail(call, certctl_status(status), view(id), view(text));
}

inline certctl_status fail(certctl_call* call, const Error& error) {
  const auto* api = call->api;
  if (!error.setting().empty()) api->put(call, CERTCTL_KEY_SETTING_PATH, view(error.setting()));
  if (!error.vendor_code().empty()) api->put(call, CERTCTL_KEY_VENDOR_CODE, view(error.vendor_code()));
  if (error.retry_in()) api->put_int(call, CERTCTL_KEY_RETRY_IN_MS, error.retry_in()->count());
  return fail(call, error.status(), error.id(), error.what());
}

/// Runs `body` and turns whatever leaves it into a status: nothing may be thrown across the boundary.
template <typename F>
certctl_status guarded(certctl_call* call, F&& body) noexcept {
  try {
    Call access(call);
    return certctl_status(body(access));
  } catch (const Error& error) {
    return fail(call, error);
  } catch (const std::exception& error) {
    return fail(call, Status::internal, "EXCEPTION", error.what());
  } catch (...) {
    return fail(call, Status::internal, "EXCEPTION", "an exception of unknown type was thrown");
  }
}

/// One entry of a table: a method of the connector's class, or null where it left the base's as it was.
template <typename T, typename Base, auto Method>
constexpr certctl_op* operation() {
  if constexpr (std::is_same_v<decltype(Method), Status (Base::*)(Call&)>) {
    return nullptr;
  } else {
    return [](certctl_instance* instance, certctl_call* call) noexcept -> certctl_status {
      return guarded(call, [&](Call& access) { return (reinterpret_cast<T*>(instance)->*Method)(access); });
    };
  }
}

/// A kind's base class names its kind, its table's id, and how the table is filled for a class T.
template <typename Base, typename T>
struct Kind;

template <typename T>
certctl_status create(certctl_call* call, certctl_instance** out) noexcept {
  return guarded(call, [&](Call& access) {
    *out = reinterpret_cast<certctl_instance*>(std::make_unique<T>(access).release());
    return Status::ok;
  });
}

template <typename T>
void destroy(certctl_instance* instance) noexcept {
  const std::unique_ptr<T> owner(reinterpret_cast<T*>(instance));
}

template <typename T>
const void* extension(certctl_instance*, certctl_bytes id) noexcept {
  using K = Kind<typename T::ConnectorKind, T>;
  return view(id) == K::kTableId ? &K::kTable : nullptr;
}

template <typename T>
constexpr auto* validator() {
  using Function = certctl_status(certctl_call*);
  if constexpr (requires(Call& call) { T::validate(call); }) {
    return static_cast<Function*>(
        [](certctl_call* call) noexcept { return guarded(call, [](Call& access) { return T::validate(access); }); });
  } else {
    return static_cast<Function*>(nullptr);
  }
}

template <typename T>
constexpr auto* chooser() {
  using Function = certctl_status(certctl_call*);
  if constexpr (requires(Call& call) { T::options(call); }) {
    return static_cast<Function*>(
        [](certctl_call* call) noexcept { return guarded(call, [](Call& access) { return T::options(access); }); });
  } else {
    return static_cast<Function*>(nullptr);
  }
}

template <typename T>
constexpr auto* migrator() {
  using Function = certctl_status(certctl_call*);
  if constexpr (requires(Call& call) { T::migrate(call); }) {
    return static_cast<Function*>(
        [](certctl_call* call) noexcept { return guarded(call, [](Call& access) { return T::migrate(access); }); });
  } else {
    return static_cast<Function*>(nullptr);
  }
}

/// A class may say `static constexpr bool kSerial = true`: one call at a time.
template <typename T>
constexpr std::uint32_t flags() {
  if constexpr (requires { T::kSerial; }) {
    return T::kSerial ? std::uint32_t{CERTCTL_SERIAL} : 0u;
  } else {
    return 0u;
  }
}

/// A class may have `static void init()`, run once when the library is loaded: no threads, no I/O, under 1 s.
template <typename T>
certctl_status init(certctl_host*) noexcept {
  if constexpr (requires { T::init(); }) {
    try {
      T::init();
    } catch (const std::exception&) {
      return CERTCTL_INTERNAL;
    }
  }
  return CERTCTL_OK;
}

constexpr certctl_bytes constant(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace certctl::bridge
