#include <atomic>

#include <certctl/plugin.hpp>

namespace {

using namespace std::chrono_literals;

/// Says whether a second call came while one was running.
class Serial final : public certctl::Issuer {
 public:
  static constexpr bool kSerial = true;
  explicit Serial(certctl::Call&) {}

  certctl::Status issue(certctl::Call& call) override {
    const bool alone = running_.fetch_add(1) == 0;
    call.wait(20ms);
    running_.fetch_sub(1);
    return call.put(certctl::key::progress, alone ? "alone" : "together").done();
  }

 private:
  std::atomic<int> running_ = 0;
};

}  // namespace

CERTCTL_PLUGIN(Serial)
