#include "core/crypto/sealer.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <optional>

#include "core/base/error.hpp"
#include "core/base/random.hpp"
#include "core/crypto/hash.hpp"
#include "core/crypto/library.hpp"

namespace certctl::crypto {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kKeyIdBytes = 8;
constexpr int kRounds = 600'000;
constexpr int kOldRounds = 100'000;
constexpr std::string_view kFirstSalt = "certctl-config-encryption-v1";
constexpr std::size_t kCachedKeys = 64;

constexpr std::size_t kSaltedHead = 1 + kSaltBytes + kNonceBytes;
constexpr std::size_t kPlaceHead = 1 + kKeyIdBytes + kNonceBytes;

Error wrong_key() {
  return internal("sealed value cannot be opened: wrong CERTCTL_CONFIG_ENCRYPTION_KEY, or the value is damaged")
      .with_code("sealing_key_wrong");
}

OSSL_PARAM text_parameter(const char* name, std::string_view text) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<char*>(text.data()), text.size());
}

Secret derive(const char* function, const OSSL_PARAM* parameters) {
  const Owned<EVP_KDF, EVP_KDF_free> method(EVP_KDF_fetch(library_context(), function, nullptr));
  const Owned<EVP_KDF_CTX, EVP_KDF_CTX_free> context(method ? EVP_KDF_CTX_new(method.get()) : nullptr);
  std::string key(kKeyBytes, '\0');
  if (context == nullptr ||
      EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char*>(key.data()), key.size(), parameters) != 1) {
    throw openssl_error("deriving a sealing key");
  }
  return Secret(std::move(key));
}

Secret pbkdf2(std::string_view passphrase, std::string_view salt, int rounds) {
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      text_parameter(OSSL_KDF_PARAM_PASSWORD, passphrase), text_parameter(OSSL_KDF_PARAM_SALT, salt),
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_ITER, &rounds), OSSL_PARAM_construct_end()};
  return derive("PBKDF2", parameters);
}

Secret hkdf(const Secret& key, std::string_view info) {
  char digest[] = "SHA256";
  return key.use([&](std::string_view bytes) {
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                                     text_parameter(OSSL_KDF_PARAM_KEY, bytes),
                                     text_parameter(OSSL_KDF_PARAM_INFO, info), OSSL_PARAM_construct_end()};
    return derive("HKDF", parameters);
  });
}

EVP_CIPHER* gcm() {
  static EVP_CIPHER* const cipher = EVP_CIPHER_fetch(library_context(), "AES-256-GCM", nullptr);
  if (cipher == nullptr) throw openssl_error("looking up AES-256-GCM");
  return cipher;
}

using CipherOwner = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

const unsigned char* raw(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

/// Appends ciphertext and tag to `head`.
Bytes encrypt(const Secret& key, std::span<const std::uint8_t> nonce, std::string_view aad, std::string_view plain,
              Bytes head) {
  const CipherOwner context(EVP_CIPHER_CTX_new());
  const std::size_t start = head.size();
  head.resize(start + plain.size() + kTagBytes);
  int size = 0;
  const bool good = context != nullptr && key.use([&](std::string_view bytes) {
    return EVP_EncryptInit_ex2(context.get(), gcm(), raw(bytes), nonce.data(), nullptr) == 1;
  }) && (aad.empty() || EVP_EncryptUpdate(context.get(), nullptr, &size, raw(aad), int(aad.size())) == 1) &&
                    EVP_EncryptUpdate(context.get(), head.data() + start, &size, raw(plain), int(plain.size())) == 1 &&
                    EVP_EncryptFinal_ex(context.get(), head.data() + start + plain.size(), &size) == 1 &&
                    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, int(kTagBytes),
                                        head.data() + start + plain.size()) == 1;
  if (!good) throw openssl_error("sealing");
  return head;
}

/// `sealed` = ciphertext ‖ tag; nullopt: the tag is another's.
std::optional<Secret> decrypt(const Secret& key, std::span<const std::uint8_t> nonce, std::string_view aad,
                              std::span<const std::uint8_t> sealed) {
  const CipherOwner context(EVP_CIPHER_CTX_new());
  const auto text = sealed.first(sealed.size() - kTagBytes);
  auto tag = Bytes(sealed.end() - kTagBytes, sealed.end());
  std::string plain(text.size(), '\0');
  int size = 0;
  auto* out = reinterpret_cast<unsigned char*>(plain.data());
  const bool good =
      context != nullptr && key.use([&](std::string_view bytes) {
        return EVP_DecryptInit_ex2(context.get(), gcm(), raw(bytes), nonce.data(), nullptr) == 1;
      }) &&
      (aad.empty() || EVP_DecryptUpdate(context.get(), nullptr, &size, raw(aad), int(aad.size())) == 1) &&
      EVP_DecryptUpdate(context.get(), out, &size, text.data(), int(text.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, int(kTagBytes), tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context.get(), out + text.size(), &size) == 1;
  ERR_clear_error();
  if (!good) {
    wipe(plain);
    return std::nullopt;
  }
  return Secret(std::move(plain));
}

Bytes fresh_nonce() {
  Bytes nonce(kNonceBytes);
  fill_random(nonce);
  return nonce;
}

void append(Bytes& head, std::span<const std::uint8_t> bytes) { head.insert(head.end(), bytes.begin(), bytes.end()); }

std::string info_of(const SealedPlace& place) {
  return "certctl/v4|" + std::string(place.table) + "|" + std::string(place.column);
}
std::string aad_of(const SealedPlace& place) {
  return "certctl/v4|" + std::string(place.table) + "|" + std::string(place.row_id) + "|" + std::string(place.column);
}

Bytes key_id(const Secret& kek) {
  const Digest256 digest = kek.use([](std::string_view bytes) { return sha256(bytes); });
  return Bytes(digest.begin(), digest.begin() + kKeyIdBytes);
}

}  // namespace

