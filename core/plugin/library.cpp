#include "core/plugin/library.hpp"

#include <atomic>
#include <boost/dll/shared_library.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/plugin/elf_entry.hpp"
#include "core/plugin/messages.hpp"

namespace certctl::plugin {

namespace {

std::string_view view(certctl_bytes bytes) {
  return bytes.data ? std::string_view(static_cast<const char*>(bytes.data), bytes.size) : std::string_view();
}

class MappedLibrary final : public Library, private certctl_host {
 public:
  MappedLibrary(const std::string& file, std::shared_ptr<const Clock> clock)
      : certctl_host{&kApi}, file_(file), clock_(std::move(clock)) {
    check_entry_header(file, read_entry_header(file));
    try {
      library_.load(boost::dll::fs::path(file), boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
      entry_ = &library_.get<const certctl_entry>("certctl_plugin");
    } catch (const boost::dll::fs::system_error& error) {
      throw invalid(fmt::format("plugin {}: cannot be loaded: {}", file, error.what()));
    }
    start();
  }

  const certctl_factory& factory() const override { return *factory_; }
  const std::string& file() const override { return file_; }

  void close() override {
    if (closed_.exchange(true)) return;
    if (CERTCTL_HAS(certctl_entry, entry_, deinit)) entry_->deinit();
  }
  bool closed() const { return closed_; }

 private:
  void start() {
    const auto begin = std::chrono::steady_clock::now();
    if (CERTCTL_HAS(certctl_entry, entry_, init)) {
      if (const certctl_status status = entry_->init(this); status != CERTCTL_OK) {
        throw invalid(fmt::format("plugin {}: its init failed with status {}", file_, status));
      }
    }
    const auto took = std::chrono::steady_clock::now() - begin;
    if (took > std::chrono::seconds(1)) {
      log::write(kPluginSlowInit,
                 {{"file", file_}, {"ms", std::chrono::duration_cast<std::chrono::milliseconds>(took).count()}});
    }
    if (CERTCTL_HAS(certctl_entry, entry_, get_factory)) {
      factory_ = static_cast<const certctl_factory*>(entry_->get_factory(certctl_text(CERTCTL_FACTORY_ID)));
    }
    if (!factory_) throw invalid(fmt::format("plugin {}: it has no \"{}\"", file_, CERTCTL_FACTORY_ID));
    if (!CERTCTL_HAS(certctl_factory, factory_, create) || !CERTCTL_HAS(certctl_factory, factory_, destroy) ||
        !CERTCTL_HAS(certctl_factory, factory_, extension) || factory_->count == 0) {
      throw invalid(fmt::format("plugin {}: its factory lacks create, destroy, extension or descriptors", file_));
    }
  }

  static int64_t clock_ms(certctl_host* host) {
    const Time now = static_cast<MappedLibrary*>(host)->clock_->now();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  }
  static void log(certctl_host* host, uint32_t level, certctl_bytes event, certctl_bytes text) {
    const auto& self = *static_cast<MappedLibrary*>(host);
    if (self.closed_) return log::write(kPluginLateLog, {{"file", self.file_}});
    log::write(plugin_message(level),
               {{"file", self.file_}, {"event", printable(view(event))}, {"text", printable(view(text))}});
  }
  static constexpr certctl_host_api kApi = {
      sizeof(certctl_host_api), CERTCTL_ABI_MAJOR, CERTCTL_ABI_MINOR, 0, clock_ms, log};

  std::string file_;
  std::shared_ptr<const Clock> clock_;
  boost::dll::shared_library library_;
  const certctl_entry* entry_ = nullptr;
  const certctl_factory* factory_ = nullptr;
  std::atomic<bool> closed_ = false;
};

/// What this process has mapped. A mapping is a fact of the process, not of a Host: `init` may run once only, and the
/// dynamic loader answers a second load of a name with the first one's mapping.
struct Mappings {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<MappedLibrary>> by_file;
};

Mappings& mappings() {
  static const auto kMappings = std::make_unique<Mappings>().release();  // never destroyed: see Library
  return *kMappings;
}

}  // namespace

std::shared_ptr<Library> load_library(const std::string& file, std::shared_ptr<const Clock> clock) {
  std::error_code failure;
  const std::string name = std::filesystem::canonical(file, failure).string();
  if (failure) throw invalid(fmt::format("plugin {}: {}", file, failure.message()));
  std::scoped_lock lock(mappings().mutex);
  auto& library = mappings().by_file[name];
  if (!library) library = std::make_shared<MappedLibrary>(name, std::move(clock));
  if (library->closed()) throw invalid(fmt::format("plugin {}: it has been shut down in this process", file));
  return library;
}

}  // namespace certctl::plugin
