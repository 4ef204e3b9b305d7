#pragma once

#include <string>

namespace standin {

// Where Apple's frameworks abort, or are undefined: says what was done and
// which rule it breaks, and ends the process.
[[noreturn]] void fail(const std::string& what, const std::string& rule);

inline void require(bool condition, const std::string& what,
                    const std::string& rule) {
  if (!condition) fail(what, rule);
}

}  // namespace standin
