#include "agent/agent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "agent/files.hpp"
#include "agent/messages.hpp"
#include "core/base/build_info.hpp"
#include "core/base/error.hpp"
#include "core/base/json.hpp"
#include "core/plugin_services/standard_services.hpp"

namespace certctl::agent {
namespace {

constexpr auto kDeploymentGrace = std::chrono::seconds(60);
constexpr auto kAfterCancel = std::chrono::seconds(15);
constexpr auto kFlush = std::chrono::seconds(5);
/// A turn of an activity is one request, or one pass over the outbox; none may take so long.
constexpr auto kStuck = std::chrono::minutes(10);

/// Administrators choose what targets a plugin may reach; cloud metadata addresses stay out of bounds.
std::shared_ptr<plugin::Services> plugin_services() {
  plugin::StandardServicesOptions options;
  options.address_policy = http::AddressPolicy(http::Guard::administrator, {}, {});
  options.user_agent = fmt::format("certctl-agent/{}", build_info().version);
  return plugin::standard_services(std::move(options));
}

}  // namespace

Agent::Agent(const Options& options, Ground ground, const Clock& clock)
    : options_(options),
      clock_(clock),
      ground_(std::move(ground)),
      identity_(options.state_dir),
      registration_(options, identity_, clock),
      control_plane_(options.server, registration_.first_key(), options.api_key_file, clock),
      outbox_(options.state_dir / "outbox", clock),
      deployed_(options.state_dir / "deployed"),
      keys_(ground_.key_dir, clock,
            {.retention = options.key_retention,
             .deployed_spkis = [this](const std::string& id) { return deployed_.spkis(id); },
             .on_step = {}}),
      session_(control_plane_, outbox_, clock,
               {.heartbeat = [this] { heartbeat_thread_.wake(); },
                .poll = [this] { poll_thread_.wake(); },
                .outbox = [this] { outbox_thread_.wake(); }}),
      csr_jobs_(session_, keys_),
      deployment_jobs_(session_, keys_, deployed_,
                       {.defaults = options.deploy,
                        .state_dir = options.state_dir,
                        .plugins = ground_.plugins,
                        .services = plugin_services()}),
      jobs_(options.state_dir / "jobs", outbox_, clock),
      heartbeat_(session_, registration_, options, jobs_, outbox_, deployed_, ground_.plugins,
                 {.retired = [this](std::string_view source, const Answer& answer) { retire(source, answer); },
                  .fatal = [this](const std::string& text) { end(1, text); }}),
      poll_(
          session_, jobs_, outbox_, heartbeat_,
          {.retired = [this](std::string_view source, const Answer& answer) { retire(source, answer); }, .fatal = {}}),
      delivery_(session_, outbox_),
      heartbeat_thread_("heartbeat", [this] { return heartbeat_.turn(); }),
      poll_thread_("work_poll", [this] { return poll_.turn(); }),
      outbox_thread_("outbox", [this] { return delivery_.turn(); }) {
  session_.set_agent_id(registration_.agent_id());
}

int Agent::run(SignalWatch& signals) {
  log::write(kStarted, {{"agent_id", session_.agent_id()},
                        {"name", options_.name},
                        {"version", build_info().version},
                        {"server", control_plane_.url()}});
  signals.start([this] { end(0); }, [this] { reload(); });
  jobs_.start(options_.deploy_concurrency, [this](Job& job) { return work(job); });
  heartbeat_thread_.start();
  poll_thread_.start(Duration(std::int64_t(random_fraction() * 1e6)));
  outbox_thread_.start();
  service_manager_.ready();
  service_manager_.status("working");
  supervise();
  return wind_down(signals);
}

/// Waits for the end, and tells the service manager that the other threads move.
void Agent::supervise() {
  const auto period = service_manager_.watchdog_period();
  std::unique_lock lock(mutex_);
  const auto over = [this] { return exit_code_.has_value(); };
  if (period.count() == 0) return ended_.wait(lock, over);
  bool moved = true;
  while (!ended_.wait_for(lock, period, over)) {
    const bool move = activities_move();
    if (move)
      service_manager_.alive();
    else if (moved)
      log::write(kActivityStuck);
    moved = move;
  }
}

bool Agent::activities_move() const {
  return std::max({heartbeat_thread_.running_for(), poll_thread_.running_for(), outbox_thread_.running_for()}) < kStuck;
}

int Agent::wind_down(SignalWatch& signals) {
  service_manager_.stopping();
  log::write(kStopping, {{"agent_id", session_.agent_id()}});
  poll_thread_.request_stop();
  poll_.cancel();
  // Heartbeats go on: they hold the leases of what still runs.
  const bool ended = jobs_.stop(kDeploymentGrace, kAfterCancel);
  poll_thread_.stop();
  outbox_thread_.stop();
  heartbeat_thread_.request_stop();
  heartbeat_.cancel();
  heartbeat_thread_.stop();
  delivery_.flush(kFlush);
  log::write(kStopped, {{"agent_id", session_.agent_id()}});
  if (!problem_.empty()) fmt::print(stderr, "Error: {}\n", problem_);
  log::stop();
  // A connector that does not return cannot be waited for; its journal makes the exit safe.
  if (!ended) std::quick_exit(*exit_code_);
  signals.stop();
  return *exit_code_;
}

int Agent::run_once(SignalWatch& signals) {
  signals.start([this] { end(0); }, [] {});
  jobs_.start(options_.deploy_concurrency, [this](Job& job) { return work(job); });
  const auto over = [this] {
    const std::scoped_lock lock(mutex_);
    return exit_code_.has_value();
  };
  heartbeat_.turn();
  for (int i = 0; i < 3 && !heartbeat_.is_well() && !over(); ++i)
    heartbeat_.turn();  // registration, then the heartbeat
  if (heartbeat_.is_well() && !over()) poll_.turn(false);
  while (!over() && !jobs_.wait_idle(std::chrono::milliseconds(200))) continue;
  const bool well = heartbeat_.is_well() && poll_.is_well() && !jobs_.any_failed();
  if (!over()) end(well ? 0 : 1);
  return wind_down(signals);
}

int Agent::check() {
  if (session_.agent_id().empty()) {
    fmt::print("configuration is good; the agent is not registered yet and will register at its first start\n");
    return 0;
  }
  const Answer answer = control_plane_.post(session_.path("/heartbeat"), "{}");
  if (answer.ok()) {
    fmt::print("configuration is good; {} knows agent {}\n", control_plane_.url(), session_.agent_id());
    return 0;
  }
  if (answer.verdict == Verdict::not_found && registration_.is_possible()) {
    fmt::print("configuration is good; {} does not know agent {} yet, which will register at its first start\n",
               control_plane_.url(), session_.agent_id());
    return 0;
  }
  fmt::print(stderr, "Error: heartbeat to {} failed: {}\n", control_plane_.url(), answer.problem);
  return 1;
}

Step Agent::work(Job& job) {
  try {
    return job.item.wants_csr() ? csr_jobs_.run(job) : deployment_jobs_.run(job);
  } catch (const std::exception& e) {
    log::write(kJobCrashed, {{"job_id", job.item.id}, {"error", e.what()}});
    if (clock_.now() < job.deadline) return Step::again(std::chrono::seconds(30));
    return session_.fail(job, fmt::format("the agent failed: {}", e.what()));
  }
}

void Agent::retire(std::string_view source, const Answer& answer) {
  log::write(kRetired,
             {{"source", source}, {"status", answer.status}, {"body", answer.text}, {"agent_id", session_.agent_id()}});
  json::Writer note;
  note.begin_object()
      .field("agent_id", session_.agent_id())
      .field("source", source)
      .field("retired_at", clock_.now())
      .end_object();
  try {
    write_durably(options_.state_dir / "retired", note.take());
  } catch (const FileError& e) {
    log::write(kActivityFailed, {{"error", e.what()}});  // the next start asks again and hears the same
  }
  end(0);
}

void Agent::end(int code, std::string problem) {
  {
    const std::scoped_lock lock(mutex_);
    if (exit_code_) return;
    exit_code_ = code;
    problem_ = std::move(problem);
  }
  ended_.notify_all();
}

void Agent::reload() {
  try {
    control_plane_.reload();
    log::write(kReloaded);
    heartbeat_thread_.wake();
  } catch (const Error& e) {
    log::write(kReloadFailed, {{"error", e.what()}});
  }
}

}  // namespace certctl::agent
