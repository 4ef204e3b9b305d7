#pragma once

#include <string>
#include <vector>

// Questions about MPSGraph that only real hardware answers (birbs doctor asks
// them). Each may end the process where the answer is a bad one, so each runs
// in a process of its own. No Apple type here.
namespace birbs::metal {

std::vector<std::string> probe_names();

// Runs one probe: the answer in one sentence, and whether it is the answer our
// graphs rely on. A returned sentence in `error` means that it could not run.
struct ProbeAnswer {
  std::string text;
  bool as_relied_on = true;
  std::string error;
};
ProbeAnswer run_probe(const std::string& name) noexcept;

}  // namespace birbs::metal
