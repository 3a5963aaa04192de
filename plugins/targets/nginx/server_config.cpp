#include "server_config.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>

namespace certctl::nginx {
namespace {

constexpr std::string_view kFileMark = "# configuration file ";

struct File {
  std::string path;
  std::string_view text;
};

/// nginx -T writes `# configuration file /etc/nginx/nginx.conf:` before each file.
std::vector<File> split_files(std::string_view dump) {
  std::vector<File> files;
  std::size_t at = dump.starts_with(kFileMark) ? 0 : dump.find("\n" + std::string(kFileMark));
  while (at != std::string_view::npos) {
    const std::size_t mark = dump.find(kFileMark, at);
    const std::size_t line_end = dump.find('\n', mark);
    if (line_end == std::string_view::npos) break;
    std::string path(dump.substr(mark + kFileMark.size(), line_end - mark - kFileMark.size()));
    while (!path.empty() && (path.back() == ':' || path.back() == '\r')) path.pop_back();
    at = dump.find("\n" + std::string(kFileMark), line_end);
    files.push_back({std::move(path), dump.substr(line_end + 1, at == std::string_view::npos ? at : at - line_end)});
  }
  return files;
}

/// Words, `;`, `{`, `}` of nginx's grammar: quotes, backslashes, comments, `${variable}`.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  struct Token {
    enum class Kind { word, end_of_directive, open, close, end } kind;
    std::string text = {};
  };

  Token next() {
    skip_blanks();
    if (at_ >= text_.size()) return {Token::Kind::end};
    switch (text_[at_]) {
      case ';': ++at_; return {Token::Kind::end_of_directive};
      case '{': ++at_; return {Token::Kind::open};
      case '}': ++at_; return {Token::Kind::close};
      case '"': case '\'': return {Token::Kind::word, quoted()};
      default: return {Token::Kind::word, word()};
    }
  }

 private:
  static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

  void skip_blanks() {
    while (at_ < text_.size()) {
      if (text_[at_] == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (is_blank(text_[at_])) {
        ++at_;
      } else {
        return;
      }
    }
  }

  std::string quoted() {
    const char quote = text_[at_++];
    std::string word;
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      word.push_back(text_[at_]);
    }
    ++at_;
    return word;
  }

  std::string word() {
    std::string word;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      const bool variable = c == '{' && word.ends_with('$');
      if (is_blank(c) || c == ';' || (c == '{' && !variable)) break;
      if (c == '\\' && at_ + 1 < text_.size()) word.push_back(text_[at_++]);
      word.push_back(text_[at_]);
      if (variable) {
        while (at_ + 1 < text_.size() && text_[at_] != '}') word.push_back(text_[++at_]);
      }
    }
    return word;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

constexpr int kMaxDepth = 32;

std::vector<Directive> parse_block(Lexer& lexer, int depth) {
  using Kind = Lexer::Token::Kind;
  std::vector<Directive> block;
  std::vector<std::string> words;
  while (true) {
    Lexer::Token token = lexer.next();
    if (token.kind == Kind::word) {
      words.push_back(std::move(token.text));
      continue;
    }
    if (token.kind == Kind::open) {
      std::vector<Directive> inner;
      if (depth < kMaxDepth) inner = parse_block(lexer, depth + 1);
      block.push_back({std::move(words), std::move(inner)});
    } else if (token.kind == Kind::end_of_directive && !words.empty()) {
      block.push_back({std::move(words)});
    }
    words.clear();
    if (token.kind == Kind::close || token.kind == Kind::end) return block;
  }
}

std::string absolute(const std::string& path, const std::string& folder) {
  return path.starts_with('/') ? path : folder + "/" + path;
}

class Includer {
 public:
  Includer(const std::vector<File>& files, std::string folder) : files_(files), folder_(std::move(folder)) {
    for (const File& file : files) {
      Lexer lexer(file.text);
      trees_[file.path] = parse_block(lexer, 0);
    }
  }

  std::vector<Directive> expand(const std::vector<Directive>& block, int depth) const {
    std::vector<Directive> expanded;
    for (const Directive& directive : block) {
      if (directive.words.size() == 2 && directive.words[0] == "include" && depth < kMaxDepth) {
        include(directive.words[1], depth, expanded);
      } else {
        expanded.push_back({directive.words, expand(directive.block, depth + 1)});
      }
    }
    return expanded;
  }

