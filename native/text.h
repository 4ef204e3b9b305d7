#pragma once

#include <cstdio>
#include <string>

namespace birbs {

// A number as a message shows it: 0.1, not 0.100000.
inline std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", value);
  return text;
}

}  // namespace birbs
