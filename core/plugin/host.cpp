#include "core/plugin/host.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/plugin/loaded.hpp"
#include "core/plugin/messages.hpp"

namespace certctl::plugin {

namespace {

namespace fs = std::filesystem;

/// The sub-folder of a kind.
constexpr std::pair<std::string_view, std::string_view> kFolders[] = {
    {"issuers", "issuer"}, {"targets", "target"}, {"notifiers", "notifier"}};

std::vector<std::string> libraries_in(const fs::path& folder) {
  std::vector<std::string> files;
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(folder, failure)) {
    if (entry.path().extension() == ".so") files.push_back(fs::absolute(entry.path()).string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

struct Host::State {
  std::shared_ptr<Runtime> runtime;
  std::shared_ptr<const Clock> clock;
  std::vector<std::shared_ptr<Library>> libraries;
  std::vector<std::unique_ptr<LoadedConnector>> connectors;
  std::map<std::pair<std::string, std::string>, const LoadedConnector*> by_name;  // kind, lower-case type or alias
  std::vector<Refusal> refusals;

  void load(const std::string& file, std::string_view kind);
  void add(std::shared_ptr<Library> library, const certctl_descriptor& descriptor, std::string_view kind);
  void refuse(const std::string& file, const std::string& reason) {
    log::write(kPluginRefused, {{"file", file}, {"reason", reason}});
    refusals.push_back({file, reason});
  }
};

void Host::State::load(const std::string& file, std::string_view kind) {
  try {
    std::shared_ptr<Library> library = load_library(file, clock);
    libraries.push_back(library);
    for (std::uint32_t i = 0; i < library->factory().count; ++i) {
      add(library, *library->factory().descriptors[i], kind);
    }
  } catch (const Error& error) {
    refuse(file, error.what());
  }
}

void Host::State::add(std::shared_ptr<Library> library, const certctl_descriptor& descriptor, std::string_view kind) {
  auto connector = std::make_unique<LoadedConnector>(std::move(library), descriptor, runtime);
  const Manifest& manifest = connector->manifest();
  if (manifest.kind != kind) {
    throw invalid(
        fmt::format("plugin {}: a connector of kind \"{}\" among the {}s", connector->file(), manifest.kind, kind));
  }
  const auto type = std::pair(manifest.kind, lower(manifest.type));
  if (const auto known = by_name.find(type); known != by_name.end()) {
    throw invalid(fmt::format("plugin {}: {} \"{}\" is offered by {} already", connector->file(), manifest.kind,
                              manifest.type, known->second->file()));
  }
  by_name.emplace(type, connector.get());
  for (const std::string& alias : manifest.aliases)
    by_name.emplace(std::pair(manifest.kind, lower(alias)), connector.get());
  log::write(
      kPluginLoaded,
      {{"file", connector->file()}, {"kind", manifest.kind}, {"type", manifest.type}, {"version", manifest.version}});
  connectors.push_back(std::move(connector));
}

Host::Host(std::vector<std::string> folders, std::shared_ptr<const Clock> clock, std::chrono::milliseconds overdue)
    : state_(std::make_shared<State>()) {
  state_->runtime = std::make_shared<Runtime>(overdue);
  state_->clock = std::move(clock);
  for (const std::string& folder : folders) {
    for (const auto& [sub_folder, kind] : kFolders) {
      for (const std::string& file : libraries_in(fs::path(folder) / sub_folder)) state_->load(file, kind);
    }
  }
  std::sort(state_->connectors.begin(), state_->connectors.end(),
            [](const auto& a, const auto& b) { return a->type() < b->type(); });
}

Host::~Host() = default;

const Connector* Host::find(std::string_view kind, std::string_view type) const {
  const auto found = state_->by_name.find(std::pair(std::string(kind), lower(type)));
  return found == state_->by_name.end() ? nullptr : found->second;
}

const Connector& Host::get(std::string_view kind, std::string_view type) const {
  if (const Connector* connector = find(kind, type)) return *connector;
  throw invalid_field("type", "unknown", fmt::format("unsupported {} type: {}", kind, type));
}

std::vector<const Connector*> Host::connectors(std::string_view kind) const {
  std::vector<const Connector*> connectors;
  for (const auto& connector : state_->connectors) {
    if (connector->kind() == kind) connectors.push_back(connector.get());
  }
  return connectors;
}

const std::vector<Refusal>& Host::refusals() const { return state_->refusals; }

void Host::close() {
  state_->runtime->closed = true;
  for (const auto& library : state_->libraries) library->close();
}

std::vector<std::string> plugin_folders(std::string_view list) {
  std::vector<std::string> folders;
  for (std::string_view folder : split(list, ':')) {
    if (!trim(folder).empty()) folders.emplace_back(trim(folder));
  }
  return folders;
}

}  // namespace certctl::plugin
