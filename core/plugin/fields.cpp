#include "core/plugin/fields.hpp"

#include <algorithm>
#include <stdexcept>

#include "core/base/secret.hpp"

namespace certctl::plugin {

namespace {

bool is_number(std::uint32_t key) {
  const std::uint32_t type = key & CERTCTL_TYPE_MASK;
  return type == CERTCTL_INT || type == CERTCTL_REC;
}

}  // namespace

Fields::~Fields() {
  for (Slot& slot : slots_) {
    if (!(slot.key & CERTCTL_SECRET)) continue;
    for (Value& value : slot.values) wipe(value.text);
  }
}

Fields::Value& Fields::append(std::uint32_t key, bool number) {
  if (is_number(key) != number) throw std::logic_error("value of the wrong type for key " + key_name(key));
  auto slot = std::find_if(slots_.begin(), slots_.end(), [key](const Slot& known) { return known.key == key; });
  if (slot == slots_.end()) slot = slots_.insert(slots_.end(), Slot{key, {}});
  slot->values.push_back({{}, 0, next_order_++});
  return slot->values.back();
}

Fields& Fields::add(std::uint32_t key, std::string_view text) {
  append(key, false).text = text;
  return *this;
}

Fields& Fields::add_bytes(std::uint32_t key, std::span<const std::uint8_t> bytes) { return add(key, as_text(bytes)); }

Fields& Fields::add_int(std::uint32_t key, std::int64_t number) {
  append(key, true).number = number;
  return *this;
}

Fields& Fields::add_texts(std::uint32_t key, std::span<const std::string> texts) {
  for (const std::string& text : texts) add(key, text);
  return *this;
}

Fields& Fields::add_pair(std::uint32_t key, std::string_view name, std::string_view value) {
  return add(key, name).add(key, value);
}

const Fields::Slot* Fields::find(std::uint32_t key) const {
  const auto slot = std::find_if(slots_.begin(), slots_.end(), [key](const Slot& known) { return known.key == key; });
  return slot == slots_.end() ? nullptr : &*slot;
}

std::size_t Fields::count(std::uint32_t key) const {
  const Slot* slot = find(key);
  return slot ? slot->values.size() : 0;
}

std::string Fields::text(std::uint32_t key) const {
  const Slot* slot = find(key);
  return slot ? slot->values.front().text : std::string();
}

std::vector<std::string> Fields::texts(std::uint32_t key) const {
  std::vector<std::string> texts;
  if (const Slot* slot = find(key)) {
    for (const Value& value : slot->values) texts.push_back(value.text);
  }
  return texts;
}

Bytes Fields::bytes(std::uint32_t key) const {
  const std::string text = this->text(key);
  return {text.begin(), text.end()};
}

std::optional<std::int64_t> Fields::integer(std::uint32_t key) const {
  const Slot* slot = find(key);
  return slot && is_number(key) ? std::optional(slot->values.front().number) : std::nullopt;
}

std::vector<std::pair<std::string, std::string>> Fields::map(std::uint32_t key) const {
  std::vector<std::pair<std::string, std::string>> pairs;
  if (const Slot* slot = find(key)) {
    for (std::size_t i = 0; i + 1 < slot->values.size(); i += 2) {
      pairs.emplace_back(slot->values[i].text, slot->values[i + 1].text);
    }
  }
  return pairs;
}

std::vector<Fields::Record> Fields::records(std::uint32_t rec_key) const {
  const Slot* opened = find(rec_key);
  if (!opened) return {};
  std::vector<Record> records;
  for (std::size_t i = 0; i < opened->values.size(); ++i) {
    const std::uint32_t from = opened->values[i].order;
    const std::uint32_t to = i + 1 < opened->values.size() ? opened->values[i + 1].order : next_order_;
    Record& record = records.emplace_back(Record{opened->values[i].number, {}});
    for (const Slot& slot : slots_) {
      if (slot.key == rec_key) continue;
      for (const Value& value : slot.values) {
        if (value.order <= from || value.order >= to) continue;
        is_number(slot.key) ? record.members.add_int(slot.key, value.number) : record.members.add(slot.key, value.text);
      }
    }
  }
  return records;
}

}  // namespace certctl::plugin
