#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/secret.hpp"

namespace certctl::db {

/// Where a database is and how to reach it: a URL or keyword string in the terms of libpq.
///
/// More is accepted than libpq does: the user part ends at the last `@`; a parameter that libpq does not know becomes a
/// run-time setting of the session; without `sslmode` a TCP connection means `require`.
class ConnectionTarget {
 public:
  /// Throws Error(invalid) that does not repeat the text, since it may hold a password.
  static ConnectionTarget parse(std::string_view url);

  ConnectionTarget clone() const;
  /// The same server, another database.
  ConnectionTarget with_database(std::string_view name) const;

  /// libpq's keywords and values, without the password.
  const std::vector<std::pair<std::string, std::string>>& keywords() const { return keywords_; }
  std::string_view keyword(std::string_view name) const;  ///< "": not given
  const Secret& password() const { return password_; }

  /// Whether a network lies between, and whether it leads to another machine.
  bool is_tcp() const { return tcp_; }
  bool is_local() const { return local_; }
  /// Whether TLS is certain (`require` and above) and whether the server proves its name (`verify-full`).
  bool requires_tls() const;
  bool verifies_server() const;

  /// For logs: `host=… port=… dbname=… user=… sslmode=…`.
  std::string describe() const;

 private:
  std::vector<std::pair<std::string, std::string>> keywords_;
  Secret password_;
  bool tcp_ = false;
  bool local_ = true;
};

}  // namespace certctl::db
