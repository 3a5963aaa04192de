#pragma once

#include <cstdint>
#include <vector>

namespace certctl::store {

/// Which part of a list: pages count from 1.
struct PageRequest {
  std::int64_t page = 1;
  std::int64_t per_page = 50;
  std::int64_t offset() const { return (page - 1) * per_page; }
};

template <typename T>
struct Page {
  std::vector<T> rows;
  std::int64_t total = 0;
};

}  // namespace certctl::store
