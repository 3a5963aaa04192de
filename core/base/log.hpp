#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

/// The event log of a program: one JSON object (or line of text) a record, one sink, never blocking a request.
namespace certctl::log {

enum class Level { debug, info, warn, error };
std::string_view to_text(Level level);

/// One kind of record. Each folder declares its own in `messages.hpp`; an id is never reused. `remedy` is what an
/// operator should do; empty where there is nothing to do.
struct Message {
  const char* id;  ///< `[A-Z][A-Z0-9_]{2,47}`
  Level level;
  const char* text;
  const char* remedy = "";
};

/// Values are cut at 8 KiB and made printable; a Secret cannot be passed.
struct Field {
  std::string_view name;
  std::variant<std::string, std::int64_t, double, bool> value;

  Field(std::string_view n, std::string v) : name(n), value(std::move(v)) {}
  Field(std::string_view n, std::string_view v) : name(n), value(std::string(v)) {}
  Field(std::string_view n, const char* v) : name(n), value(std::string(v)) {}
  Field(std::string_view n, bool v) : name(n), value(v) {}
  Field(std::string_view n, double v) : name(n), value(v) {}
  template <typename I>
    requires(std::is_integral_v<I> && !std::is_same_v<I, bool>)
  Field(std::string_view n, I v) : name(n), value(std::int64_t(v)) {}
};

enum class Format { json, text };

struct Options {
  Level level = Level::info;
  Format format = Format::json;
  int descriptor = 1;
};

/// Starts the writer thread. Before that, and after stop(), records are written at once by the caller.
void start(const Options& options);
void set_level(Level level);
/// Writes what waits; later records go out synchronously.
void stop();

void write(const Message& message, std::initializer_list<Field> fields = {});
bool enabled(Level level);

/// Bytes that must never be printed, wherever they turn up in a record (≥ 8 characters).
void hide(std::string_view secret);

}  // namespace certctl::log
