#include "core/crypto/pem.hpp"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "core/base/error.hpp"
#include "core/crypto/library.hpp"

namespace certctl::crypto {
namespace {

constexpr std::size_t kColumns = 64;

void free_openssl(void* memory) { OPENSSL_free(memory); }

/// `out` must not reallocate while it holds a secret: reserve first.
void append_pem(std::string& out, std::string_view label, std::span<const std::uint8_t> der) {
  out.append("-----BEGIN ").append(label).append("-----\n");
  for (std::size_t at = 0; at < der.size(); at += kColumns / 4 * 3) {
    unsigned char line[kColumns + 1];
    const auto part = der.subspan(at, std::min(kColumns / 4 * 3, der.size() - at));
    const int size = EVP_EncodeBlock(line, part.data(), int(part.size()));
    out.append(reinterpret_cast<const char*>(line), std::size_t(size)).push_back('\n');
    OPENSSL_cleanse(line, sizeof line);
  }
  out.append("-----END ").append(label).append("-----\n");
}

std::string encode(std::string_view label, std::span<const std::uint8_t> der) {
  std::string out;
  out.reserve(der.size() / 3 * 4 + der.size() / 48 + 2 * label.size() + 64);
  append_pem(out, label, der);
  return out;
}

}  // namespace

std::vector<PemBlock> read_pem(std::string_view text) {
  if (text.size() > std::size_t(std::numeric_limits<int>::max())) throw invalid("PEM text is too large");
  const Owned<BIO, BIO_free_all> input(BIO_new_mem_buf(text.data(), int(text.size())));
  if (input == nullptr) throw openssl_error("reading PEM");
  std::vector<PemBlock> blocks;
  while (true) {
    char* name = nullptr;
    char* header = nullptr;
    unsigned char* data = nullptr;
    long size = 0;
    ERR_clear_error();
    const int read = PEM_read_bio(input.get(), &name, &header, &data, &size);
    const Owned<char, free_openssl> name_owner(name), header_owner(header);
    const Owned<unsigned char, free_openssl> data_owner(data);
    if (read != 1) {
      const unsigned long code = ERR_peek_last_error();
      const bool at_end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
      const std::string reason = openssl_reason();
      if (at_end) return blocks;
      throw invalid("PEM block " + std::to_string(blocks.size() + 1) + " is damaged: " + reason);
    }
    if (std::size_t(size) > kMaxObjectBytes) {
      throw invalid("PEM block " + std::to_string(blocks.size() + 1) + " holds more than 64 KiB");
    }
    blocks.push_back({name, Bytes(data, data + size)});
  }
}

std::string write_pem(std::string_view label, std::span<const std::uint8_t> der) { return encode(label, der); }
Secret write_secret_pem(std::string_view label, std::span<const std::uint8_t> der) {
  return Secret(encode(label, der));
}

}  // namespace certctl::crypto
