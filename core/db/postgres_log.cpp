#include "core/db/postgres_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "core/base/text.hpp"
#include "core/db/messages.hpp"

namespace certctl::db {
namespace {

constexpr std::size_t kKeptLines = 5;
constexpr std::size_t kLongestLine = 8192;

struct Severity {
  std::string_view word;
  const log::Message* message;
};
/// A client's own error is the client's to report; what the server says of itself is for the operator.
constexpr Severity kSeverities[] = {{"PANIC", &kPgError},   {"FATAL", &kPgWarning},  {"WARNING", &kPgWarning},
                                    {"ERROR", &kPgDebug},   {"DETAIL", &kPgDebug},   {"HINT", &kPgDebug},
                                    {"CONTEXT", &kPgDebug}, {"STATEMENT", &kPgDebug}};

const log::Message& message_for(std::string_view line) {
  for (const Severity& severity : kSeverities)
    if (line.find(std::string(severity.word) + ":  ") != std::string_view::npos) return *severity.message;
  return kPgInfo;
}

}  // namespace

void PostgresLog::follow(int descriptor) {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = descriptor;
  if (descriptor_ >= 0) ::fcntl(descriptor_, F_SETFL, O_NONBLOCK);
  partial_.clear();
  last_.clear();
  recovering_ = false;
  damaged_ = false;
}

PostgresLog::~PostgresLog() { follow(-1); }

bool PostgresLog::read() {
  bool any = false;
  std::array<char, 8192> buffer;
  while (descriptor_ >= 0) {
    const ssize_t count = ::read(descriptor_, buffer.data(), buffer.size());
    if (count == 0) {
      ::close(descriptor_);
      descriptor_ = -1;
    }
    if (count <= 0) break;
    any = true;
    partial_.append(buffer.data(), std::size_t(count));
    for (std::size_t end; (end = partial_.find('\n')) != std::string::npos; partial_.erase(0, end + 1))
      take_line(std::string_view(partial_).substr(0, end));
    if (partial_.size() > kLongestLine) partial_.clear();
  }
  return any;
}

void PostgresLog::take_line(std::string_view line) {
  log::write(message_for(line), {{"component", "postgres"}, {"line", line}});
  if (line.find("automatic recovery in progress") != std::string_view::npos) recovering_ = true;
  if (line.find("PANIC:  ") != std::string_view::npos || line.find("global/pg_control\"") != std::string_view::npos)
    damaged_ = true;
  last_.emplace_back(line);
  if (last_.size() > kKeptLines) last_.pop_front();
}

std::string PostgresLog::tail() const {
  std::string out;
  for (const std::string& line : last_) out += (out.empty() ? "" : " | ") + printable(line);
  return out;
}

}  // namespace certctl::db
