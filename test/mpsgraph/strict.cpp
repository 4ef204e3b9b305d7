#include "strict.h"

#include <cstdio>
#include <cstdlib>

namespace standin {

void fail(const std::string& what, const std::string& rule) {
  std::fprintf(stderr, "MPSGraph stand-in: %s (%s)\n", what.c_str(),
               rule.c_str());
  std::fflush(stderr);
  std::abort();
}

}  // namespace standin
