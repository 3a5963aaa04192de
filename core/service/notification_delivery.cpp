#include "core/service/notification_delivery.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/json.hpp"
#include "core/base/text.hpp"
#include "core/service/plain_text.hpp"

namespace certctl::service {
namespace {

using namespace std::chrono_literals;
using plugin::Status;
using store::notifications::Claimed;
using store::notifications::Result;
using store::notifications::Verdict;

constexpr std::size_t kErrorLimit = 1024;
constexpr std::size_t kSubjectLimit = 120;
constexpr Duration kLongestWait = 1h;
constexpr int kAuthAttempts = 2;

std::string_view without_threshold_tag(std::string_view message) {
  const auto line = message.find_last_of('\n');
  const std::string_view last = line == std::string_view::npos ? message : message.substr(line + 1);
  if (!last.starts_with("[threshold:") || !last.ends_with(']')) return message;
  return line == std::string_view::npos ? std::string_view() : message.substr(0, line);
}

/// Rows that foreign SQL put in have no subject.
std::string subject_of(const domain::Notification& row) {
  if (!row.subject.empty()) return row.subject;
  const std::string first = plain_text(std::string_view(row.message).substr(0, row.message.find('\n')));
  return first.empty() ? row.type : shorten(first, kSubjectLimit);
}

void add_payload(plugin::Fields& fields, const domain::Notification& row) {
  const auto payload = json::parse(row.payload->text);
  fields.add(CERTCTL_KEY_ACTION, json::text_or(payload, "action", "info"));
  fields.add_if(CERTCTL_KEY_INCIDENT_KEY, json::text_or(payload, "incident_key"));
  if (!payload.IsObject()) return;
  for (const auto& member : payload.GetObject()) {
    if (member.value.IsString()) fields.add_pair(CERTCTL_KEY_FIELD, json::text_of(member.name), json::text_of(member.value));
  }
  if (const std::string link = json::text_or(payload, "link"); !link.empty()) fields.add_pair(CERTCTL_KEY_LINK, "Certificate", link);
}

Duration wait_after(int failure, double jitter) {
  const Duration wait = std::min<Duration>(1min * (1 << std::min(failure - 1, 6)), kLongestWait);
  return Duration(std::int64_t(double(wait.count()) * (1.0 + jitter)));
}

std::string error_of(const plugin::Outcome& outcome) {
  const std::string text = plain_text(outcome.text);
  return text.empty() ? fmt::format("the channel's plugin answered {} and gave no reason", plugin::to_text(outcome.status))
                      : shorten(text, kErrorLimit);
}

std::string_view word_of(Verdict verdict) {
  return verdict == Verdict::sent ? "sent" : verdict == Verdict::failed ? "failed" : "dead";
}

json::Raw log_entry(const plugin::Outcome& outcome, const Result& result, int attempt, Time now) {
  json::Writer out;
  out.begin_object().field("at", now).field("attempt", attempt).field("outcome", word_of(result.verdict));
  out.field("kind", plugin::to_text(outcome.status)).field("duration_ms", std::int64_t(outcome.took.count()));
  if (!result.provider_ref.empty()) out.field("provider_ref", result.provider_ref);
  if (!result.error.empty()) out.field("error", result.error);
  return json::Raw{out.end_object().take()};
}

}  // namespace

plugin::Fields send_fields(const domain::Notification& row) {
  plugin::Fields fields;
  fields.add(CERTCTL_KEY_EVENT, row.type);
  fields.add(CERTCTL_KEY_SEVERITY, row.severity.empty() ? "informational" : row.severity);
  fields.add(CERTCTL_KEY_SUBJECT, subject_of(row));
  fields.add(CERTCTL_KEY_BODY, without_threshold_tag(row.message));
  fields.add_if(CERTCTL_KEY_RECIPIENT, row.recipient);
  fields.add_if(CERTCTL_KEY_CERTIFICATE_ID, row.certificate_id);
  fields.add(CERTCTL_KEY_NOTIFICATION_ID, row.id);
  fields.add_int(CERTCTL_KEY_ATTEMPT, row.retry_count + 1);
  fields.add_int(CERTCTL_KEY_CREATED_AT, std::chrono::floor<std::chrono::milliseconds>(row.created_at).time_since_epoch().count());
  add_payload(fields, row);
  return fields;
}

Judgement judge(const plugin::Outcome& outcome, const Claimed& claimed, int max_attempts, Time now, double jitter) {
  const int attempt = claimed.row.retry_count + 1;
  Judgement judgement;
  Result& result = judgement.result;
  result = put_back(claimed);
  result.retry_count = attempt;
  result.error.clear();
  int allowed = max_attempts;
  switch (outcome.status) {
    case Status::ok:
      result.verdict = Verdict::sent;
      result.retry_count = claimed.row.retry_count;
      result.provider_ref = shorten(outcome.out.text(CERTCTL_KEY_PROVIDER_REF), kErrorLimit);
      judgement.sign = ChannelSign::works;
      break;
    case Status::rate_limited:
      result.verdict = Verdict::failed;
      result.retry_count = claimed.row.retry_count;
      result.wait = judgement.pause = std::clamp<Duration>(outcome.retry_in().value_or(1min), 1s, kLongestWait);
      break;
    case Status::invalid_config:
    case Status::invalid_request:
    case Status::permanent:
    case Status::not_supported:
      result.verdict = Verdict::dead;
      break;
    case Status::auth:
      allowed = std::min(max_attempts, kAuthAttempts);
      [[fallthrough]];
    default:  // whatever else went wrong may be gone the next time
      result.verdict = attempt >= allowed ? Verdict::dead : Verdict::failed;
      result.wait = std::max<Duration>(wait_after(attempt, jitter), std::min<Duration>(outcome.retry_in().value_or(0ms), kLongestWait));
      judgement.sign = ChannelSign::fails;
      break;
  }
  if (result.verdict != Verdict::sent) result.error = error_of(outcome);
  result.attempt = log_entry(outcome, result, attempt, now);
  return judgement;
}

Result put_back(const Claimed& claimed) {
  Result result;
  result.id = claimed.row.id;
  result.fence = *claimed.row.fence;
  result.verdict = Verdict::put_back;
  result.retry_count = claimed.row.retry_count;
  result.error = claimed.row.last_error;
  result.held_until = claimed.held_until;
  return result;
}

}  // namespace certctl::service
