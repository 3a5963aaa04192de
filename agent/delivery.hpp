#pragma once

#include <chrono>

#include "agent/contact.hpp"
#include "agent/outbox.hpp"
#include "agent/session.hpp"

namespace certctl::agent {

/// Sends what waits in the outbox.
class Delivery {
 public:
  Delivery(Session& session, Outbox& outbox)
      : session_(session), outbox_(outbox), contact_("outbox", session.control_plane()) {}

  /// One pass over the outbox; how long to wait before the next.
  Duration turn(std::chrono::milliseconds time_limit = std::chrono::seconds(30));
  /// Tries until the outbox is empty or the time is up.
  void flush(std::chrono::milliseconds limit);

 private:
  enum class Fate { done, later, stop };
  Fate deliver(const Letter& letter, const Answer& answer);
  bool shrink(const Letter& letter);
  void discard(const Letter& letter, const Answer& answer);

  Session& session_;
  Outbox& outbox_;
  Contact contact_;
};

}  // namespace certctl::agent
