#include "plugins/common/journal.hpp"

#include <rapidjson/document.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>

#include <algorithm>
#include <array>

#include <certctl/status.hpp>

#include "plugins/common/openssl.hpp"

namespace certctl::common {
namespace {

constexpr std::array<std::string_view, 7> kStates = {"staged", "committing",  "committed",      "reloaded",
                                                     "done",   "rolled_back", "rollback_failed"};

using Writer = rapidjson::PrettyWriter<rapidjson::StringBuffer>;

void member(Writer& writer, const char* name, const std::string& text) {
  writer.Key(name);
  writer.String(text.data(), rapidjson::SizeType(text.size()));
}
void member(Writer& writer, const char* name, std::int64_t number) {
  writer.Key(name);
  writer.Int64(number);
}

Error damaged() { return permanent("the deployment journal is damaged"); }

std::string text_of(const rapidjson::Value& object, const char* name) {
  const auto found = object.FindMember(name);
  if (found == object.MemberEnd() || !found->value.IsString()) throw damaged();
  return {found->value.GetString(), found->value.GetStringLength()};
}
std::int64_t number_of(const rapidjson::Value& object, const char* name) {
  const auto found = object.FindMember(name);
  if (found == object.MemberEnd() || !found->value.IsInt64()) throw damaged();
  return found->value.GetInt64();
}

void write_file(Writer& writer, const JournalFile& file) {
  writer.StartObject();
  member(writer, "path", file.path);
  member(writer, "temp", file.temp);
  member(writer, "backup", file.backup);
  member(writer, "old_sha256", file.old_sha256);
  member(writer, "new_sha256", file.new_sha256);
  member(writer, "old_mode", std::int64_t(file.old_mode));
  member(writer, "old_user", std::int64_t(file.old_user));
  member(writer, "old_group", std::int64_t(file.old_group));
  member(writer, "holds_key", std::int64_t(file.holds_key));
  writer.EndObject();
}

JournalFile read_file(const rapidjson::Value& object) {
  if (!object.IsObject()) throw damaged();
  return {text_of(object, "path"),          text_of(object, "temp"),
          text_of(object, "backup"),        text_of(object, "old_sha256"),
          text_of(object, "new_sha256"),    mode_t(number_of(object, "old_mode")),
          uid_t(number_of(object, "old_user")), gid_t(number_of(object, "old_group")),
          number_of(object, "holds_key") != 0};
}

bool is_file_name(std::string_view id) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@-";
  return !id.empty() && id.size() <= 128 && id[0] != '.' && id.find_first_not_of(kAllowed) == std::string_view::npos;
}

}  // namespace

std::string_view to_text(JournalState state) { return kStates.at(std::size_t(state)); }

std::string Journal::text() const {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.SetIndent(' ', 1);
  writer.StartObject();
  member(writer, "version", 1);
  member(writer, "state", std::string(to_text(state)));
  member(writer, "target_id", target_id);
  member(writer, "job_id", job_id);
  member(writer, "certificate_id", certificate_id);
  member(writer, "fingerprint", fingerprint);
  member(writer, "previous_fingerprint", previous_fingerprint);
  member(writer, "started_at_ms", started_at_ms);
  writer.Key("files");
  writer.StartArray();
  for (const JournalFile& file : files) write_file(writer, file);
  writer.EndArray();
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

Journal Journal::parse(std::string_view text) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
  if (document.HasParseError() || !document.IsObject()) throw damaged();
  const auto* state = std::ranges::find(kStates, text_of(document, "state"));
  const auto files = document.FindMember("files");
  if (state == kStates.end() || files == document.MemberEnd() || !files->value.IsArray()) throw damaged();
  Journal journal;
  journal.state = JournalState(state - kStates.begin());
  journal.target_id = text_of(document, "target_id");
  journal.job_id = text_of(document, "job_id");
  journal.certificate_id = text_of(document, "certificate_id");
  journal.fingerprint = text_of(document, "fingerprint");
  journal.previous_fingerprint = text_of(document, "previous_fingerprint");
  journal.started_at_ms = number_of(document, "started_at_ms");
  for (const auto& file : files->value.GetArray()) journal.files.push_back(read_file(file));
  return journal;
}

std::string JournalStore::path_of(const std::string& target_id) const {
  return state_dir_ + "/deployments/" + (is_file_name(target_id) ? target_id : sha256_hex(target_id)) + ".json";
}

std::optional<Journal> JournalStore::load(const std::string& target_id) const {
  const Snapshot file = files_.snapshot(path_of(target_id));
  if (!file.existed) return std::nullopt;
  return Journal::parse(file.bytes.view());
}

void JournalStore::save(const Journal& journal) const {
  const std::string path = path_of(journal.target_id);
  const std::string temp = path + ".tmp";
  FileAccess::make_folders(folder_of(path));
  files_.remove(temp);
  files_.create(temp, journal.text(), {.mode = 0600});
  files_.rename(temp, path);
  files_.sync_folder(folder_of(path));
}

}  // namespace certctl::common