Sealer::Sealer(Secret passphrase, Salt salt, std::vector<Secret> previous) : salt_(salt) {
  passphrases_.push_back(std::move(passphrase));
  for (Secret& old : previous) {
    if (!old.empty()) passphrases_.push_back(std::move(old));
  }
}

void Sealer::require_key() const {
  if (has_key()) return;
  throw internal("crypto: CERTCTL_CONFIG_ENCRYPTION_KEY is required to encrypt or decrypt sensitive config")
      .with_code("sealing_key_missing");
}

Secret Sealer::derived(std::size_t passphrase, std::span<const std::uint8_t> salt, int rounds) const {
  KeyName name{passphrase, Bytes(salt.begin(), salt.end()), rounds};
  {
    const std::scoped_lock lock(mutex_);
    if (const auto found = keys_.find(name); found != keys_.end()) return found->second.clone();
  }
  // Not under the lock: a derivation takes 150 ms, and rows with foreign salts are opened in parallel.
  Secret key = passphrases_[passphrase].use(
      [&](std::string_view text) { return pbkdf2(text, as_text(salt), rounds); });
  const std::scoped_lock lock(mutex_);
  if (keys_.size() < kCachedKeys) keys_.try_emplace(std::move(name), key.clone());
  return key;
}

Secret Sealer::kek(std::size_t passphrase) const { return derived(passphrase, salt_, kRounds); }

void Sealer::prepare() const {
  require_key();
  kek(0);
}

Bytes Sealer::seal_config(std::string_view plain) const {
  require_key();
  const Bytes nonce = fresh_nonce();
  Bytes head{3};
  append(head, salt_);
  append(head, nonce);
  return encrypt(kek(0), nonce, {}, plain, std::move(head));
}

Secret Sealer::open_config(std::span<const std::uint8_t> blob) const {
  require_key();
  if (blob.empty()) throw internal("ciphertext is empty");
  for (std::size_t i = 0; i < passphrases_.size(); ++i) {
    // A v1 nonce may begin with 02 or 03 by chance: a tag that does not fit only means "try the older format".
    for (const int version : {3, 2}) {
      if (blob[0] != version || blob.size() < kSaltedHead + kTagBytes) continue;
      const Secret key = derived(i, blob.subspan(1, kSaltBytes), version == 3 ? kRounds : kOldRounds);
      auto plain = decrypt(key, blob.subspan(1 + kSaltBytes, kNonceBytes), {}, blob.subspan(kSaltedHead));
      if (plain) return std::move(*plain);
    }
    if (blob.size() < kNonceBytes + kTagBytes) continue;
    const Secret key = derived(i, as_bytes(kFirstSalt), kOldRounds);
    auto plain = decrypt(key, blob.first(kNonceBytes), {}, blob.subspan(kNonceBytes));
    if (plain) return std::move(*plain);
  }
  throw wrong_key();
}

Bytes Sealer::seal(const SealedPlace& place, std::string_view plain) const {
  require_key();
  const Secret key = kek(0);
  const Bytes nonce = fresh_nonce();
  Bytes head{4};
  append(head, key_id(key));
  append(head, nonce);
  return encrypt(hkdf(key, info_of(place)), nonce, aad_of(place), plain, std::move(head));
}

Secret Sealer::open(const SealedPlace& place, std::span<const std::uint8_t> blob) const {
  require_key();
  if (blob.empty()) throw internal("ciphertext is empty");
  // Only v4 is bound to its place: an older format here would be a value moved from elsewhere.
  if (blob[0] != 4 || blob.size() < kPlaceHead + kTagBytes) throw wrong_key();
  for (std::size_t i = 0; i < passphrases_.size(); ++i) {
    const Secret key = kek(i);
    if (!std::ranges::equal(blob.subspan(1, kKeyIdBytes), key_id(key))) continue;
    auto plain = decrypt(hkdf(key, info_of(place)), blob.subspan(1 + kKeyIdBytes, kNonceBytes), aad_of(place),
                         blob.subspan(kPlaceHead));
    if (plain) return std::move(*plain);
  }
  throw wrong_key();
}

bool Sealer::is_current_config(std::span<const std::uint8_t> blob) const {
  require_key();
  if (blob.size() < kSaltedHead + kTagBytes || blob[0] != 3) return false;
  if (!std::ranges::equal(blob.subspan(1, kSaltBytes), salt_)) return false;
  return decrypt(kek(0), blob.subspan(1 + kSaltBytes, kNonceBytes), {}, blob.subspan(kSaltedHead)).has_value();
}

bool Sealer::is_current(std::span<const std::uint8_t> blob) const {
  require_key();
  return blob.size() >= kPlaceHead + kTagBytes && blob[0] == 4 &&
         std::ranges::equal(blob.subspan(1, kKeyIdBytes), key_id(kek(0)));
}

}  // namespace certctl::crypto
