#include <openssl/pem.h>

#include <algorithm>
#include <ctime>

#include <fmt/format.h>

#include <certctl/openssl.hpp>
#include <certctl/plugin.hpp>

#include "leaf.hpp"
#include "unicode.hpp"

/// GenericCA: signs leaves with a CA key that the core keeps (ca-crl-ocsp.md §§1–5). The core allocates serial and
/// dates, keeps the ledger and owns the CAs; what is left for the connector is the shape of a leaf.
namespace certctl::local {

namespace {

constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kDefaultDays = 90;

std::string day_text(std::int64_t seconds) {
  const time_t time = seconds;
  std::tm fields{};
  char text[32] = {};
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", ::gmtime_r(&time, &fields));
  return text;
}

std::string pem_of(X509* certificate) {
  const common::Owned<BIO, BIO_free_all> output(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(output.get(), certificate);
  char* data = nullptr;
  const long size = BIO_get_mem_data(output.get(), &data);
  return {data, std::size_t(size)};
}

/// The request's list if the core sent one, else the issuer's own setting.
std::vector<std::string> urls(const Call& call, TextKey key, std::string_view setting) {
  std::vector<std::string> sent = call.all(key);
  return sent.empty() ? call.setting_list(setting) : sent;
}

Request requested(const Call& call) {
  const std::string_view pem = call.get(key::csr_pem);
  return pem.empty() && call.has(key::csr_der) ? parse_request_der(call.get(key::csr_der)) : parse_request(pem);
}

/// Of the CSR first, then of the request, each once; a common name that is a host name or address leads (§5.3).
NameSet names_of(const Call& call, X509_REQ* request) {
  NameSet names;
  const std::string from_csr = common_name(request);
  add_requested_names(request, names);
  const auto add_all = [&](TextKey key, San::Kind kind) {
    for (const std::string& text : call.all(key)) {
      if (const auto reason = deceptive_character(text)) {
        throw invalid_request(fmt::format("request SANs entry \"{}\" rejected: {}", text, *reason));
      }
      names.add(kind, text);
    }
  };
  add_all(key::san_dns, San::Kind::dns);
  add_all(key::san_ip, San::Kind::ip);
  add_all(key::san_email, San::Kind::email);
  add_all(key::san_uri, San::Kind::uri);
  names.lead_with(call.text(key::common_name));
  names.lead_with(from_csr);
  return names;
}

/// §5.4: from the core's notBefore; the end is the least of validity, cap and the CA's own end.
void set_dates(const Call& call, LeafPlan& plan) {
  const std::int64_t backdate = call.setting_integer("/not_before_backdate_seconds", 60);
  const auto begin = call.get(key::not_before);
  if (!begin) throw invalid_request("not_before is missing: this CA's dates are allocated by the core");
  plan.not_before = *begin / 1000;
  const std::int64_t days = call.setting_integer("/validity_days", kDefaultDays);
  plan.not_after = plan.not_before + backdate + (days > 0 ? days : kDefaultDays) * kDay;
  if (const auto validity = call.get(key::validity_s)) plan.not_after = plan.not_before + *validity;
  const std::int64_t cap = call.get(key::max_ttl_s).value_or(0);
  if (cap > 0) plan.not_after = std::min(plan.not_after, plan.not_before + cap);

  const std::int64_t end = not_after(plan.issuer);
  if (end <= plan.not_before + backdate) {
    throw Error(Status::conflict, fmt::format("CA expired: CA certificate \"{}\" has expired ({})",
                                              display_name(plan.issuer), day_text(end)))
        .id("CA_EXPIRED");
  }
  plan.not_after = std::min(plan.not_after, end);
  if (plan.not_after <= plan.not_before) throw invalid_request("the certificate would end before it begins");
}

void set_usage(const Call& call, EVP_PKEY* key, LeafPlan& plan) {
  plan.usage = usage_for(call.all(key::eku), key, call.setting_flag("/key_usage_compat"));
  if (plan.usage.email && !plan.names.has(San::Kind::email)) {
    throw invalid_request("an S/MIME certificate (EKU emailProtection) needs an e-mail address among its SANs");
  }
}

LeafPlan plan_leaf(const Call& call, X509_REQ* request, const X509* issuer) {
  LeafPlan plan;
  plan.request = request;
  plan.issuer = issuer;
  plan.names = names_of(call, request);
  std::vector<std::string> dropped;
  plan.subject = certified_subject(request, plan.names, dropped);
  for (const std::string& attribute : dropped) {
    call.info("SUBJECT_ATTRIBUTE_DROPPED", "attribute " + attribute + " of the CSR's subject was not certified");
  }
  set_usage(call, X509_REQ_get0_pubkey(request), plan);
  plan.serial = call.text(key::serial);
  if (plan.serial.empty())
    throw invalid_request("serial is missing: this CA's serial numbers are allocated by the core");
  set_dates(call, plan);
  plan.crl_urls = urls(call, key::crl_url, "/crl_distribution_point_urls");
  plan.ocsp_urls = urls(call, key::ocsp_url, "/ocsp_urls");
  plan.ca_issuers_urls = urls(call, key::aia_url, "/ca_issuers_urls");
  plan.policies = call.all(key::policy_oid);
  plan.basic_constraints = call.setting_flag("/include_basic_constraints");
  plan.must_staple = call.flag(key::must_staple);
  if (plan.must_staple && plan.ocsp_urls.empty()) {
    throw invalid_request("must-staple needs an OCSP address: set ocsp_urls of the issuer");
  }
  return plan;
}

/// Reads the signed bytes back and checks them with the CA's key: what does not verify never leaves (§10).
Certificate verified(const std::string& der, X509* issuer) {
  X509* object = X509_new_ex(common::library_context(), nullptr);
  const auto* cursor = reinterpret_cast<const unsigned char*>(der.data());
  if (!d2i_X509(&object, &cursor, long(der.size()))) {
    throw Error(Status::internal, "the signed certificate cannot be read back: " + common::openssl_reason());
  }
  Certificate leaf(object);
  if (X509_verify(leaf.get(), X509_get0_pubkey(issuer)) != 1) {
    throw Error(Status::internal, "the CA key's signature does not verify with the CA certificate")
        .id("SIGNATURE_MISMATCH");
  }
  return leaf;
}

/// The chain to send along: the CA's own text, or without its root (§5.6).
std::string chain_text(const KeyDescription& key, const std::vector<Certificate>& chain, bool include_root) {
  if (include_root) return key.certificates;
  std::string text;
  for (const Certificate& certificate : chain) {
    if (X509_self_signed(certificate.get(), 0) != 1) text += pem_of(certificate.get());
  }
  return text;
}

}  // namespace

class LocalCa final : public Issuer {
 public:
  explicit LocalCa(Call&) {}
  static void init() { common::library_context(); }
  static Status validate(Call& call);

