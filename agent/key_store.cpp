#include "agent/key_store.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "agent/files.hpp"
#include "agent/messages.hpp"
#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/json.hpp"
#include "core/base/text.hpp"
#include "core/base/time.hpp"
#include "core/crypto/certificate_request.hpp"

namespace certctl::agent {
namespace fs = std::filesystem;
namespace {

/// A pending key whose job has shown no life for so long is given up.
constexpr auto kPendingLife = std::chrono::hours(7 * 24);

Error with_stem(std::string_view stem, const Error& cause) {
  return Error(cause.kind(), fmt::format("{}: {}", stem, cause.what()));
}

crypto::PrivateKey load_key(const fs::path& path) {
  const Secret pem(read_file(path).value_or(""));
  return pem.use([](std::string_view text) { return crypto::PrivateKey::from_pem(text); });
}

std::string to_json(const KeyRecord& record) {
  json::Writer out;
  out.begin_object()
      .field("job_id", record.request.job_id)
      .field("state", to_text(record.state))
      .field("algorithm", record.request.algorithm)
      .field("common_name", record.request.common_name)
      .field("sans", record.request.sans)
      .field("must_staple", record.request.must_staple)
      .field("reuse_key", record.request.reuse_key)
      .field("csr_pem", record.csr_pem)
      .field("created", record.created);
  if (record.submitted) out.field("submitted", *record.submitted);
  if (record.accepted) out.field("accepted", *record.accepted).field("accepted_attempt", record.accepted_attempt);
  return out.end_object().take();
}

KeyRecord from_json(const std::string& certificate_id, const std::string& spki, std::string_view text) {
  const json::Document document = json::parse(text);
  KeyRecord out;
  out.spki_sha256 = spki;
  out.request.certificate_id = certificate_id;
  out.request.job_id = json::text_or(document, "job_id");
  out.request.algorithm = json::text_or(document, "algorithm");
  out.request.common_name = json::text_or(document, "common_name");
  out.request.sans = json::texts(document, "sans");
  out.request.must_staple = json::flag_or(document, "must_staple", false);
  out.request.reuse_key = json::flag_or(document, "reuse_key", false);
  out.csr_pem = json::text_or(document, "csr_pem");
  const std::string state = json::text_or(document, "state");
  out.state = state == "current" ? KeyState::current : state == "previous" ? KeyState::previous : KeyState::pending;
  out.created = parse_time(json::text_or(document, "created")).value_or(Time{});
  out.submitted = parse_time(json::text_or(document, "submitted"));
  out.accepted = parse_time(json::text_or(document, "accepted"));
  out.accepted_attempt = int(json::integer_or(document, "accepted_attempt", 0));
  return out;
}

}  // namespace

std::string_view to_text(KeyState state) {
  switch (state) {
    case KeyState::pending:
      return "pending";
    case KeyState::current:
      return "current";
    case KeyState::previous:
      return "previous";
  }
  return "pending";
}

KeyStore::KeyStore(fs::path folder, const Clock& clock, Options options)
    : folder_(std::move(folder)), clock_(clock), options_(std::move(options)) {
  make_private_folder(folder_);
  make_private_folder(folder_ / "archive");
  remove_temporaries(folder_);
  tighten();
  std::set<std::string> certificates;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.is_regular_file() && entry.path().extension() == ".key") certificates.insert(entry.path().stem());
  }
  for (const auto& entry : fs::directory_iterator(folder_ / "archive")) {
    if (entry.is_directory()) certificates.insert(entry.path().filename());
  }
  for (const auto& id : certificates) {
    if (is_valid_id(id)) settle(id);
  }
}

KeyRecord KeyStore::prepare(const KeyRequest& request) {
  const std::scoped_lock lock(mutex_);
  for (const auto& record : records(request.certificate_id)) {
    if (record.state != KeyState::pending || record.request.job_id != request.job_id) continue;
    if (record.request == request) {
      log::write(kKeyReused, {{"certificate_id", request.certificate_id},
                              {"job_id", request.job_id},
                              {"spki_sha256", record.spki_sha256}});
      return record;
    }
    // The job wants something else now (a profile was changed between two tries): its old key is of no use.
    if (record.spki_sha256 != current_spki(request.certificate_id)) destroy(request.certificate_id, record.spki_sha256);
  }
  return make(request);
}

KeyRecord KeyStore::make(const KeyRequest& request) {
  std::optional<crypto::PrivateKey> key;
  try {
    key = key_for(request);
  } catch (const Error& e) {
    throw with_stem("key generation failed", e);
  }
  KeyRecord record = blank_record(request.certificate_id, *key);
  record.request = request;
  try {
    record.csr_pem = crypto::build_request(*key, {request.common_name, request.sans, request.must_staple}).pem();
  } catch (const Error& e) {
    throw with_stem("CSR creation failed", e);
  }
  try {
    make_private_folder(archive(request.certificate_id));
    step("archive_made");
    write_key(archived(request.certificate_id, record.spki_sha256, ".key"), *key);
    step("key_written");
    write_record(record);
    step("record_written");
  } catch (const Error& e) {
    throw with_stem("key storage failed", e);
  }
  log::write(kKeyMade, {{"certificate_id", request.certificate_id},
                        {"job_id", request.job_id},
                        {"algorithm", key->name()},
                        {"spki_sha256", record.spki_sha256}});
  return record;
}

