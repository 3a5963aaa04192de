#pragma once

#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/crypto/key.hpp"
#include "core/crypto/library.hpp"
#include "core/crypto/san.hpp"

/// What certificates and requests have in common, between OpenSSL's structures and ours. Inner header of this folder.
namespace certctl::crypto {

using ExtensionOwner = Owned<X509_EXTENSION, X509_EXTENSION_free>;

std::string object_text(const ASN1_OBJECT* object);  ///< dotted
std::string string_text(const ASN1_STRING* string);  ///< as UTF-8; bytes that are none made visible
std::string name_text(const X509_NAME* name);
std::string name_common_name(const X509_NAME* name);
Bytes name_der(const X509_NAME* name);
Time time_of(const ASN1_TIME* time);

std::vector<San> read_sans(const GENERAL_NAMES* names);

/// Extensions are made of values, never of configuration text: a comma in a name must not become a second name.
ExtensionOwner make_extension(int nid, bool critical, void* value);
ExtensionOwner make_san_extension(const std::vector<San>& sans, bool critical);
ExtensionOwner make_must_staple_extension();
/// Whether the TLS feature extension (RFC 7633) names status_request.
bool has_must_staple(const X509_EXTENSIONS* extensions);

/// A subject that holds only `common_name` as UTF8String; empty text: an empty subject.
Owned<X509_NAME, X509_NAME_free> make_name(std::string_view common_name);

/// For X509_sign_ctx and its like, in our library context: SHA-256, with P-384 SHA-384, with P-521 SHA-512.
Owned<EVP_MD_CTX, EVP_MD_CTX_free> signing_context(const PrivateKey& key);

template <typename T>
Bytes to_der(const T* object, int (*encode)(const T*, unsigned char**)) {
  unsigned char* data = nullptr;
  const int size = encode(object, &data);
  if (size < 0) throw openssl_error("writing DER");
  Bytes der(data, data + size);
  OPENSSL_free(data);
  return der;
}

}  // namespace certctl::crypto
