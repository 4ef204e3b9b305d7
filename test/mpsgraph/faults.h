#pragma once

#include <cstdint>
#include <string>

#include "standin.h"

namespace standin {

std::string text_setting(const char* key);
int64_t number_setting(const char* key);
// 15.1 is 1501.
int64_t macos_version();

enum class Fault {
  none,
  internal,
  timeout,
  page_fault,
  out_of_memory,
  device_removed,
  nan,
  wrong,
  gradient,
  lost,
  abort,
  hang,
  raise,
};

// What befalls the command buffer that is committed now.
Fault next_fault();

}  // namespace standin
