#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/crypto/certificate.hpp"
#include "core/crypto/key.hpp"
#include "core/crypto/sealer.hpp"
#include "core/service/mutation.hpp"
#include "core/store/own_cas.hpp"

namespace certctl::service {

/// The CAs whose keys are kept here: their certificates, their keys, their serial numbers. Connectors that sign with them
/// get digests signed and never see a key (CA sheet §§3, 4).
class OwnCas {
 public:
  struct Ca {
    std::string id;  ///< `ca_ref` of requests
    std::string issuer_id;
    crypto::PrivateKey key;
    std::vector<crypto::Certificate> chain;  ///< issuing CA first
    std::string chain_pem;
  };

  /// `key_folder`: where generated keys go when there is no passphrase to seal them with.
  OwnCas(Ground ground, const crypto::Sealer& sealer, std::string key_folder)
      : ground_(ground), sealer_(sealer), key_folder_(std::move(key_folder)) {}

  /// The CA that signs for this issuer now; `config` is the issuer's, unsealed, defaults filled in. Without configured
  /// files a root is generated once and sealed, the same for all replicas. Throws Error(unavailable) with the texts of
  /// the CA sheet §3 (`failed to read CA certificate`, `loaded certificate is not a CA`, …).
  std::shared_ptr<const Ca> active(const std::string& issuer_id, const json::Raw& config);
  /// By `ca_ref`, active or superseded. Throws Error(not_found).
  std::shared_ptr<const Ca> find(const std::string& id);

  /// 158 random bits, always 20 octets: 40 hex digits, the first of them 4…7.
  static std::string new_serial();

 private:
  std::shared_ptr<const Ca> load(const store::own_cas::Generation& generation);
  store::own_cas::Generation from_files(const std::string& issuer_id, const std::string& certificate_path, const std::string& key_path,
                                        bool insecure_allowed);
  bool is_generated(const store::own_cas::Generation& generation) const;
  store::own_cas::Generation generated(const std::string& issuer_id, const json::Value& config);
  std::shared_ptr<const Ca> remember(const store::own_cas::Generation& generation);

  Ground ground_;
  const crypto::Sealer& sealer_;
  const std::string key_folder_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Ca>> by_id_;
};

}  // namespace certctl::service
