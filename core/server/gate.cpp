#include "core/server/gate.hpp"

#include "core/server/messages.hpp"

namespace certctl::server {

void gate(std::string_view name, std::string_view hint, const std::function<void()>& check) {
  try {
    check();
    log::write(messages::kGatePassed, {{"gate", name}});
  } catch (const GateFailure&) {
    throw;
  } catch (const std::exception& e) {
    throw GateFailure(std::string(name), e.what(), std::string(hint));
  }
}

}  // namespace certctl::server
