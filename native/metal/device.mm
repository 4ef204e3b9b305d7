#include "device.h"

#include <iterator>

#include "objects.h"

namespace birbs::metal {

namespace {

std::string newest_family(id<MTLDevice> device) {
  const std::pair<MTLGPUFamily, const char*> families[] = {
      {MTLGPUFamilyApple9, "Apple 9"}, {MTLGPUFamilyApple8, "Apple 8"},
      {MTLGPUFamilyApple7, "Apple 7"}, {MTLGPUFamilyApple6, "Apple 6"},
      {MTLGPUFamilyApple5, "Apple 5"}, {MTLGPUFamilyMac2, "Mac 2"},
  };
  for (const auto& [family, name] : families) {
    if ([device supportsFamily:family]) return name;
  }
  return "unknown family";
}

std::string system_name() {
  const NSOperatingSystemVersion version =
      [[NSProcessInfo processInfo] operatingSystemVersion];
  return "macOS " + std::to_string(version.majorVersion) + "." +
         std::to_string(version.minorVersion);
}

bool is_new_enough() {
  if (@available(macOS 13.0, *)) return true;
  return false;
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
