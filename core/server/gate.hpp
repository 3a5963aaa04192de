#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace certctl::server {

/// A start gate that failed: one clear line with the remedy, exit 1.
class GateFailure : public std::exception {
 public:
  GateFailure(std::string gate, std::string message, std::string hint)
      : gate_(std::move(gate)), message_(std::move(message)), hint_(std::move(hint)) {}
  const std::string& gate() const { return gate_; }
  const std::string& message() const { return message_; }
  const std::string& hint() const { return hint_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string gate_, message_, hint_;
};

/// Runs `check`; whatever it throws becomes a GateFailure of that name, with `hint` where the error has none of its own.
void gate(std::string_view name, std::string_view hint, const std::function<void()>& check);

}  // namespace certctl::server
