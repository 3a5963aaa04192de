#include "agent/key_store.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "agent/agent_test_support.hpp"
#include "agent/files.hpp"
#include "core/base/error.hpp"
#include "core/crypto/certificate_request.hpp"

namespace certctl::agent {
namespace {

namespace fs = std::filesystem;

KeyRequest request_of(const std::string& job, const std::string& certificate = "mc-web") {
  KeyRequest out;
  out.certificate_id = certificate;
  out.job_id = job;
  out.common_name = "web.example";
  return out;
}

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

std::string spki_in(const fs::path& path) {
  return crypto::PrivateKey::from_pem(read_file(path).value()).public_key().spki_sha256();
}

std::size_t keys_in(const fs::path& folder) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) count += entry.path().extension() == ".key";
  return count;
}

struct Fixture {
  TemporaryFolder folder;
  ManualClock clock{Time(std::chrono::days(20000))};
  fs::path keys = folder / "keys";
  fs::path archive = keys / "archive" / "mc-web";

  KeyStore open(int retention = 3) {
    return KeyStore(keys, clock, {.retention = retention, .deployed_spkis = {}, .on_step = {}});
  }
};

TEST_CASE_METHOD(Fixture, "A key is stored privately with its request before anybody sees the request") {
  KeyStore store = open();
  const KeyRecord record = store.prepare(request_of("job-1"));
  const fs::path key = archive / (record.spki_sha256 + ".key");
  CHECK(mode_of(key) == 0600);
  CHECK(mode_of(keys) == 0700);
  CHECK(spki_in(key) == record.spki_sha256);
  const auto csr = crypto::CertificateRequest::from_pem(record.csr_pem);
  CHECK(csr.public_key().spki_sha256() == record.spki_sha256);
  CHECK(csr.common_name() == "web.example");
  CHECK_FALSE(fs::exists(keys / "mc-web.key"));
}

TEST_CASE_METHOD(Fixture, "A repeated job finds its key and request again") {
  const KeyRecord first = open().prepare(request_of("job-1"));
  const KeyRecord second = open().prepare(request_of("job-1"));
  CHECK(second.spki_sha256 == first.spki_sha256);
  CHECK(second.csr_pem == first.csr_pem);
  CHECK(keys_in(archive) == 1);
}

TEST_CASE_METHOD(Fixture, "Another job gets a key of its own") {
  KeyStore store = open();
  CHECK(store.prepare(request_of("job-1")).spki_sha256 != store.prepare(request_of("job-2")).spki_sha256);
}

TEST_CASE_METHOD(Fixture, "A job that wants another algorithm now drops its old key") {
  KeyStore store = open();
  const KeyRecord first = store.prepare(request_of("job-1"));
  KeyRequest changed = request_of("job-1");
  changed.algorithm = "ECDSA-P384";
  const KeyRecord second = store.prepare(changed);
  CHECK(second.spki_sha256 != first.spki_sha256);
  CHECK(keys_in(archive) == 1);
}

TEST_CASE_METHOD(Fixture, "An unknown algorithm is refused with upstream's stem") {
  KeyRequest request = request_of("job-1");
  request.algorithm = "DSA-1024";
  CHECK_THROWS_WITH(open().prepare(request), Catch::Matchers::StartsWith("key generation failed: "));
}

TEST_CASE_METHOD(Fixture, "The served key stays in place until the new certificate is fetched") {
  KeyStore store = open();
  const KeyRecord old = store.prepare(request_of("job-1"));
  store.promote("mc-web", old.spki_sha256);
  const KeyRecord renewal = store.prepare(request_of("job-2"));
  CHECK(spki_in(keys / "mc-web.key") == old.spki_sha256);
  store.promote("mc-web", renewal.spki_sha256);
  CHECK(spki_in(keys / "mc-web.key") == renewal.spki_sha256);
  CHECK(store.record("mc-web", old.spki_sha256)->state == KeyState::previous);
  CHECK(store.find("mc-web", old.spki_sha256).has_value());
}

TEST_CASE_METHOD(Fixture, "An EC key file has upstream's form, others are PKCS#8") {
  KeyStore store = open();
  store.promote("mc-web", store.prepare(request_of("job-1")).spki_sha256);
  CHECK(read_file(keys / "mc-web.key")->starts_with("-----BEGIN EC PRIVATE KEY-----\n"));
  KeyRequest edwards = request_of("job-2", "mc-ed");
  edwards.algorithm = "Ed25519";
  store.promote("mc-ed", store.prepare(edwards).spki_sha256);
  CHECK(read_file(keys / "mc-ed.key")->starts_with("-----BEGIN PRIVATE KEY-----\n"));
}

TEST_CASE_METHOD(Fixture, "Old keys beyond the retention are destroyed, deployed ones are kept") {
  std::set<std::string> deployed;
  KeyStore store(keys, clock,
                 {.retention = 2, .deployed_spkis = [&](const std::string&) { return deployed; }, .on_step = {}});
  std::vector<std::string> spkis;
  for (int i = 0; i < 5; ++i) {
    clock.advance(std::chrono::hours(1));
    spkis.push_back(store.prepare(request_of("job-" + std::to_string(i))).spki_sha256);
    if (i == 0) deployed.insert(spkis[0]);
    store.promote("mc-web", spkis.back());
  }
  CHECK(store.find("mc-web", spkis[0]).has_value());
  CHECK_FALSE(store.find("mc-web", spkis[1]).has_value());
  CHECK_FALSE(store.find("mc-web", spkis[2]).has_value());
  CHECK(store.find("mc-web", spkis[3]).has_value());
  CHECK(store.find("mc-web", spkis[4]).has_value());
}

