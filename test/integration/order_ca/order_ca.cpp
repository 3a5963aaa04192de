// A CA that takes orders and delivers later, in a folder: orders/<number> holds the idempotency key and the request. It
// counts each order, whether somebody comes back for it or not, as a CA that sends bills does. `die_at` in the folder
// names the moment at which the process that runs it is killed, once.
#include <signal.h>
#include <unistd.h>

#include <certctl/plugin.hpp>
#include <certctl/process.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace {

using namespace certctl;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class OrderCa final : public Issuer {
 public:
  explicit OrderCa(Call& call) : folder_(call.setting("/folder")), remembers_(call.setting_flag("/remembers")) {}

  Status issue(Call& call) override {
    const std::string key = call.text(key::idempotency_key);
    call.get(key::max_ttl_s);
    call.checkpoint("asking");
    const std::string order = place(key, call.text(key::csr_pem));
    die_if("ordered");
    call.checkpoint(order);
    die_if("reference_kept");
    return call.put(key::order_id, order).pending(50ms);
  }

  Status poll(Call& call) override {
    const std::string order(call.text(key::checkpoint));
    if (fs::exists(folder_ / "not_yet")) return call.put(key::order_id, order).pending(50ms);
    die_if("polling");
    const fs::path leaf = folder_ / ("leaf-" + order + ".pem");
    sign(call, order, leaf);
    die_if("issued");
    return call.put(key::certificates, read(leaf) + read(folder_ / "ca.pem")).done();
  }

  Status lookup(Call& call) override {
    if (!remembers_) return Status::not_supported;
    const std::string key = call.text(key::idempotency_key);
    for (const auto& entry : fs::directory_iterator(folder_ / "orders")) {
      if (!read(entry.path()).starts_with(key + "\n")) continue;
      const std::string order = entry.path().filename();
      call.checkpoint(order);
      return call.put(key::order_id, order).pending(50ms);
    }
    return Status::not_found;
  }

 private:
  std::string place(const std::string& key, const std::string& csr) const {
    fs::create_directories(folder_ / "orders");
    const auto known = std::distance(fs::directory_iterator(folder_ / "orders"), fs::directory_iterator());
    const std::string order = std::to_string(known + 1);
    std::ofstream(folder_ / "orders" / order) << key << '\n' << csr;
    return order;
  }

  void sign(Call& call, const std::string& order, const fs::path& leaf) const {
    const std::string text = read(folder_ / "orders" / order);
    const fs::path csr = folder_ / ("csr-" + order + ".pem");
    std::ofstream(csr) << text.substr(text.find('\n') + 1);
    const std::vector<std::string> command = {"openssl", "x509", "-req", "-in", csr, "-CA", folder_ / "ca.pem", "-CAkey", folder_ / "ca.key",
                                              "-days", "30", "-copy_extensions", "copy", "-out", leaf};
    const ProcessResult result = call.process(command).run();
    if (!result.succeeded()) throw Error(Status::transient, "openssl x509: " + result.reason() + ": " + result.output);
  }

  void die_if(const char* moment) const {
    if (read(folder_ / "die_at") != moment) return;
    fs::remove(folder_ / "die_at");
    ::kill(::getpid(), SIGKILL);
  }

  const fs::path folder_;
  const bool remembers_;
};

}  // namespace

CERTCTL_PLUGIN(OrderCa)
