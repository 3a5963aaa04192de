#pragma once

#include <string>

#include "core/http/response.hpp"

namespace certctl::http {

/// What stands behind a Reply: the listener's, or a test's.
class Reply::State {
 public:
  virtual ~State() = default;
  virtual void answer(Response response) = 0;
  virtual void park(std::chrono::milliseconds limit, std::function<Response(ParkEnd)> end,
                    std::shared_ptr<State> self) = 0;
  virtual bool answered() const = 0;
  virtual const std::string& request_id() const = 0;
};

}  // namespace certctl::http
