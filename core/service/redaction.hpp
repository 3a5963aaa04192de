#pragma once

#include "core/base/json.hpp"

namespace certctl::service {

/// Audit details with credentials and personal data replaced (`[REDACTED:CREDENTIAL]`, `[REDACTED:PII]`), keys matched
/// exactly without letter case at any depth, private keys and bearer tokens in any text. The dotted paths of what was
/// replaced are listed in `redacted_keys`. Empty details become null; details over 64 KiB are cut to a note.
json::Raw redact_details(const json::Raw& details);

}  // namespace certctl::service
