#include "core/server/key_provider.hpp"

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/plugin/settings.hpp"

namespace certctl::server {

std::shared_ptr<const service::OwnCas::Ca> OwnCaKeys::ca_of(const plugin::KeyUse& use) {
  if (use.ref.empty()) return cas_.active(std::string(use.instance_id), json::Raw{json::dump(use.settings.root())});
  auto ca = cas_.find(std::string(use.ref));
  // A connector signs with the CAs of its own issuer only.
  if (ca->issuer_id != use.instance_id) throw not_found(fmt::format("CA {} does not belong to issuer {}", use.ref, use.instance_id));
  return ca;
}

plugin::KeyDescription OwnCaKeys::describe(const plugin::KeyUse& use) {
  const auto ca = ca_of(use);
  return {ca->id, ca->key.name(), ca->key.public_key().spki(), ca->chain_pem, true};
}

Bytes OwnCaKeys::sign(const plugin::KeyUse& use, std::string_view digest_name, std::span<const std::uint8_t> digest) {
  return ca_of(use)->key.sign_digest(digest_name, digest);
}

}  // namespace certctl::server
