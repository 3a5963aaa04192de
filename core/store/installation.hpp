#pragma once

#include <optional>
#include <string>

#include "core/db/executor.hpp"

/// What the installation as a whole remembers (`settings`, `server_instances`), and what its start looks at.
namespace certctl::store::installation {

struct Installation {
  std::string id;
  std::string salt_hex;  ///< 16 octets: of every key that is derived from the passphrase
};
/// Made once; of several replicas the first one's stays.
Installation find_or_make(db::Executor db, const Installation& fresh);

/// Rows whose settings cannot be read without a passphrase.
struct SealedRows {
  std::int64_t issuers = 0, targets = 0;
};
SealedRows sealed_rows(db::Executor db);

/// One sealed value to prove the passphrase on; empty table: nothing is sealed.
struct Sample {
  std::string table, id;
  Bytes blob;
  bool config = false;  ///< format of `encrypted_config`; else of a `*_sealed` column
};
std::optional<Sample> sealed_sample(db::Executor db);

void announce(db::Executor db, const std::string& instance_id, const std::string& version, const std::string& address, const json::Raw& capabilities);
void beat(db::Executor db, const std::string& instance_id, bool draining);

}  // namespace certctl::store::installation
