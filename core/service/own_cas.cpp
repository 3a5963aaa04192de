#include "core/service/own_cas.hpp"

#include <fmt/format.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/random.hpp"
#include "core/base/time.hpp"
#include "core/crypto/self_signed.hpp"
#include "core/service/messages.hpp"

namespace certctl::service {
namespace {

using store::own_cas::Generation;

constexpr std::string_view kTable = "local_ca_generations";
constexpr std::string_view kSealedRef = "sealed:";

std::string read_file(const std::string& path, std::string_view what) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw unavailable(fmt::format("CA initialization failed: failed to read {}: {} cannot be opened", what, path));
  std::string text((std::istreambuf_iterator<char>(in)), {});
  if (text.size() > 256 * 1024) throw unavailable(fmt::format("CA initialization failed: failed to read {}: {} is larger than 256 KiB", what, path));
  return text;
}

/// A CA key that others may read is as good as published; group read is what Kubernetes' fsGroup makes of 0400.
void check_key_mode(const std::string& path, bool insecure_allowed) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return;  // reading it reports that
  const bool foreign = status.st_uid != ::geteuid() && status.st_uid != 0;
  if (((status.st_mode & 037) != 0 || foreign) && !insecure_allowed) {
    throw unavailable(fmt::format("CA initialization failed: CA key file permissions: {} has mode {:04o} and owner {}; make it 0600 and ours",
                                  path, status.st_mode & 07777, status.st_uid));
  }
}

crypto::PrivateKey key_from_file(const std::string& path, bool insecure_allowed) {
  check_key_mode(path, insecure_allowed);
  std::string pem = read_file(path, "CA private key");
  try {
    auto key = crypto::PrivateKey::from_pem(pem);
    wipe(pem);
    return key;
  } catch (const Error& e) {
    wipe(pem);
    throw unavailable(fmt::format("CA initialization failed: failed to parse CA private key: {}", e.what()));
  }
}

/// 0600 from creation, durable before the name is there.
void write_key_file(const std::string& path, std::string_view pem) {
  const std::string temporary = path + ".new";
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  bool good = file >= 0 && ::write(file, pem.data(), pem.size()) == ssize_t(pem.size()) && ::fsync(file) == 0;
  if (file >= 0) good = ::close(file) == 0 && good;
  if (!good || ::rename(temporary.c_str(), path.c_str()) != 0) {
    throw unavailable(fmt::format("CA initialization failed: the CA key cannot be stored as {}; set CERTCTL_CONFIG_ENCRYPTION_KEY or make the folder writable", path));
  }
}

void check_algorithm(const crypto::PrivateKey& key) {
  const std::string name = key.name();
  for (const auto known : {"RSA-2048", "RSA-3072", "RSA-4096", "ECDSA-P256", "ECDSA-P384"}) {
    if (name == known) return;
  }
  throw unavailable(fmt::format("CA initialization failed: signer: unsupported key algorithm {} (RSA-2048, RSA-3072, RSA-4096, ECDSA-P256, ECDSA-P384)", name));
}

void check_certificate(const crypto::Certificate& certificate, Time now) {
  const auto refuse = [](const std::string& why) { throw unavailable("CA initialization failed: " + why); };
  if (!certificate.is_ca()) refuse("loaded certificate is not a CA");
  if (!certificate.may_sign_certificates()) refuse("loaded CA certificate does not have KeyUsageCertSign");
  if (certificate.not_after() <= now) {
    refuse(fmt::format("CA certificate \"{}\" has expired ({})", certificate.common_name(), format_time(certificate.not_after())));
  }
  if (certificate.not_before() > now) {
    refuse(fmt::format("CA certificate \"{}\" is not yet valid ({})", certificate.common_name(), format_time(certificate.not_before())));
  }
}

Bytes spki_bytes(const crypto::Certificate& certificate) { return from_hex(certificate.spki_sha256()).value(); }

}  // namespace

std::string OwnCas::new_serial() {
  std::array<std::uint8_t, 20> octets{};
  fill_random(octets);
  octets[0] = std::uint8_t(0x40 | (octets[0] & 0x3F));
  return to_hex(octets);
}

std::shared_ptr<const OwnCas::Ca> OwnCas::find(const std::string& id) {
  {
    std::scoped_lock lock(mutex_);
    if (const auto known = by_id_.find(id); known != by_id_.end()) return known->second;
  }
  const auto generation = store::own_cas::find(ground_.database, id);
  if (!generation) throw not_found(fmt::format("no CA of ours is called {}", id));
  return remember(*generation);
}

