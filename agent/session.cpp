#include "agent/session.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "agent/back_off.hpp"
#include "agent/messages.hpp"
#include "core/base/crash_point.hpp"
#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/http/uri.hpp"

namespace certctl::agent {
namespace {

/// Jobs live minutes, so they wait less long than the activities.
constexpr Duration kLongestRetry = std::chrono::seconds(30);

}  // namespace

std::string Session::agent_id() const {
  const std::scoped_lock lock(mutex_);
  return agent_id_;
}

void Session::set_agent_id(std::string id) {
  const std::scoped_lock lock(mutex_);
  agent_id_ = std::move(id);
}

std::string Session::path(std::string_view rest) const {
  return fmt::format("/agents/{}{}", http::percent_encode(agent_id()), rest);
}

Step Session::finish(const Job& job, Report report) {
  report.job_id = job.item.id;
  report.report_id = new_uuid();
  const bool failed = report.status == "Failed";
  try {
    outbox_.put(report, job.item.target_id);
  } catch (const Error& e) {
    log::write(kJobRetry, {{"job_id", job.item.id}, {"error", e.what()}});
    return Step::again(std::chrono::seconds(30));
  }
  crash_point("report_written");
  if (failed) {
    log::write(kJobFailed, {{"job_id", job.item.id},
                            {"certificate_id", job.item.certificate_id},
                            {"target_type", job.item.target_type},
                            {"error", report.error}});
  }
  signals_.outbox();
  return {failed ? Step::End::failed : Step::End::completed};
}

Step Session::fail(const Job& job, const std::string& error, std::optional<DeploymentReport> deployment) {
  return finish(job, Report::failed(error, std::move(deployment)));
}

Step Session::later(const Job& job, const Answer& answer, const std::string& text) {
  if (answer.verdict == Verdict::retired) {
    log::write(kRetiredDoubt, {{"job_id", job.item.id}});
    signals_.heartbeat();
  }
  if (clock_.now() >= job.deadline) return fail(job, text);
  Duration wait = BackOff::after(job.tries, kLongestRetry);
  if (answer.retry_after) wait = std::max<Duration>(wait, *answer.retry_after);
  wait = std::min<Duration>(wait, std::max<Duration>(job.deadline - clock_.now(), std::chrono::milliseconds(1)));
  log::write(kJobRetry, {{"job_id", job.item.id}, {"certificate_id", job.item.certificate_id}, {"error", text}});
  return Step::again(wait);
}

}  // namespace certctl::agent
