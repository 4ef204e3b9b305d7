#pragma once

#include <string>

#include "backend.h"

// No Apple type here: what the C++ side may know of the device.
namespace birbs::metal {

// Empty and the facts of the device, or why there is none that can be used.
std::string find_device(GpuFacts* facts) noexcept;

}  // namespace birbs::metal
