#include "agent/outbox.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "agent/files.hpp"
#include "agent/messages.hpp"
#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/json.hpp"
#include "core/base/time.hpp"

namespace certctl::agent {
namespace fs = std::filesystem;
namespace {

constexpr off_t kReserve = 1024 * 1024;

std::string to_json(const Letter& letter) {
  return json::Writer()
      .begin_object()
      .field("job_id", letter.job_id)
      .field("status", letter.status)
      .field("path", letter.path)
      .field("body", letter.body)
      .field("written", letter.written)
      .end_object()
      .take();
}

Letter from_json(std::string_view text) {
  const json::Document document = json::parse(text);
  Letter out{.job_id = json::text_or(document, "job_id"),
             .status = json::text_or(document, "status"),
             .path = json::text_or(document, "path"),
             .body = json::text_or(document, "body"),
             .written = parse_time(json::text_or(document, "written")).value_or(Time{})};
  if (!is_valid_id(out.job_id) || out.path.empty()) throw invalid("no job id or no path in it");
  return out;
}

}  // namespace

Outbox::Outbox(fs::path folder, const Clock& clock) : folder_(std::move(folder)), clock_(clock) {
  make_private_folder(folder_);
  make_private_folder(folder_ / "sent");
  remove_temporaries(folder_);
  remove_temporaries(folder_ / "sent");
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (!entry.is_regular_file() || entry.path().extension() != ".json") continue;
    try {
      Letter letter = from_json(read_file(entry.path()).value_or(""));
      letter.sequence = std::stoull(entry.path().filename().string().substr(0, 20));
      next_ = std::max(next_, letter.sequence + 1);
      letters_.emplace(letter.sequence, std::move(letter));
    } catch (const std::exception& e) {
      set_aside(entry.path(), e.what());
    }
  }
  reserve();
  prune();
}

void Outbox::put(const Report& report, const std::string& target_id) {
  const std::scoped_lock lock(mutex_);
  const Time now = clock_.now();
  // The verification goes first: the report is what marks the job as finished.
  if (report.deployment) {
    if (auto body = verification_json(target_id, report.deployment->verification)) {
      write({next_++, report.job_id, "verify", fmt::format("/jobs/{}/verify", report.job_id), std::move(*body), now});
    }
  }
  write({next_++, report.job_id, report.status, fmt::format("/agents/{{agent}}/jobs/{}/status", report.job_id),
         agent::to_json(report), now});
}

bool Outbox::is_finished(const std::string& job_id) const {
  const std::scoped_lock lock(mutex_);
  for (const auto& [sequence, letter] : letters_) {
    if (letter.job_id == job_id && letter.status != "verify") return true;
  }
  return fs::exists(sent_path(job_id));
}

bool Outbox::repeat(const std::string& job_id) {
  const std::scoped_lock lock(mutex_);
  for (const auto& [sequence, letter] : letters_) {
    if (letter.job_id == job_id) return false;
  }
  const auto text = read_file(sent_path(job_id));
  if (!text) return false;
  Letter letter = from_json(*text);
  letter.sequence = next_++;
  letter.written = clock_.now();
  write(letter);
  return true;
}

std::size_t Outbox::size() const {
  const std::scoped_lock lock(mutex_);
  return letters_.size();
}

std::vector<Letter> Outbox::waiting() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Letter> out;
  for (const auto& [sequence, letter] : letters_) out.push_back(letter);
  return out;
}

void Outbox::delivered(const Letter& letter) {
  const std::scoped_lock lock(mutex_);
  if (letter.status == "Completed")
    move_durably(path_of(letter), sent_path(letter.job_id));
  else
    remove_durably(path_of(letter));
  letters_.erase(letter.sequence);
}

void Outbox::discard(const Letter& letter) {
  const std::scoped_lock lock(mutex_);
  remove_durably(path_of(letter));
  letters_.erase(letter.sequence);
}

void Outbox::shrink(const Letter& letter, std::string body) {
  const std::scoped_lock lock(mutex_);
  Letter smaller = letter;
  smaller.body = std::move(body);
  write(smaller);
}

void Outbox::prune() {
  const std::scoped_lock lock(mutex_);
  const Time oldest = clock_.now() - kLife;
  std::size_t dropped = 0;
  while (!letters_.empty() && (letters_.begin()->second.written < oldest || letters_.size() > kMostLetters)) {
    remove_durably(path_of(letters_.begin()->second));
    letters_.erase(letters_.begin());
    ++dropped;
  }
  if (dropped != 0) log::write(kReportDropped, {{"count", dropped}});

  const auto limit = fs::file_time_type::clock::now() - std::chrono::duration_cast<fs::file_time_type::duration>(kLife);
  for (const auto& entry : fs::directory_iterator(folder_ / "sent")) {
    std::error_code failure;
    if (entry.last_write_time(failure) < limit && !failure) remove_durably(entry.path());
  }
}

void Outbox::write(const Letter& letter) {
  const std::string text = to_json(letter);
  try {
    write_durably(path_of(letter), text);
  } catch (const FileError& e) {
    if (e.number() != ENOSPC || !release_reserve()) throw;
    write_durably(path_of(letter), text);
  }
  letters_[letter.sequence] = letter;
}

/// A full disk must not lose the report of what was done to it.
void Outbox::reserve() {
  const fs::path path = folder_ / ".reserve";
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) throw FileError("create", path, errno);
  ::posix_fallocate(descriptor, 0, kReserve);  // best effort: the disk may be full already
  ::close(descriptor);
}

bool Outbox::release_reserve() {
  const fs::path path = folder_ / ".reserve";
  std::error_code failure;
  return fs::file_size(path, failure) > 0 && !failure && ::truncate(path.c_str(), 0) == 0;
}

fs::path Outbox::path_of(const Letter& letter) const {
  return folder_ / fmt::format("{:020}-{}.json", letter.sequence, letter.job_id);
}
fs::path Outbox::sent_path(const std::string& job_id) const { return folder_ / "sent" / (job_id + ".json"); }

}  // namespace certctl::agent