crypto::PrivateKey KeyStore::key_for(const KeyRequest& request) const {
  if (request.reuse_key && fs::exists(key_path(request.certificate_id)))
    return load_key(key_path(request.certificate_id));
  return crypto::PrivateKey::generate(request.algorithm);
}

void KeyStore::mark_submitted(const KeyRecord& record) {
  const std::scoped_lock lock(mutex_);
  auto stored = read_record(record.request.certificate_id, record.spki_sha256);
  if (!stored || stored->submitted) return;
  stored->submitted = clock_.now();
  write_record(*stored);
  step("submitted_written");
}

void KeyStore::mark_accepted(const KeyRecord& record, int attempt) {
  const std::scoped_lock lock(mutex_);
  auto stored = read_record(record.request.certificate_id, record.spki_sha256);
  if (!stored) return;
  stored->accepted = clock_.now();
  stored->accepted_attempt = attempt;
  write_record(*stored);
  step("accepted_written");
}

std::optional<crypto::PrivateKey> KeyStore::find(const std::string& certificate_id,
                                                 const std::string& spki_sha256) const {
  const std::scoped_lock lock(mutex_);
  const fs::path path = archived(certificate_id, spki_sha256, ".key");
  if (!fs::exists(path)) return std::nullopt;
  auto key = load_key(path);
  if (key.public_key().spki_sha256() == spki_sha256) return key;
  throw internal(fmt::format("{} does not hold the key that its name says", path.string()));
}

std::optional<KeyRecord> KeyStore::record(const std::string& certificate_id, const std::string& spki_sha256) const {
  const std::scoped_lock lock(mutex_);
  return read_record(certificate_id, spki_sha256);
}

void KeyStore::promote(const std::string& certificate_id, const std::string& spki_sha256) {
  const std::scoped_lock lock(mutex_);
  const auto record = read_record(certificate_id, spki_sha256);
  if (!record) throw internal(fmt::format("no key with SPKI {} for certificate {}", spki_sha256, certificate_id));
  if (record->state != KeyState::current || current_spki(certificate_id) != spki_sha256) {
    write_key(key_path(certificate_id), load_key(archived(certificate_id, spki_sha256, ".key")));
    step("current_written");
    set_current(certificate_id, spki_sha256);
    log::write(kKeyCurrent, {{"certificate_id", certificate_id}, {"spki_sha256", spki_sha256}});
  }
  prune(certificate_id);
}

void KeyStore::add(const std::string& certificate_id, const crypto::PrivateKey& key) {
  const std::scoped_lock lock(mutex_);
  const KeyRecord record = blank_record(certificate_id, key);
  if (read_record(certificate_id, record.spki_sha256)) return;
  make_private_folder(archive(certificate_id));
  write_key(archived(certificate_id, record.spki_sha256, ".key"), key);
  step("key_written");
  write_record(record);
  step("record_written");
}

/// The states in the records follow `<id>.key`, which alone decides.
void KeyStore::set_current(const std::string& certificate_id, const std::string& spki) {
  for (auto record : records(certificate_id)) {
    const KeyState state = record.spki_sha256 == spki          ? KeyState::current
                           : record.state == KeyState::current ? KeyState::previous
                                                               : record.state;
    if (state == record.state) continue;
    record.state = state;
    write_record(record);
    step("state_written");
  }
}

void KeyStore::prune(const std::string& certificate_id) {
  auto all = records(certificate_id);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.created > b.created; });
  auto in_use = options_.deployed_spkis ? options_.deployed_spkis(certificate_id) : std::set<std::string>{};
  in_use.insert(current_spki(certificate_id));
  int kept = 0;
  for (const auto& record : all) {
    const bool dead = record.state == KeyState::pending && clock_.now() - record.created > kPendingLife;
    const bool surplus = record.state == KeyState::previous && kept >= options_.retention;
    if (record.state != KeyState::pending) ++kept;
    if ((dead || surplus) && !in_use.contains(record.spki_sha256)) destroy(certificate_id, record.spki_sha256);
  }
}

void KeyStore::destroy(const std::string& certificate_id, const std::string& spki) {
  // The record goes last: a crash between leaves a record without key, which settle() removes.
  destroy_durably(archived(certificate_id, spki, ".key"));
  step("key_destroyed");
  remove_durably(archived(certificate_id, spki, ".json"));
  log::write(kKeyRemoved, {{"certificate_id", certificate_id}, {"spki_sha256", spki}});
}

