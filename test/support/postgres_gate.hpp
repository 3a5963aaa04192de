#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>

namespace certctl::test {

/// Stands between a client and PostgreSQL's unix socket, and loses what it is told to lose.
class PostgresGate {
 public:
  /// `server_folder`: where `.s.PGSQL.5432` is.
  explicit PostgresGate(const std::filesystem::path& server_folder);
  ~PostgresGate();
  PostgresGate(const PostgresGate&) = delete;
  PostgresGate& operator=(const PostgresGate&) = delete;

  /// For `host=` in place of the server's folder.
  const std::filesystem::path& folder() const { return folder_; }

  /// The next thing that a client says reaches the server, which acts on it; the answer is lost with the connection.
  void lose_next_answer() { lose_ = Lose::answer; }
  /// The next thing that a client says is lost with the connection.
  void lose_next_request() { lose_ = Lose::request; }

 private:
  enum class Lose { nothing, request, answer };
  void run(const std::stop_token& stop);

  std::filesystem::path folder_;
  std::string server_path_;
  int listener_ = -1;
  std::atomic<Lose> lose_{Lose::nothing};
  std::jthread thread_;
};

}  // namespace certctl::test
