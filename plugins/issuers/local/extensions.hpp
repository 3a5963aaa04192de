#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "names.hpp"

namespace certctl::local {

/// Appends extensions to a certificate by value: texts of users never pass through OpenSSL's configuration parser, where
/// a comma would start another name. Empty lists add nothing. Each throws Error(internal).
class ExtensionWriter {
 public:
  explicit ExtensionWriter(X509* certificate) : certificate_(certificate) {}

  void authority_key_identifier(const std::string& key_identifier);
  void subject_key_identifier(const std::string& key_identifier);
  void key_usage(std::uint32_t bits);
  void extended_key_usage(const std::vector<std::string>& oids, bool critical);
  void not_a_ca();
  void subject_alternative_names(const std::vector<San>& names, bool critical);
  void distribution_points(const std::vector<std::string>& urls);
  void authority_information(const std::vector<std::string>& ocsp, const std::vector<std::string>& ca_issuers);
  void policies(const std::vector<std::string>& oids);
  void must_staple();  ///< RFC 7633

 private:
  void add(int nid, void* value, bool critical);
  X509* certificate_;
};

}  // namespace certctl::local