std::shared_ptr<const OwnCas::Ca> OwnCas::active(const std::string& issuer_id, const json::Raw& config) {
  const auto settings = json::parse(config.text);
  const std::string certificate_path = json::text_or(settings, "ca_cert_path"), key_path = json::text_or(settings, "ca_key_path");
  if (certificate_path.empty() != key_path.empty()) {
    throw Error(ErrorKind::invalid, "ca_cert_path and ca_key_path must both be set for sub-CA mode");
  }
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto active = store::own_cas::active(ground_.database, issuer_id);
    if (active && (certificate_path.empty() ? is_generated(*active) : active->key_ref == key_path)) {
      auto ca = find(active->id);
      check_certificate(ca->chain.front(), ground_.clock.now());
      return ca;
    }
    Generation generation = certificate_path.empty() ? generated(issuer_id, settings) : from_files(issuer_id, certificate_path, key_path, json::flag_or(settings, "allow_insecure_key_mode", false));
    try {
      ground_.database.transaction([&](db::Transaction& tx) {
        store::own_cas::insert_active(tx, generation);
        json::Writer details;
        details.begin_object().field("ca_id", generation.id).field("key_algorithm", generation.key_alg).field("reason", active ? "configured" : "first").end_object();
        ground_.audit.record(tx, system_context(), {"ca_generated", "issuer", issuer_id, json::Raw{details.take()}});
      });
    } catch (const db::UniqueViolation&) {
      continue;  // another replica was first: take its generation
    }
    log::write(messages::kCaGenerated, {{"issuer_id", issuer_id}, {"ca_id", generation.id}, {"key_algorithm", generation.key_alg}});
    return remember(generation);
  }
  throw unavailable(fmt::format("CA initialization failed: the active CA of issuer {} changes all the time", issuer_id));
}

Generation OwnCas::generated(const std::string& issuer_id, const json::Value& config) {
  crypto::RootOptions options;
  options.common_name = json::text_or(config, "ca_common_name", "CertCtl Local CA");
  options.key_algorithm = json::text_or(config, "ca_key_algorithm", "RSA-3072");
  options.validity = std::chrono::days(json::integer_or(config, "ca_validity_days", 3650));
  const auto root = crypto::make_root(options, ground_.clock.now());
  Generation generation;
  generation.id = "lca-" + new_uuid();
  generation.issuer_id = issuer_id;
  generation.cert_pem = generation.chain_pem = root.certificate.pem();
  generation.key_ref = kSealedRef;
  generation.key_alg = root.key.name();
  generation.spki_sha256 = spki_bytes(root.certificate);
  generation.not_before = root.certificate.not_before();
  generation.not_after = root.certificate.not_after();
  root.key.to_pem(crypto::KeyForm::traditional).use([&](std::string_view pem) {
    if (sealer_.has_key()) {
      generation.key_sealed = sealer_.seal({kTable, generation.id, "key_sealed"}, pem);
    } else {
      generation.key_ref = key_folder_ + "/" + generation.id + ".key";
      write_key_file(generation.key_ref, pem);
    }
  });
  return generation;
}

bool OwnCas::is_generated(const Generation& generation) const {
  return generation.key_ref == kSealedRef || generation.key_ref == key_folder_ + "/" + generation.id + ".key";
}

Generation OwnCas::from_files(const std::string& issuer_id, const std::string& certificate_path, const std::string& key_path,
                              bool insecure_allowed) {
  const std::string text = read_file(certificate_path, "CA certificate");
  std::vector<crypto::Certificate> chain;
  try {
    chain = crypto::parse_pem_certificates(text);
  } catch (const Error& e) {
    throw unavailable(fmt::format("CA initialization failed: failed to parse CA certificate: {}", e.what()));
  }
  check_certificate(chain.front(), ground_.clock.now());
  const auto key = key_from_file(key_path, insecure_allowed);
  check_algorithm(key);
  if (!key.matches(chain.front().public_key())) throw unavailable("CA initialization failed: CA key does not match CA certificate");
  Generation generation;
  generation.id = "lca-" + new_uuid();
  generation.issuer_id = issuer_id;
  generation.cert_pem = chain.front().pem();
  generation.chain_pem = text;
  generation.key_ref = key_path;
  generation.key_alg = key.name();
  generation.spki_sha256 = spki_bytes(chain.front());
  generation.not_before = chain.front().not_before();
  generation.not_after = chain.front().not_after();
  return generation;
}

std::shared_ptr<const OwnCas::Ca> OwnCas::load(const Generation& generation) {
  const auto key = [&] {
    if (generation.key_ref != kSealedRef) return key_from_file(generation.key_ref, true);
    if (!generation.key_sealed) throw unavailable(fmt::format("CA initialization failed: the key of CA {} is missing", generation.id));
    return sealer_.open({kTable, generation.id, "key_sealed"}, *generation.key_sealed).use([](std::string_view pem) {
      return crypto::PrivateKey::from_pem(pem);
    });
  }();
  auto chain = crypto::parse_pem_certificates(generation.chain_pem);
  if (!key.matches(chain.front().public_key())) throw unavailable("CA initialization failed: CA key does not match CA certificate");
  return std::make_shared<Ca>(Ca{generation.id, generation.issuer_id, key, std::move(chain), generation.chain_pem});
}

std::shared_ptr<const OwnCas::Ca> OwnCas::remember(const Generation& generation) {
  auto ca = load(generation);
  std::scoped_lock lock(mutex_);
  return by_id_.emplace(generation.id, std::move(ca)).first->second;
}

}  // namespace certctl::service
