// standin_selftest list: the cases as JSON.
// standin_selftest NAME: runs one; 0 if all is as expected. A strict case
// aborts.

#include <cstdio>
#include <cstring>

#include "harness.h"

using namespace selftest;

namespace {

void list(const char* kind, const std::vector<Case>& cases, bool last) {
  std::printf("\"%s\": [", kind);
  for (size_t i = 0; i < cases.size(); ++i) {
    std::printf("%s\n  {\"name\": \"%s\", \"expect\": \"%s\"}", i ? "," : "",
                cases[i].name, cases[i].expect);
  }
  std::printf("]%s\n", last ? "" : ",");
}

bool run(const std::vector<Case>& cases, const char* name) {
  for (const Case& one : cases) {
    if (std::strcmp(one.name, name) != 0) continue;
    if (std::strcmp(name, "no pool") == 0) {
      one.run();
      return true;
    }
    @autoreleasepool {
      one.run();
    }
    return true;
  }
  return false;
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 2 && std::strcmp(arguments[1], "list") == 0) {
    std::printf("{");
    list("strict", strict_cases(), false);
    list("refusals", refusal_cases(), false);
    list("numbers", number_cases(), false);
    list("behaviour", behaviour_cases(), true);
    std::printf("}\n");
    return 0;
  }
  for (int i = 1; i < count; ++i) {
    if (!run(strict_cases(), arguments[i]) &&
        !run(refusal_cases(), arguments[i]) &&
        !run(number_cases(), arguments[i]) &&
        !run(behaviour_cases(), arguments[i])) {
      std::fprintf(stderr, "no case %s\n", arguments[i]);
      return 2;
    }
  }
  return 0;
}
