#include "device.h"

#include <iterator>

#include "objects.h"

namespace birbs::metal {

namespace {

std::string newest_family(id<MTLDevice> device) {
  // By number: the SDK of the oldest Xcode has no names for the newest.
  const std::pair<int, const char*> families[] = {
      {1010, "Apple 10"}, {1009, "Apple 9"}, {1008, "Apple 8"},
      {1007, "Apple 7"},  {1006, "Apple 6"}, {1005, "Apple 5"},
      {2002, "Mac 2"},
  };
  for (const auto& [family, name] : families) {
    if ([device supportsFamily:static_cast<MTLGPUFamily>(family)]) return name;
  }
  return "unknown family";
}

std::string system_name() {
  const NSOperatingSystemVersion version =
      [[NSProcessInfo processInfo] operatingSystemVersion];
  return "macOS " + std::to_string(version.majorVersion) + "." +
         std::to_string(version.minorVersion);
}

// Not by @available: where 13 is the oldest that is built for, the compiler
// takes it for true.
bool is_new_enough() {
  const NSOperatingSystemVersion oldest = {13, 0, 0};
  return [[NSProcessInfo processInfo] isOperatingSystemAtLeastVersion:oldest];
}

}  // namespace

std::string find_device(GpuFacts* facts) noexcept {
  @autoreleasepool {
    if (!is_new_enough()) {
      return "Metal is unavailable, because training on it needs macOS 13 or "
             "newer and this is " +
             system_name();
    }
    id<MTLDevice> device = shared_device();
    if (device == nil) {
      return "Metal is unavailable, because this Mac or virtual machine shows "
             "no GPU to this process";
    }
    facts->name = [[device name] UTF8String];
    if (!MPSSupportsMTLDevice(device)) {
      return "Metal is unavailable, because Metal Performance Shaders does not "
             "support the device " +
             facts->name;
    }
    facts->family = newest_family(device);
    facts->system = system_name();
    facts->unified_memory = [device hasUnifiedMemory];
    facts->virtual_device =
        facts->name.find("Paravirtual") != std::string::npos;
    facts->working_set_bytes = [device recommendedMaxWorkingSetSize];
    return "";
  }
}

}  // namespace birbs::metal
