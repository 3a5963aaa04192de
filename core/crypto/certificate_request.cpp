#include "core/crypto/certificate_request.hpp"

#include <openssl/err.h>

#include "core/crypto/pem.hpp"
#include "core/crypto/x509_parts.hpp"

namespace certctl::crypto {
namespace {

constexpr std::size_t kMaxCommonName = 64;  // RFC 5280 appendix A, ub-common-name

void free_extensions(X509_EXTENSIONS* extensions) { sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free); }
using ExtensionsOwner = Owned<X509_EXTENSIONS, free_extensions>;

ExtensionsOwner extensions_of(X509_REQ* request) {
  ExtensionsOwner extensions(X509_REQ_get_extensions(request));
  ERR_clear_error();
  return extensions;
}

void push(X509_EXTENSIONS* extensions, ExtensionOwner extension) {
  if (sk_X509_EXTENSION_push(extensions, extension.get()) <= 0) throw openssl_error("making a request");
  static_cast<void>(extension.release());
}

/// What the certificate is to be called: the SANs, with a host or address as common name among them.
std::vector<San> names_of(const RequestOptions& options) {
  std::vector<San> sans = classify_sans(options.sans);
  if (options.common_name.empty()) return sans;
  const bool host =
      address_octets(options.common_name).has_value() ||
      (options.common_name.find('@') == std::string::npos && is_dns_name(canonical_host(options.common_name)));
  if (host) add_san(sans, classify_san(options.common_name));
  return sans;
}

}  // namespace

CertificateRequest CertificateRequest::from_pem(std::string_view pem) {
  std::vector<PemBlock> blocks;
  try {
    blocks = read_pem(pem);
  } catch (const Error&) {
    throw invalid("invalid CSR PEM format");
  }
  const bool good = blocks.size() == 1 && (blocks.front().label == "CERTIFICATE REQUEST" ||
                                           blocks.front().label == "NEW CERTIFICATE REQUEST");
  if (!good) throw invalid("invalid CSR PEM format");
  return from_der(blocks.front().der);
}

CertificateRequest CertificateRequest::from_der(std::span<const std::uint8_t> der) {
  if (der.size() > kMaxObjectBytes) throw invalid("invalid CSR: larger than 64 KiB");
  X509_REQ* request = X509_REQ_new_ex(library_context(), nullptr);
  if (request == nullptr) throw openssl_error("reading a request");
  const unsigned char* at = der.data();
  if (d2i_X509_REQ(&request, &at, long(der.size())) == nullptr) throw invalid("invalid CSR: " + openssl_reason());
  const std::shared_ptr<X509_REQ> owner(request, X509_REQ_free);
  if (at != der.data() + der.size()) throw invalid("invalid CSR: bytes follow the request");
  EVP_PKEY* key = X509_REQ_get0_pubkey(request);
  if (key == nullptr) throw invalid("invalid CSR: no usable key: " + openssl_reason());
  const bool verified = X509_REQ_verify_ex(request, key, library_context(), nullptr) == 1;
  ERR_clear_error();
  if (!verified) throw invalid("CSR signature verification failed");
  return CertificateRequest(owner);
}

Bytes CertificateRequest::der() const { return to_der<X509_REQ>(native(), i2d_X509_REQ); }
std::string CertificateRequest::pem() const { return write_pem("CERTIFICATE REQUEST", der()); }
std::string CertificateRequest::subject() const { return name_text(X509_REQ_get_subject_name(native())); }
std::string CertificateRequest::common_name() const { return name_common_name(X509_REQ_get_subject_name(native())); }

std::vector<San> CertificateRequest::sans() const {
  const auto extensions = extensions_of(native());
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(
      static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions.get(), NID_subject_alt_name, nullptr, nullptr)));
  ERR_clear_error();
  return read_sans(names.get());
}

PublicKey CertificateRequest::public_key() const {
  EVP_PKEY* key = X509_REQ_get_pubkey(native());
  if (key == nullptr) throw openssl_error("reading a request's key");
  return PublicKey(std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free));
}

bool CertificateRequest::must_staple() const { return has_must_staple(extensions_of(native()).get()); }

bool CertificateRequest::sans_critical() const {
  const auto extensions = extensions_of(native());
  const int position = X509v3_get_ext_by_NID(extensions.get(), NID_subject_alt_name, -1);
  return position >= 0 && X509_EXTENSION_get_critical(X509v3_get_ext(extensions.get(), position)) == 1;
}

CertificateRequest build_request(const PrivateKey& key, const RequestOptions& options) {
  const std::vector<San> sans = names_of(options);
  const std::string common_name = options.common_name.size() <= kMaxCommonName ? options.common_name : std::string();
  if (common_name.empty() && sans.empty()) {
    throw invalid(options.common_name.empty() ? "empty common name"
                                              : "common name longer than 64 bytes, and no SAN to carry it");
  }
  const std::shared_ptr<X509_REQ> request(X509_REQ_new_ex(library_context(), nullptr), X509_REQ_free);
  const ExtensionsOwner extensions(sk_X509_EXTENSION_new_null());
  if (request == nullptr || extensions == nullptr) throw openssl_error("making a request");
  const auto subject = make_name(common_name);
  const auto signer = signing_context(key);
  if (!sans.empty()) push(extensions.get(), make_san_extension(sans, common_name.empty()));
  if (options.must_staple) push(extensions.get(), make_must_staple_extension());

  const bool made = X509_REQ_set_version(request.get(), 0) == 1 &&
                    X509_REQ_set_subject_name(request.get(), subject.get()) == 1 &&
                    X509_REQ_set_pubkey(request.get(), key.native()) == 1 &&
                    (sk_X509_EXTENSION_num(extensions.get()) == 0 ||
                     X509_REQ_add_extensions(request.get(), extensions.get()) == 1) &&
                    X509_REQ_sign_ctx(request.get(), signer.get()) > 0;
  if (!made) throw openssl_error("making a request");
  return CertificateRequest::from_der(to_der<X509_REQ>(request.get(), i2d_X509_REQ));
}

}  // namespace certctl::crypto