TEST_CASE_METHOD(Fixture, "Pending keys of dead jobs go after a week") {
  const std::string spki = open().prepare(request_of("job-1")).spki_sha256;
  clock.advance(std::chrono::hours(6 * 24));
  CHECK(open().find("mc-web", spki).has_value());
  clock.advance(std::chrono::hours(2 * 24));
  CHECK_FALSE(open().find("mc-web", spki).has_value());
}

TEST_CASE_METHOD(Fixture, "A key of upstream's agent is adopted and its mode repaired") {
  make_private_folder(keys);
  const auto key = crypto::PrivateKey::generate("ECDSA-P256");
  key.to_pem(crypto::KeyForm::traditional).use([&](std::string_view pem) {
    write_durably(keys / "mc-web.key", pem, 0644);
  });
  KeyStore store = open();
  const auto record = store.record("mc-web", key.public_key().spki_sha256());
  REQUIRE(record.has_value());
  CHECK(record->state == KeyState::current);
  CHECK(mode_of(keys / "mc-web.key") == 0600);
}

TEST_CASE_METHOD(Fixture, "A damaged record is set aside and its key kept") {
  const std::string spki = open().prepare(request_of("job-1")).spki_sha256;
  write_durably(archive / (spki + ".json"), "{half");
  CHECK(open().find("mc-web", spki).has_value());
  CHECK(fs::exists(archive / (spki + ".json.corrupt")));
}

TEST_CASE_METHOD(Fixture, "Submission and acceptance are remembered") {
  KeyRecord record = open().prepare(request_of("job-1"));
  open().mark_submitted(record);
  open().mark_accepted(record, 2);
  record = open().prepare(request_of("job-1"));
  CHECK(record.submitted == clock.now());
  CHECK(record.accepted == clock.now());
  CHECK(record.accepted_attempt == 2);
}

/// Runs `life` in a child that ends without a word after durable step number `last`; false: it never came so far.
template <typename Life>
bool dies_after_step(const fs::path& keys, const Clock& clock, int last, Life life) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int left = last;
    KeyStore store(keys, clock, {.retention = 1, .deployed_spkis = {}, .on_step = [&](std::string_view) {
                                   if (--left == 0) ::_exit(137);
                                 }});
    life(store);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  REQUIRE((WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 137));
  return WEXITSTATUS(status) == 137;
}

TEST_CASE("A crash after any step of a renewal leaves a served key, and the repeated job ends with one key") {
  int crashes = 0;
  for (int last = 1;; ++last) {
    const TemporaryFolder folder;
    const ManualClock clock{Time(std::chrono::days(20000))};
    const fs::path keys = folder / "keys";
    std::string served;
    {
      KeyStore store(keys, clock, {});
      served = store.prepare(request_of("job-1")).spki_sha256;
      store.promote("mc-web", served);
    }
    const auto renewal = [](KeyStore& store) {
      const KeyRecord record = store.prepare(request_of("job-2"));
      store.mark_submitted(record);
      store.mark_accepted(record, 1);
      store.promote("mc-web", record.spki_sha256);
      store.promote("mc-web", record.spki_sha256);  // a second deployment of the same certificate
    };
    const bool crashed = dies_after_step(keys, clock, last, renewal);
    crashes += crashed;

    // Whatever the moment: the key file is whole and its key is in the archive, marked as current.
    KeyStore store(keys, clock, {});
    const std::string current = spki_in(keys / "mc-web.key");
    REQUIRE(store.find("mc-web", current).has_value());
    CHECK(store.record("mc-web", current)->state == KeyState::current);

    renewal(store);
    const std::string renewed = spki_in(keys / "mc-web.key");
    CHECK(renewed != served);
    CHECK(store.record("mc-web", renewed)->state == KeyState::current);
    if (current != served) CHECK(store.find("mc-web", current).has_value());
    if (!crashed) break;
  }
  CHECK(crashes >= 8);
}

TEST_CASE("A crash while keys are destroyed leaves no record without its key") {
  for (int last = 1;; ++last) {
    const TemporaryFolder folder;
    const ManualClock clock{Time(std::chrono::days(20000))};
    const fs::path keys = folder / "keys";
    const auto three_lives = [](KeyStore& store) {
      for (const char* job : {"job-1", "job-2", "job-3"})
        store.promote("mc-web", store.prepare(request_of(job)).spki_sha256);
    };
    const bool crashed = dies_after_step(keys, clock, last, three_lives);
    const KeyStore store(keys, clock, {.retention = 1, .deployed_spkis = {}, .on_step = {}});
    for (const auto& entry : fs::directory_iterator(keys / "archive" / "mc-web")) {
      if (entry.path().extension() == ".json") CHECK(fs::exists(fs::path(entry.path()).replace_extension(".key")));
    }
    if (!crashed) break;
  }
}

}  // namespace
}  // namespace certctl::agent
