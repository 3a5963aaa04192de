#include "core/base/log.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/json.hpp"
#include "core/base/text.hpp"
#include "core/base/time.hpp"

namespace certctl::log {
namespace {

constexpr std::size_t kQueueLimit = 16384;
constexpr std::size_t kValueLimit = 8192;

void write_whole(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // a closed pipe or a full disk never ends the process
    bytes.remove_prefix(std::size_t(written));
  }
}

class Sink {
 public:
  ~Sink() { stop(); }

  void start(const Options& options) {
    stop();
    std::scoped_lock lock(mutex_);
    level_ = options.level;
    format_ = options.format;
    descriptor_ = options.descriptor;
    running_ = true;
    thread_ = std::thread([this] { run(); });
  }

  void stop() {
    {
      std::scoped_lock lock(mutex_);
      if (!running_) return;
      running_ = false;
    }
    ready_.notify_one();
    thread_.join();
  }

  void set_level(Level level) { level_ = level; }
  bool enabled(Level level) const { return level >= level_.load(std::memory_order_relaxed); }
  Format format() const { return format_; }

  void hide(std::string_view secret) {
    if (secret.size() < 8) return;
    std::scoped_lock lock(hidden_mutex_);
    for (const auto& known : hidden_) {
      if (known == secret) return;
    }
    hidden_.emplace_back(secret);
  }

  void redact(std::string& line) {
    std::scoped_lock lock(hidden_mutex_);
    for (const auto& secret : hidden_) {
      for (auto at = line.find(secret); at != std::string::npos; at = line.find(secret, at)) line.replace(at, secret.size(), "[redacted]");
    }
    mask_after(line, "Bearer ");
    if (const auto at = line.find("PRIVATE KEY-----"); at != std::string::npos) line = line.substr(0, at) + "[redacted]\"}";
  }

  void put(Level level, std::string line) {
    redact(line);
    line += '\n';
    std::unique_lock lock(mutex_);
    if (!running_) {
      write_whole(descriptor_, line);
      return;
    }
    if (queue_.size() >= kQueueLimit && level < Level::warn) {
      ++dropped_;
      return;
    }
    queue_.push_back(std::move(line));
    lock.unlock();
    ready_.notify_one();
  }

 private:
  static void mask_after(std::string& line, std::string_view word) {
    for (auto at = line.find(word); at != std::string::npos; at = line.find(word, at)) {
      at += word.size();
      auto end = at;
      while (end < line.size() && line[end] > ' ' && line[end] != '"' && line[end] != '\\') ++end;
      line.replace(at, end - at, "[redacted]");
    }
  }

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      ready_.wait(lock, [this] { return !queue_.empty() || !running_; });
      if (queue_.empty() && !running_) return;
      std::string batch;
      while (!queue_.empty() && batch.size() < 256 * 1024) {
        batch += queue_.front();
        queue_.pop_front();
      }
      if (dropped_ != 0) {
        batch += fmt::format("{{\"level\":\"WARN\",\"msg\":\"log records dropped\",\"id\":\"LOG_DROPPED\",\"count\":{}}}\n", dropped_);
        dropped_ = 0;
      }
      const int descriptor = descriptor_;
      lock.unlock();
      write_whole(descriptor, batch);
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::string> queue_;
  std::size_t dropped_ = 0;
  bool running_ = false;
  std::thread thread_;
  std::atomic<Level> level_{Level::info};
  std::atomic<Format> format_{Format::json};
  int descriptor_ = 1;
  std::mutex hidden_mutex_;
  std::vector<std::string> hidden_;
};

Sink& sink() {
  static Sink* const instance = new Sink;  // never destroyed: threads may log until the process ends
  return *instance;
}

std::string_view upper(Level level) {
  switch (level) {
    case Level::debug: return "DEBUG";
    case Level::info: return "INFO";
    case Level::warn: return "WARN";
    case Level::error: return "ERROR";
  }
  return "INFO";
}

std::string as_json(const Message& message, std::initializer_list<Field> fields) {
  json::Writer out;
  out.begin_object();
  out.field("time", format_time(SystemClock().now()));
  out.field("level", upper(message.level));
  out.field("msg", message.text);
  out.field("id", message.id);
  for (const auto& field : fields) {
    out.key(field.name);
    std::visit([&](const auto& value) {
      if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>) out.value(printable(shorten(value, kValueLimit)));
      else out.value(value);
    }, field.value);
  }
  out.end_object();
  return out.take();
}

std::string as_line(const Message& message, std::initializer_list<Field> fields) {
  std::string line = fmt::format("{} {:<5} {} {}", format_time(SystemClock().now()), upper(message.level), message.id, message.text);
  for (const auto& field : fields) {
    line += fmt::format(" {}=", field.name);
    std::visit([&](const auto& value) {
      if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>) {
        const std::string shown = printable(shorten(value, kValueLimit));
        line += shown.find_first_of(" =\"") == std::string::npos && !shown.empty() ? shown : '"' + shown + '"';
      } else {
        line += fmt::format("{}", value);
      }
    }, field.value);
  }
  return line;
}

}  // namespace

std::string_view to_text(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error: return "error";
  }
  return "info";
}

void start(const Options& options) { sink().start(options); }
void set_level(Level level) { sink().set_level(level); }
void stop() { sink().stop(); }
bool enabled(Level level) { return sink().enabled(level); }
void hide(std::string_view secret) { sink().hide(secret); }

void write(const Message& message, std::initializer_list<Field> fields) {
  if (!enabled(message.level)) return;
  sink().put(message.level, sink().format() == Format::json ? as_json(message, fields) : as_line(message, fields));
}

}  // namespace certctl::log
