#include "program.h"

#include <algorithm>

#include "fusion.h"

namespace birbs::portable {
namespace {

// Whether backward reads what the layer read forward.
bool keeps_input(const Plan& plan, int layer) {
  switch (plan.layers[layer].kind) {
    case OpKind::conv2d:
    case OpKind::dense:
      return !plan.layers[layer].frozen;
    case OpKind::batch_norm2d:
    case OpKind::relu:
    case OpKind::relu6:
    case OpKind::max_pool2d:
      return true;
    default:
      return false;
  }
}

// Whether the gradient of its output is that of its inputs.
bool passes_on(const Plan& plan, int layer) {
  const OpKind kind = plan.layers[layer].kind;
  return kind == OpKind::add || kind == OpKind::flatten;
}

}  // namespace

Program::Program(const Plan& plan) {
  for (int value = 0; value < plan.value_count(); ++value) {
    alias_.push_back(value);
  }
}

int Program::root(int value) const {
  return alias_[value] == value ? value : root(alias_[value]);
}

Program Program::training(const Plan& plan, int batch_size) {
  Program program(plan);
  for (int i = 0; i < static_cast<int>(plan.layers.size()); ++i) {
    Step step;
    step.layer = i;
    step.inputs = plan.inputs[i];
    step.output = i + 1;
    program.steps.push_back(std::move(step));
    if (plan.layers[i].kind == OpKind::flatten) {
      program.alias_[i + 1] = plan.inputs[i][0];
    }
  }
  program.place(plan, batch_size, true, plan.last_value());
  return program;
}

Program Program::inference(const Plan& plan, int batch_size, int target) {
  Program program(plan);
  const std::vector<bool> needed = layers_before(plan, target);
  for (int i = 0; i < static_cast<int>(plan.layers.size()); ++i) {
    if (!needed[i]) continue;
    const OpKind kind = plan.layers[i].kind;
    if (kind == OpKind::flatten || kind == OpKind::dropout) {
      program.alias_[i + 1] = plan.inputs[i][0];
      continue;
    }
    Step step;
    step.layer = i;
    step.inputs = plan.inputs[i];
    step.output = i + 1;
    if (kind == OpKind::conv2d) {
      const Fusion fusion = fuse_convolution(plan, i, target);
      step.output = fusion.output;
      step.norm = fusion.norm;
      step.addend = fusion.addend;
      step.activation = fusion.activation;
      if (fusion.addend >= 0) step.inputs.push_back(fusion.addend);
      i = fusion.output - 1;
    }
    program.steps.push_back(std::move(step));
  }
  program.place(plan, batch_size, false, target);
  return program;
}

// Time passes with the steps, forward 0 .. n-1, the loss at n, backward of step
// i at 2n - i.
void Program::place(const Plan& plan, int batch_size, bool backward,
                    int target) {
  const int n = static_cast<int>(steps.size());
  const size_t values = plan.shapes.size();
  std::vector<Lifetime> blocks(2 * values + n);
  auto begin = [&](size_t block, int value, int time) {
    blocks[block] = {plan.shapes[value].size() * batch_size, time, time};
  };
  auto until = [&](size_t block, int time) {
    blocks[block].last = std::max(blocks[block].last, time);
  };
  begin(0, 0, 0);
  std::vector<bool> read(values);  // by a later step
  for (int i = 0; i < n; ++i) {
    if (root(steps[i].output) == steps[i].output) {
      begin(steps[i].output, steps[i].output, i);
    }
    const bool kept = backward && plan.learns[steps[i].output] &&
                      keeps_input(plan, steps[i].layer);
    for (int input : steps[i].inputs) {
      until(root(input), kept ? 2 * n - i : i);
    }
  }
  until(root(target), backward ? 2 * n : n);
  for (int i = n; backward && i-- > 0;) {
    const int output = steps[i].output, time = 2 * n - i;
    if (!plan.learns[output]) continue;
    if (output == target) begin(values + output, output, n);
    until(values + output, time);
    for (int input : steps[i].inputs) {
      if (!plan.learns[input]) continue;
      if (!read[input]) {
        begin(values + input, input, time);
      } else if (!passes_on(plan, steps[i].layer)) {
        begin(2 * values + i, input, time);
      }
      read[input] = true;
    }
  }
  const Arena arena = pack_arena(blocks);
  auto offset = [&](size_t block) {
    return blocks[block].floats > 0 ? arena.offsets[block] : -1;
  };
  for (size_t value = 0; value < values; ++value) {
    values_.push_back(offset(root(static_cast<int>(value))));
    gradients_.push_back(offset(values + value));
  }
  for (int i = 0; i < n; ++i) scratch_.push_back(offset(2 * values + i));
  floats_ = arena.floats;
  memory_ = std::make_unique_for_overwrite<float[]>(floats_);
}

}  // namespace birbs::portable
