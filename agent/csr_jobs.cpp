#include "agent/csr_jobs.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "agent/messages.hpp"
#include "core/base/crash_point.hpp"
#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/json.hpp"
#include "core/base/text.hpp"
#include "core/crypto/certificate.hpp"
#include "core/http/uri.hpp"

namespace certctl::agent {
namespace {

constexpr std::size_t kMostNames = 1000;
constexpr std::size_t kLongestName = 253;
/// A job that comes again so soon after its request was taken is a duplicate; later, the control plane has lost it.
constexpr auto kDuplicateWindow = std::chrono::minutes(10);

void check_name(const std::string& name) {
  const bool control =
      std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (!control && name.size() <= kLongestName && is_utf8(name)) return;
  throw invalid(fmt::format("CSR creation failed: invalid SAN \"{}\"", printable(shorten(name, 64))));
}

}  // namespace

KeyRequest key_request(const WorkItem& item) {
  if (!is_valid_id(item.certificate_id)) throw invalid("invalid certificate id");
  KeyRequest out;
  out.certificate_id = item.certificate_id;
  out.job_id = item.id;
  out.common_name = trim(item.common_name);
  out.must_staple = item.must_staple;
  out.reuse_key = item.reuse_key;
  if (!item.key_algorithm.empty()) out.algorithm = item.key_algorithm;
  for (const auto& san : item.sans) {
    const std::string_view name = trim(san);
    if (name.empty()) continue;
    check_name(san);
    out.sans.emplace_back(name);
  }
  if (out.sans.size() > kMostNames)
    throw invalid(fmt::format("CSR creation failed: {} names, at most {} are allowed", out.sans.size(), kMostNames));
  if (out.common_name.empty() && out.sans.empty()) throw invalid("empty common name");
  return out;
}

Step CsrJobs::run(Job& job) {
  KeyRecord record;
  try {
    record = keys_.prepare(key_request(job.item));
  } catch (const Error& e) {
    return session_.fail(job, e.what());
  }
  crash_point("key_stored");
  const Time now = session_.clock().now();
  if (record.accepted && record.accepted_attempt == job.item.attempt && now - *record.accepted < kDuplicateWindow)
    return {Step::End::dropped};
  if (record.submitted && !record.accepted) {
    Answer answer;
    switch (fate_of(record, answer)) {
      case Fate::signed_already:
        log::write(kCsrAlreadySigned, {{"job_id", job.item.id}, {"certificate_id", job.item.certificate_id}});
        keys_.mark_accepted(record, job.item.attempt);
        session_.signals().poll();
        return {Step::End::completed};
      case Fate::ask_again:
        return session_.later(job, answer,
                              fmt::format("CSR submission failed: its outcome cannot be learnt: {}", answer.problem));
      case Fate::unknown:
        break;
    }
  }
  return submit(job, record);
}

CsrJobs::Fate CsrJobs::fate_of(const KeyRecord& record, Answer& answer) {
  answer = session_.control_plane().get(
      session_.path("/certificates/" + http::percent_encode(record.request.certificate_id)));
  if (answer.is_passing()) return Fate::ask_again;
  if (!answer.ok()) return Fate::unknown;
  try {
    const auto leaf = crypto::Certificate::from_pem(json::text_or(answer.body, "certificate_pem"));
    return leaf.spki_sha256() == record.spki_sha256 ? Fate::signed_already : Fate::unknown;
  } catch (const Error&) {
    return Fate::unknown;  // no certificate there, so ours is not signed either
  }
}

Step CsrJobs::submit(Job& job, const KeyRecord& record) {
  keys_.mark_submitted(record);
  json::Writer body;
  body.begin_object()
      .field("csr_pem", record.csr_pem)
      .field("certificate_id", job.item.certificate_id)
      .field("job_id", job.item.id)
      .end_object();
  const Answer answer = session_.control_plane().post(session_.path("/csr"), body.take());
  switch (answer.verdict) {
    case Verdict::ok:
      crash_point("csr_submitted");
      keys_.mark_accepted(record, job.item.attempt);
      log::write(kCsrSubmitted, {{"job_id", job.item.id},
                                 {"certificate_id", job.item.certificate_id},
                                 {"status", json::text_or(answer.body, "status")}});
      session_.signals().poll();
      return {Step::End::completed};
    case Verdict::conflict:
      log::write(kJobDropped, {{"job_id", job.item.id}, {"error", answer.problem}});
      return {Step::End::dropped};
    case Verdict::refused:
    case Verdict::not_found:
    case Verdict::too_large:
      return session_.fail(job, fmt::format("CSR rejected: {}", answer.text));
    default:
      return session_.later(job, answer, fmt::format("CSR submission failed: {}", answer.problem));
  }
}

}  // namespace certctl::agent