  Status issue(Call& call) override;
  Status renew(Call& call) override { return issue(call); }
  /// Signed bytes that were lost were never released: the core's ledger would hold them else (§5.7).
  Status lookup(Call&) override {
    throw Error(Status::not_found, "the ledger holds no certificate for this intent, so none was released");
  }
  Status revoke(Call& call) override {
    if (const auto reason = call.get(key::reason)) call.put(key::reason_sent, *reason);
    return call.done();
  }
  Status ca_chain(Call& call) override {
    const KeyDescription key = describe_key(call, call.get(key::ca_ref));
    return call.put(key::certificates, key.certificates).done();
  }
  Status test(Call& call) override;
};

Status LocalCa::issue(Call& call) {
  const Request request = requested(call);
  const KeyDescription key = describe_key(call, call.get(key::ca_ref));
  const std::vector<Certificate> chain = parse_chain(key.certificates);
  const LeafPlan plan = plan_leaf(call, request.get(), chain.front().get());
  const Certificate unsigned_leaf = build_leaf(plan);
  check_name_constraints(unsigned_leaf.get(), plan.names, chain);

  const std::string der = openssl::sign_certificate(call, common::library_context(), unsigned_leaf.get(), key);
  const Certificate leaf = verified(der, chain.front().get());
  call.put(key::certificates, pem_of(leaf.get()));
  const std::string issuers = chain_text(key, chain, call.setting_flag("/chain_include_root"));
  if (!issuers.empty()) call.put(key::certificates, issuers);
  return call.put(key::order_id, "local-" + plan.serial).done();
}

Status LocalCa::test(Call& call) {
  const KeyDescription key = describe_key(call, call.get(key::ca_ref));
  const std::vector<Certificate> chain = parse_chain(key.certificates);
  X509* issuer = chain.front().get();
  call.finding(Severity::good, "the CA key (" + key.algorithm + ") can be reached");

  const std::string spki = openssl::der_of(X509_get_X509_PUBKEY(issuer), i2d_X509_PUBKEY);
  const bool matches = spki == key.spki;
  call.finding(matches ? Severity::good : Severity::bad,
               matches ? "the CA key matches the CA certificate" : "CA key does not match CA certificate");
  const char* digest = openssl::signature_algorithm(key.algorithm).digest;
  const std::string probe = openssl::digest_of(common::library_context(), digest, "certctl connection test");
  const bool signs = !sign_digest(call, key.ref, digest, probe).empty();
  call.finding(signs ? Severity::good : Severity::bad, "the CA key signs");

  const std::int64_t end = not_after(issuer);
  const std::int64_t left = (end - std::time(nullptr)) / kDay;
  const std::string expiry = fmt::format("CA certificate \"{}\" ends {}", display_name(issuer), day_text(end));
  call.finding(left < 0 ? Severity::bad : left < 90 ? Severity::warning : Severity::good, expiry);
  if (!key.persistent)
    call.finding(Severity::warning, "the CA key lives in memory only and is lost when the server stops");
  return call.put(key::expires_in_ms, std::max<std::int64_t>(end - std::time(nullptr), 0) * 1000).done();
}

Status LocalCa::validate(Call& call) {
  const bool certificate = !call.setting("/ca_cert_path").empty();
  if (certificate == call.setting("/ca_key_path").empty()) {
    call.finding(Severity::bad, "ca_cert_path and ca_key_path must both be set for sub-CA mode",
                 certificate ? "/ca_key_path" : "/ca_cert_path");
  }
  if (call.setting_integer("/validity_days") > 3650) {
    call.finding(Severity::warning, "certificates of more than ten years; the CA's own end caps them",
                 "/validity_days");
  }
  return call.done();
}

}  // namespace certctl::local

CERTCTL_PLUGIN(certctl::local::LocalCa)
