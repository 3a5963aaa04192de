#include "core/http/router.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

#include "core/base/text.hpp"

namespace certctl::http {

const std::string& Request::parameter(std::string_view name) const {
  const auto found = parameters.find(name);
  if (found == parameters.end()) throw std::logic_error("the route has no parameter " + std::string(name));
  return found->second;
}

/// One segment of the tree; routes end where `routes` is not empty.
struct Router::Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
  std::unique_ptr<Node> parameter;
  std::map<std::string, Route*, std::less<>> routes;  ///< by method
  std::map<std::string, Route*, std::less<>> tails;   ///< `{name...}`
};

namespace {

struct Segment {
  enum class Kind { literal, parameter, tail } kind;
  std::string text;
};

std::vector<Segment> parse_pattern(std::string_view pattern) {
  const auto malformed = [&](const char* why) {
    return std::logic_error("route pattern " + std::string(pattern) + ": " + why);
  };
  if (pattern.empty() || pattern.front() != '/') throw malformed("does not begin with a slash");
  std::vector<Segment> segments;
  for (const auto part : split(pattern.substr(1), '/')) {
    if (!segments.empty() && segments.back().kind == Segment::Kind::tail)
      throw malformed("a tail must be the last segment");
    if (part.empty() || part.front() != '{') {
      if (part.find_first_of("{}") != std::string_view::npos) throw malformed("a parameter is a whole segment");
      segments.push_back({Segment::Kind::literal, std::string(part)});
      continue;
    }
    if (part.back() != '}' || part.size() < 3) throw malformed("unbalanced brace");
    std::string_view name = part.substr(1, part.size() - 2);
    const bool tail = name.ends_with("...");
    if (tail) name.remove_suffix(3);
    segments.push_back({tail ? Segment::Kind::tail : Segment::Kind::parameter, std::string(name)});
  }
  return segments;
}

/// The part of a raw path behind its first `count` segments.
std::string_view raw_rest(std::string_view raw_path, std::size_t count) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < count; ++i) at = raw_path.find('/', at + 1);
  return raw_path.substr(at + 1);
}

}  // namespace

Router::Router() : root_(std::make_unique<Node>()) {}
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;

void Router::add(std::string_view method, std::string_view pattern, RouteOptions options, Handler handler) {
  insert({std::string(method), std::string(pattern), std::move(options), std::move(handler), {}});
}

void Router::add_async(std::string_view method, std::string_view pattern, RouteOptions options, AsyncHandler handler) {
  insert({std::string(method), std::string(pattern), std::move(options), std::move(handler), {}});
}

void Router::insert(Route route) {
  auto stored = std::make_unique<Route>(std::move(route));
  Node* node = root_.get();
  bool tail = false;
  for (auto& segment : parse_pattern(stored->pattern)) {
    if (segment.kind == Segment::Kind::literal) {
      auto& child = node->literals[segment.text];
      if (!child) child = std::make_unique<Node>();
      node = child.get();
      continue;
    }
    stored->parameter_names.push_back(std::move(segment.text));
    tail = segment.kind == Segment::Kind::tail;
    if (tail) break;
    if (!node->parameter) node->parameter = std::make_unique<Node>();
    node = node->parameter.get();
  }
  auto& table = tail ? node->tails : node->routes;
  if (!table.emplace(stored->method, stored.get()).second) {
    throw std::logic_error("route " + stored->method + " " + stored->pattern + " is registered twice");
  }
  routes_.push_back(std::move(stored));
}

namespace {

using Table = std::map<std::string, Route*, std::less<>>;

const Route* choose(const Table& table, std::string_view method) {
  const auto found = table.find(method);
  if (found != table.end()) return found->second;
  return method == "HEAD" ? choose(table, "GET") : nullptr;
}

}  // namespace

Router::Match Router::match(std::string_view method, std::string_view raw_path) const {
  Match match;
  std::set<std::string> allowed;
  const auto offer = [&](const Table& table) {
    for (const auto& [name, route] : table) {
      allowed.insert(name);
      if (name == "GET") allowed.insert("HEAD");
      match.path_known = true;
      if (route->options.auth == Auth::none) match.least_auth = Auth::none;
    }
  };

  // A raw tail may hold `//`, which split_path() refuses: the base64 of an OCSP GET does.
  if (raw_path.empty() || raw_path.front() != '/' || raw_path.find('\0') != std::string_view::npos) {
    match.bad_path = true;
    return match;
  }
  const auto segments = split_path(raw_path);
  const auto parts = split(raw_path.substr(1), '/');

  // Depth first: literals before parameters before tails.
  const auto walk = [&](const auto& self, const Node& node, std::size_t depth) -> const Route* {
    if (segments && depth == parts.size()) {
      if (!node.routes.empty()) {
        offer(node.routes);
        if (const auto* route = choose(node.routes, method)) return route;
      }
      return nullptr;
    }
    const auto part = depth < parts.size() ? decode_segment(parts[depth]) : std::nullopt;
    if (part) {
      if (const auto child = node.literals.find(*part); child != node.literals.end()) {
        if (const auto* route = self(self, *child->second, depth + 1)) return route;
      }
      if (node.parameter && !part->empty()) {
        match.values.push_back(*part);
        if (const auto* route = self(self, *node.parameter, depth + 1)) return route;
        match.values.pop_back();
      }
    }
    const auto is_clean = [](std::string_view rest) { return decode_segment(rest).has_value(); };
    if (!node.tails.empty() && depth < parts.size() &&
        std::all_of(parts.begin() + std::ptrdiff_t(depth), parts.end(), is_clean)) {
      offer(node.tails);
      if (const auto* route = choose(node.tails, method)) {
        match.values.emplace_back(raw_rest(raw_path, depth));
        return route;
      }
    }
    return nullptr;
  };
  match.route = walk(walk, *root_, 0);
  match.bad_path = !segments && match.route == nullptr;
  if (segments) match.segments = *segments;
  std::vector<std::string> names(allowed.begin(), allowed.end());
  match.allow = join(names, ", ");
  return match;
}

std::vector<const Route*> Router::routes() const {
  std::vector<const Route*> all;
  for (const auto& route : routes_) all.push_back(route.get());
  std::ranges::sort(all, [](const Route* a, const Route* b) {
    return std::tie(a->pattern, a->method) < std::tie(b->pattern, b->method);
  });
  return all;
}

}  // namespace certctl::http
