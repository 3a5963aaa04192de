#pragma once

#include <span>

#include "core/base/text.hpp"

namespace certctl {

/// Fills with bytes of the kernel's generator, fit for tokens and nonces. Throws Error(internal) if it fails.
void fill_random(std::span<std::uint8_t> out);

}  // namespace certctl
