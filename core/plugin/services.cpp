#include "core/plugin/services.hpp"

namespace certctl::plugin {

std::string_view service_family(std::uint32_t service) {
  switch (service) {
    case CERTCTL_HTTP_SEND:
      return "http";
    case CERTCTL_PROCESS_RUN:
      return "process";
    case CERTCTL_KEYS_DESCRIBE:
    case CERTCTL_KEYS_SIGN:
      return "keys";
    case CERTCTL_STATE_GET:
    case CERTCTL_STATE_PUT:
    case CERTCTL_STATE_COMPARE_AND_SET:
      return "state";
    case CERTCTL_RANDOM_FILL:
      return "random";
    default:
      return {};
  }
}

}  // namespace certctl::plugin
