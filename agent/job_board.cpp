#include "agent/job_board.hpp"

#include <algorithm>

#include "agent/files.hpp"
#include "agent/messages.hpp"
#include "core/base/error.hpp"
#include "core/base/time.hpp"

namespace certctl::agent {
namespace fs = std::filesystem;
namespace {

/// Jobs with one lane run one after the other.
std::string lane_of(const WorkItem& item) {
  if (!item.is_deployment()) return "certificate " + item.certificate_id;
  return item.target_id.empty() ? "type " + item.target_type : "target " + item.target_id;
}

}  // namespace

JobBoard::JobBoard(fs::path folder, Outbox& outbox, const Clock& clock)
    : folder_(std::move(folder)), outbox_(outbox), clock_(clock) {
  make_private_folder(folder_);
  remove_temporaries(folder_);
}

JobBoard::~JobBoard() {
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void JobBoard::start(int threads, Work work) {
  work_ = std::move(work);
  resume();
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

void JobBoard::resume() {
  std::vector<std::pair<Time, WorkItem>> found;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().extension() != ".json") continue;
    try {
      const json::Document document = json::parse(read_file(entry.path()).value_or(""));
      const json::Value* item = json::find(document, "item");
      if (item == nullptr) throw invalid("no item in it");
      found.emplace_back(parse_time(json::text_or(document, "accepted")).value_or(Time{}), parse_work_item(*item));
    } catch (const Error& e) {
      set_aside(entry.path(), e.what());
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [accepted, item] : found) {
    if (outbox_.is_finished(item.id)) {
      remove_durably(path_of(item.id));
      continue;
    }
    log::write(kJobResumed, {{"job_id", item.id}, {"certificate_id", item.certificate_id}});
    const std::scoped_lock lock(mutex_);
    enqueue(std::move(item), true);
  }
}

JobBoard::Offer JobBoard::offer(const WorkItem& item) {
  {
    const std::scoped_lock lock(mutex_);
    if (std::any_of(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry->job.item.id == item.id; }))
      return Offer::known;
  }
  if (outbox_.is_finished(item.id)) return Offer::finished;
  json::Writer journal;
  journal.begin_object().field("accepted", clock_.now()).field("item", item.text).end_object();
  write_durably(path_of(item.id), journal.take());
  {
    const std::scoped_lock lock(mutex_);
    enqueue(item, false);
  }
  changed_.notify_all();
  log::write(kJobAccepted, {{"job_id", item.id},
                            {"type", item.type},
                            {"certificate_id", item.certificate_id},
                            {"target_id", item.target_id}});
  return Offer::accepted;
}

void JobBoard::enqueue(WorkItem item, bool resumed) {
  auto entry = std::make_shared<Entry>();
  entry->lane = lane_of(item);
  // A resumed job gets its whole time again: what it had begun must come to an end.
  entry->job.deadline = clock_.now() + kJobLife;
  if (item.deadline && !resumed) entry->job.deadline = *item.deadline;
  entry->job.resumed = resumed;
  entry->job.cancellation = std::make_shared<plugin::Cancellation>();
  entry->job.item = std::move(item);
  entries_.push_back(std::move(entry));
}

std::vector<std::string> JobBoard::ids() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> out;
  for (const auto& entry : entries_) out.push_back(entry->job.item.id);
  return out;
}

std::size_t JobBoard::size() const {
  const std::scoped_lock lock(mutex_);
  return entries_.size();
}

bool JobBoard::wait_idle(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [this] { return entries_.empty(); });
}

bool JobBoard::any_failed() const {
  const std::scoped_lock lock(mutex_);
  return any_failed_;
}

bool JobBoard::stop(std::chrono::milliseconds grace, std::chrono::milliseconds after_cancel) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  const auto ended = [this] { return running_ == 0; };
  if (!changed_.wait_for(lock, grace, ended)) {
    for (const auto& entry : entries_) {
      if (!entry->running) continue;
      log::write(kStopSlow, {{"job_id", entry->job.item.id}});
      entry->job.cancellation->cancel();
    }
    if (!changed_.wait_for(lock, after_cancel, ended)) return false;
  }
  lock.unlock();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  return true;
}

void JobBoard::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    auto next = std::chrono::steady_clock::time_point::max();
    const auto entry = pick(next);
    if (entry == nullptr) {
      if (next == std::chrono::steady_clock::time_point::max())
        changed_.wait(lock);
      else
        changed_.wait_until(lock, next);
      continue;
    }
    entry->running = true;
    ++running_;
    lock.unlock();
    const Step step = work_(entry->job);
    lock.lock();
    --running_;
    entry->running = false;
    ++entry->job.tries;
    settle(entry, step);
    changed_.notify_all();
  }
}

/// The first entry that may run now; else nullptr, and `next` is when one may.
std::shared_ptr<JobBoard::Entry> JobBoard::pick(std::chrono::steady_clock::time_point& next) const {
  const auto now = std::chrono::steady_clock::now();
  std::set<std::string_view> busy;
  for (const auto& entry : entries_) {
    if (entry->running) busy.insert(entry->lane);
  }
  for (const auto& entry : entries_) {
    if (entry->running || busy.contains(entry->lane) || waits_for_request(*entry)) continue;
    if (entry->not_before <= now) return entry;
    next = std::min(next, entry->not_before);
  }
  return nullptr;
}

/// A deployment lets requests of its certificate go first, but does not wait while one of them only waits to be
/// retried.
bool JobBoard::waits_for_request(const Entry& entry) const {
  if (!entry.job.item.is_deployment()) return false;
  return std::any_of(entries_.begin(), entries_.end(), [&](const auto& other) {
    return other->job.item.wants_csr() && other->job.item.certificate_id == entry.job.item.certificate_id &&
           (other->running || other->job.tries == 0);
  });
}

void JobBoard::settle(const std::shared_ptr<Entry>& entry, const Step& step) {
  if (step.end == Step::End::again) {
    entry->not_before = std::chrono::steady_clock::now() + step.after;
    return;
  }
  if (step.end == Step::End::failed) any_failed_ = true;
  try {
    remove_durably(path_of(entry->job.item.id));
  } catch (const FileError& e) {
    // Its report is in the outbox: at the next start the leftover is recognised as finished.
    log::write(kActivityFailed, {{"job_id", entry->job.item.id}, {"error", e.what()}});
  }
  std::erase(entries_, entry);
}

fs::path JobBoard::path_of(const std::string& job_id) const { return folder_ / (job_id + ".json"); }

}  // namespace certctl::agent
