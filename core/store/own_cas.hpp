#pragma once

#include <optional>
#include <string>

#include "core/db/executor.hpp"
#include "core/domain/described.hpp"

namespace certctl::store::own_cas {

/// One CA key and certificate of an issuer that signs here (`local_ca_generations`).
struct Generation {
  std::string id;
  std::string issuer_id;
  std::int32_t generation = 1;
  std::string cert_pem;
  std::string chain_pem;
  std::string key_ref;  ///< `sealed:`, or the path of the key file
  std::optional<Bytes> key_sealed;
  std::string key_alg;
  std::optional<Bytes> spki_sha256;
  std::string state;
  Time not_before{};
  Time not_after{};
};
BOOST_DESCRIBE_STRUCT(Generation, (),
                      (id, issuer_id, generation, cert_pem, chain_pem, key_ref, key_sealed, key_alg, spki_sha256, state, not_before, not_after))

std::optional<Generation> active(db::Executor db, const std::string& issuer_id);
std::optional<Generation> find(db::Executor db, const std::string& id);
/// Makes it the active one; a former becomes `superseded`. Throws db::UniqueViolation when another replica was first.
void insert_active(db::Executor db, const Generation& generation);

}  // namespace certctl::store::own_cas
