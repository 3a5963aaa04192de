#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/http/client.hpp"
#include "core/plugin/services.hpp"

namespace certctl::plugin {

/// The service `http`: requests of plugins through the core's client. Roots, client certificate, proxy and time limit
/// come from the request or from the settings every issuer accepts (`ca_bundle`, `proxy_url`, `timeout_seconds`).
/// Thread-safe.
class HttpService {
 public:
  struct Options {
    http::AddressPolicy policy;
    http::Resolver resolver;
    std::string user_agent;
  };
  explicit HttpService(Options options) : options_(std::move(options)) {}

  ServiceAnswer send(const ServiceRequest& request);

 private:
  struct Identity;
  http::Client client(const Identity& identity) const;
  Options options_;
};

}  // namespace certctl::plugin
