#pragma once

#include <exception>
#include <new>
#include <stdexcept>
#include <system_error>

namespace birbs {

inline constexpr char device_fault[] = "ERR_DEVICE_FAULT";

// A command on the device failed: what it holds is lost, but it may work again.
struct DeviceFault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// One sentence for whatever native code throws. Allocates nothing.
inline const char* message_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error)) {
    return "out of memory: try a smaller batch or image size";
  }
  if (dynamic_cast<const std::system_error*>(&error)) {
    return "no thread could be started: try fewer threads, or allow more "
           "processes and memory (ulimit)";
  }
  return error.what();
}

// The same as Node.js names it (error.code); nullptr for everything else.
inline const char* code_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error)) return "ENOMEM";
  if (dynamic_cast<const DeviceFault*>(&error)) return device_fault;
  return dynamic_cast<const std::system_error*>(&error) ? "EAGAIN" : nullptr;
}

}  // namespace birbs
