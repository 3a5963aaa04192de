#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plugins/common/settings.hpp"

/// As much of nginx's configuration as tells which server uses a certificate file.
namespace certctl::nginx {

struct Directive {
  std::vector<std::string> words;     ///< name, arguments
  std::vector<Directive> block = {};  ///< what stands between its braces
};

/// The output of `nginx -T`: every file of the configuration, one after the other. Answers the tree of the first file
/// with all includes put in their places. Empty: it is no such output.
std::vector<Directive> parse_dump(std::string_view dump);

/// A `server` block of `http` that terminates TLS with a certificate file.
struct TlsServer {
  std::vector<std::string> certificates;  ///< paths, absolute
  std::vector<common::Endpoint> listens;  ///< those with TLS on a TCP port; wildcard addresses as 127.0.0.1 or ::1
  std::vector<std::string> names;         ///< plain host names only
};
std::vector<TlsServer> tls_servers(const std::vector<Directive>& tree, const std::string& config_folder);

/// The folder of the main configuration file, to which relative paths refer.
std::string config_folder(std::string_view dump);

}  // namespace certctl::nginx
