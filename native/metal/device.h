#pragma once

#include <cstdint>
#include <string>

// No Apple type here: what the C++ side may know of the device.
namespace birbs::metal {

struct DeviceFacts {
  std::string name;    // "Apple M2 Pro"
  std::string family;  // "Apple 8", the newest the device answers to
  std::string system;  // "macOS 15.1"
  bool unified_memory = false;
  bool virtual_device = false;     // hosted runners: results may be wrong there
  uint64_t working_set_bytes = 0;  // recommended largest, 0 if it does not say
  uint64_t largest_buffer_bytes = 0;
};

// Empty and the facts of the device, or why there is none that can be used.
std::string find_device(DeviceFacts* facts) noexcept;

}  // namespace birbs::metal
