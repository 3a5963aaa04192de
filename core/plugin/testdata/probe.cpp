#include <certctl/plugin.hpp>

namespace {

using namespace certctl;
using namespace std::chrono_literals;

/// Behaves as its setting says.
class Probe final : public Issuer {
 public:
  explicit Probe(Call& call) : behaviour_(call.setting("/behaviour")) {
    if (behaviour_ == "refuse") throw invalid_config("this probe does not want to live", "/behaviour");
  }

  Status issue(Call& call) override;
  Status poll(Call& call) override { return call.put(key::order_id, call.text(key::checkpoint)).pending(5s); }
  static Status validate(Call& call) {
    if (call.setting_integer("/port") == 13) call.finding(Severity::warning, "an unlucky port", "/port");
    call.finding(Severity::good, "behaviour " + call.setting("/behaviour"));
    return call.done();
  }

 private:
  Status read_all(Call& call) {
    call.get(key::max_ttl_s);
    call.all(key::crl_url);
    call.setting("/profile");
    return call.put(key::certificates, "leaf").put(key::order_id, "order-1").done();
  }
  Status tell_settings(Call& call);
  Status break_limit(Call& call);

  std::string behaviour_;
};

Status Probe::tell_settings(Call& call) {
  for (const std::string& name : call.setting_list("/names")) call.put(key::meta, "name", name);
  for (const auto& [name, value] : call.setting_map("/headers")) call.put(key::meta, name, value);
  for (const char* pointer : {"/port", "/enabled", "/mode", "/token", "/profile", "/names/1", "/absent"}) {
    call.put(key::meta, pointer, call.setting(pointer));
  }
  return call.done();
}

Status Probe::break_limit(Call& call) {
  if (behaviour_ == "bad_utf8") call.put(key::progress, "\xff\xfe");
  if (behaviour_ == "many_puts") {
    for (int i = 0; i < 2000; ++i) call.put(key::certificates, "x");
  }
  if (behaviour_ == "big_put") call.put(key::certificates, std::string(2 << 20, 'x'));
  if (behaviour_ == "much_put") {
    for (int i = 0; i < 20; ++i) call.put(key::certificates, std::string(1 << 20, 'x'));
  }
  if (behaviour_ == "null_put") call.native()->api->put(call.native(), CERTCTL_KEY_CERTIFICATES, {nullptr, 7});
  if (behaviour_ == "wrong_type") call.native()->api->put_int(call.native(), CERTCTL_KEY_ORDER_ID, 7);
  if (behaviour_ == "run_itself") call.native()->api->run(call.native());
  return call.done();
}

Status Probe::issue(Call& call) {
  if (behaviour_ == "good") return read_all(call);
  if (behaviour_ == "settings") return tell_settings(call);
  if (behaviour_ == "ignore") return call.done();
  if (behaviour_ == "early_checkpoint") {
    call.checkpoint("too early");
    return read_all(call);
  }
  if (behaviour_ == "throw") throw std::runtime_error("a surprise");
  if (behaviour_ == "throw_number") throw 42;
  if (behaviour_ == "auth") {
    throw Error(Status::auth, "the CA refused the token").id("TOKEN").vendor_code("E7").retry_in(90s);
  }
  if (behaviour_ == "unknown_status") return Status(999);
  if (behaviour_ == "bare_pending") return call.pending(5s);
  if (behaviour_ == "pending") {
    call.checkpoint("order-7");
    return call.put(key::expires_in_ms, 60000).pending(5s);
  }
  if (behaviour_ == "transient") {
    call.checkpoint("intent");
    throw transient("no route to the CA");
  }
  if (behaviour_ == "transient_after_effect") {
    call.checkpoint("intent");
    call.process(std::vector<std::string>{"true"}).run();
    throw transient("the connection broke");
  }
  if (behaviour_ == "random") return call.put(key::certificates, random_bytes(call, 8)).done();
  if (behaviour_ == "http") call.http("GET", "https://ca.example/").send();
  if (behaviour_ == "hang") return call.wait(60s) ? call.done() : throw Error(Status::cancelled, "was told to stop");
  if (behaviour_ == "deaf") {
    while (call.remaining() > -400ms) ::poll(nullptr, 0, 5);
    return call.done();
  }
  return break_limit(call);
}

}  // namespace

CERTCTL_PLUGIN(Probe)