/// Brings one certificate's files into a whole state again after any interruption.
void KeyStore::settle(const std::string& certificate_id) {
  make_private_folder(archive(certificate_id));
  remove_temporaries(archive(certificate_id));
  remove_orphans(certificate_id);
  if (fs::exists(key_path(certificate_id))) adopt(certificate_id);
  prune(certificate_id);
}

void KeyStore::remove_orphans(const std::string& certificate_id) {
  std::set<std::string> keys, records;
  for (const auto& entry : fs::directory_iterator(archive(certificate_id))) {
    if (entry.path().extension() == ".key") keys.insert(entry.path().stem());
    if (entry.path().extension() == ".json") records.insert(entry.path().stem());
  }
  for (const auto& spki : records) {
    if (!keys.contains(spki)) remove_durably(archived(certificate_id, spki, ".json"));
  }
  for (const auto& spki : keys) {
    if (records.contains(spki) && read_record(certificate_id, spki)) continue;
    // Its record was never written or is damaged. No job can find it, but a certificate for it may exist.
    write_record(blank_record(certificate_id, load_key(archived(certificate_id, spki, ".key"))));
  }
}

void KeyStore::adopt(const std::string& certificate_id) {
  const crypto::PrivateKey key = load_key(key_path(certificate_id));
  const std::string spki = key.public_key().spki_sha256();
  if (!read_record(certificate_id, spki)) {
    write_key(archived(certificate_id, spki, ".key"), key);
    write_record(blank_record(certificate_id, key));
    log::write(kKeyAdopted, {{"certificate_id", certificate_id}, {"spki_sha256", spki}});
  }
  set_current(certificate_id, spki);
}

void KeyStore::tighten() const {
  for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
    if (!entry.is_regular_file() || entry.path().extension() != ".key") continue;
    struct stat status {};
    if (::lstat(entry.path().c_str(), &status) != 0 || (status.st_mode & 07777) == 0600) continue;
    if (status.st_uid != ::geteuid()) {
      throw invalid(fmt::format("key file {} belongs to user {}: chown {} {}", entry.path().string(), status.st_uid,
                                ::geteuid(), entry.path().string()));
    }
    if (::chmod(entry.path().c_str(), 0600) != 0) throw FileError("chmod 0600", entry.path(), errno);
    log::write(kKeyTightened, {{"path", entry.path().string()}});
  }
}

std::vector<KeyRecord> KeyStore::records(const std::string& certificate_id) const {
  std::vector<KeyRecord> out;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(archive(certificate_id), absent)) {
    if (entry.path().extension() != ".json") continue;
    if (auto record = read_record(certificate_id, entry.path().stem())) out.push_back(std::move(*record));
  }
  return out;
}

std::optional<KeyRecord> KeyStore::read_record(const std::string& certificate_id, const std::string& spki) const {
  const fs::path path = archived(certificate_id, spki, ".json");
  const auto text = read_file(path);
  if (!text) return std::nullopt;
  try {
    return from_json(certificate_id, spki, *text);
  } catch (const Error& e) {
    set_aside(path, e.what());
    return std::nullopt;
  }
}

void KeyStore::write_record(const KeyRecord& record) {
  write_durably(archived(record.request.certificate_id, record.spki_sha256, ".json"), to_json(record));
}

/// The record of a key that no job has asked for.
KeyRecord KeyStore::blank_record(const std::string& certificate_id, const crypto::PrivateKey& key) const {
  KeyRecord out;
  out.request.certificate_id = certificate_id;
  out.request.algorithm = key.name();
  out.spki_sha256 = key.public_key().spki_sha256();
  out.created = clock_.now();
  return out;
}

/// SPKI of `<id>.key`; empty: there is none.
std::string KeyStore::current_spki(const std::string& certificate_id) const {
  return fs::exists(key_path(certificate_id)) ? load_key(key_path(certificate_id)).public_key().spki_sha256()
                                              : std::string();
}

/// Upstream's form: SEC 1 for EC keys, PKCS#8 for others.
void KeyStore::write_key(const fs::path& path, const crypto::PrivateKey& key) {
  const bool elliptic = key.algorithm() == "ECDSA";
  key.to_pem(elliptic ? crypto::KeyForm::traditional : crypto::KeyForm::pkcs8).use([&](std::string_view pem) {
    write_durably(path, pem);
  });
}

fs::path KeyStore::key_path(const std::string& certificate_id) const { return folder_ / (certificate_id + ".key"); }
fs::path KeyStore::archive(const std::string& certificate_id) const { return folder_ / "archive" / certificate_id; }
fs::path KeyStore::archived(const std::string& certificate_id, const std::string& spki, const char* suffix) const {
  return archive(certificate_id) / (spki + suffix);
}

void KeyStore::step(std::string_view name) const {
  if (options_.on_step) options_.on_step(name);
}

}  // namespace certctl::agent
