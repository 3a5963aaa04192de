#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/db/database.hpp"

namespace certctl::db {

/// The lease is gone: another instance has it, or may soon. Kind conflict, code `lease_lost`.
class LeaseLost : public Error {
 public:
  explicit LeaseLost(std::string_view name);
};

/// The right to be the only one, proven by a fence number that only rises. Given up when destroyed.
class Lease {
 public:
  Lease(Lease&&) noexcept;
  Lease& operator=(Lease&&) noexcept;
  ~Lease();

  const std::string& name() const;
  std::int64_t fence() const;
  /// False as soon as it was lost, ran out, or a database connection was lost. A hint to stop; guard() is the proof.
  bool held() const;
  /// First statement of every transaction of the holder: holds off a takeover until the transaction ends.
  /// Throws LeaseLost.
  void guard(Transaction& transaction) const;
  /// Best effort; without it the lease runs out by itself.
  void give_up() noexcept;

 private:
  friend class Leases;
  struct State;
  explicit Lease(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

struct LeaseOptions {
  std::chrono::milliseconds ttl = std::chrono::seconds(15);
  std::chrono::milliseconds keep_every = std::chrono::seconds(5);
};

/// Takes leases for one instance and keeps them from a thread and a connection of its own. Thread-safe. Times are the
/// database's. Must outlive its leases.
class Leases {
 public:
  explicit Leases(Database& database, LeaseOptions options = {});
  ~Leases();
  Leases(const Leases&) = delete;
  Leases& operator=(const Leases&) = delete;

  /// nullopt: somebody has it. Throws as Database::run().
  std::optional<Lease> take(std::string_view name);

  struct Keeper;

 private:
  std::unique_ptr<Keeper> keeper_;
};

}  // namespace certctl::db
