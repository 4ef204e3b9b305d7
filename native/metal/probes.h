#pragma once

#include <string>
#include <vector>

#include "backend.h"

// Questions about MPSGraph that only real hardware answers (birbs doctor asks
// them). Each may end the process where the answer is a bad one, so each runs
// in a process of its own. No Apple type here.
namespace birbs::metal {

std::vector<std::string> probe_names();

ProbeAnswer run_probe(const std::string& name) noexcept;

}  // namespace birbs::metal
