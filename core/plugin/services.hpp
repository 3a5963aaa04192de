#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <certctl/services.h>

#include "core/plugin/fields.hpp"
#include "core/plugin/outcome.hpp"

namespace certctl::plugin {

class Cancellation;
class Settings;

/// One run of a host service (certctl/services.h) for a call that is under way.
struct ServiceRequest {
  std::uint32_t service = 0;  ///< CERTCTL_HTTP_SEND, …
  const Fields& in;
  const Settings& settings;      ///< of the instance, request options laid over
  std::string_view kind;         ///< of the connector
  std::string_view type;         ///< of the connector
  std::string_view instance_id;  ///< the row the instance was made for
  std::string_view request_id;
  std::chrono::steady_clock::time_point deadline;
  Cancellation& cancellation;
};

struct ServiceAnswer {
  Status status = Status::ok;
  Fields out;
  std::string error;  ///< one sentence when the status is not ok
  /// Something may have left this machine or changed it, so that the call's outcome can no longer be "nothing happened".
  bool effect = false;
};

/// What the program offers to its plugins. Called from several threads at once; may block until `deadline` or
/// cancellation; throws certctl::Error for what went wrong (mapped to a status).
class Services {
 public:
  virtual ~Services() = default;
  virtual bool offers(std::uint32_t service) const = 0;
  virtual ServiceAnswer run(const ServiceRequest& request) = 0;
};

/// The family a manifest names in `needs.services`: `http`, `process`, `keys`, `state`, `random`; empty: unknown number.
std::string_view service_family(std::uint32_t service);

}  // namespace certctl::plugin