  const std::vector<Directive>& main() const { return trees_.at(files_.front().path); }

 private:
  void include(const std::string& pattern, int depth, std::vector<Directive>& out) const {
    const std::string wanted = absolute(pattern, folder_);
    for (const File& file : files_) {
      if (::fnmatch(wanted.c_str(), file.path.c_str(), FNM_PATHNAME) != 0) continue;
      auto inner = expand(trees_.at(file.path), depth + 1);
      std::ranges::move(inner, std::back_inserter(out));
    }
  }

  const std::vector<File>& files_;
  std::string folder_;
  std::map<std::string, std::vector<Directive>> trees_;
};

std::vector<std::string> certificates_of(const std::vector<Directive>& block, const std::string& folder) {
  std::vector<std::string> paths;
  for (const Directive& directive : block) {
    if (directive.words.size() == 2 && directive.words[0] == "ssl_certificate") {
      paths.push_back(absolute(directive.words[1], folder));
    }
  }
  return paths;
}

bool is_switched_on(const std::vector<Directive>& block, std::string_view name) {
  return std::ranges::any_of(block, [&](const Directive& directive) {
    return directive.words.size() == 2 && directive.words[0] == name && directive.words[1] == "on";
  });
}

/// `443 ssl`, `127.0.0.1:8443 ssl`, `[::]:443 ssl`, `*:443`, `name:443`; nullopt: a unix socket, or not understood.
std::optional<common::Endpoint> endpoint_of(const std::string& address) {
  if (address.starts_with("unix:")) return std::nullopt;
  if (address.find_first_not_of("0123456789") == std::string::npos)
    return common::parse_endpoint("127.0.0.1:" + address, 443);
  auto endpoint = common::parse_endpoint(address, 443);
  if (!endpoint) return std::nullopt;
  if (endpoint->host == "*" || endpoint->host == "0.0.0.0") endpoint->host = "127.0.0.1";
  if (endpoint->host == "::") endpoint->host = "::1";
  return endpoint;
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "_" && name.find_first_of("*~\"$") == std::string::npos && !name.starts_with('.');
}

TlsServer read_server(const std::vector<Directive>& block, const std::string& folder,
                      const std::vector<std::string>& inherited) {
  TlsServer server;
  server.certificates = certificates_of(block, folder);
  if (server.certificates.empty()) server.certificates = inherited;
  const bool all_tls = is_switched_on(block, "ssl");
  for (const Directive& directive : block) {
    const auto& words = directive.words;
    if (words.size() < 2) continue;
    if (words[0] == "server_name") {
      std::copy_if(words.begin() + 1, words.end(), std::back_inserter(server.names), is_plain_name);
    }
    const bool tls = all_tls || std::find(words.begin() + 2, words.end(), "ssl") != words.end();
    if (words[0] == "listen" && tls) {
      if (const auto endpoint = endpoint_of(words[1])) server.listens.push_back(*endpoint);
    }
  }
  return server;
}

}  // namespace

std::string config_folder(std::string_view dump) {
  const auto files = split_files(dump);
  return files.empty() ? std::string() : std::filesystem::path(files.front().path).parent_path().string();
}

std::vector<Directive> parse_dump(std::string_view dump) {
  const auto files = split_files(dump);
  if (files.empty()) return {};
  const Includer includer(files, config_folder(dump));
  return includer.expand(includer.main(), 0);
}

std::vector<TlsServer> tls_servers(const std::vector<Directive>& tree, const std::string& config_folder) {
  std::vector<TlsServer> servers;
  for (const Directive& http : tree) {
    if (http.words.empty() || http.words[0] != "http") continue;
    const auto inherited = certificates_of(http.block, config_folder);
    for (const Directive& server : http.block) {
      if (server.words.empty() || server.words[0] != "server") continue;
      TlsServer found = read_server(server.block, config_folder, inherited);
      if (!found.certificates.empty() && !found.listens.empty()) servers.push_back(std::move(found));
    }
  }
  return servers;
}

}  // namespace certctl::nginx
