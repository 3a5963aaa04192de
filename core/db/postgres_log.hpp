#pragma once

#include <deque>
#include <string>
#include <string_view>

namespace certctl::db {

/// Reads what PostgreSQL writes to stderr, passes it on to our log, and notices what it means.
class PostgresLog {
 public:
  /// Takes the descriptor over (-1: none, as with an adopted server).
  void follow(int descriptor);
  ~PostgresLog();

  int descriptor() const { return descriptor_; }
  /// What has arrived, without waiting. False: nothing came.
  bool read();

  bool is_recovering() const { return recovering_; }
  /// Data that no restart will mend: PANIC, a missing control file.
  bool is_damaged() const { return damaged_; }
  /// The last lines, for an error message.
  std::string tail() const;

 private:
  void take_line(std::string_view line);

  int descriptor_ = -1;
  std::string partial_;
  std::deque<std::string> last_;
  bool recovering_ = false;
  bool damaged_ = false;
};

}  // namespace certctl::db
