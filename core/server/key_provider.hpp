#pragma once

#include "core/plugin_services/key_provider.hpp"
#include "core/service/own_cas.hpp"

namespace certctl::server {

/// The keys of our own CAs, for the connectors that sign with them.
class OwnCaKeys final : public plugin::KeyProvider {
 public:
  explicit OwnCaKeys(service::OwnCas& cas) : cas_(cas) {}
  plugin::KeyDescription describe(const plugin::KeyUse& use) override;
  Bytes sign(const plugin::KeyUse& use, std::string_view digest_name, std::span<const std::uint8_t> digest) override;

 private:
  std::shared_ptr<const service::OwnCas::Ca> ca_of(const plugin::KeyUse& use);
  service::OwnCas& cas_;
};

}  // namespace certctl::server
