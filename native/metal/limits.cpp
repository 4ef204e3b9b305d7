#include "limits.h"

#include <algorithm>

#include "door.h"

namespace birbs::metal {

namespace {

constexpr int64_t kElements = int64_t{1} << 31;  // of one tensor, exclusive
constexpr int64_t kBytes = int64_t{1} << 32;     // of one NDArray, exclusive
constexpr int64_t kSide = 65536;  // before macOS 15.1 larger ones are wrong
constexpr int64_t kKernel = 255;  // from 256 on the forward result is wrong

void check_tensor(const std::string& what, const std::vector<int64_t>& shape) {
  int64_t elements = 1;
  for (int64_t side : shape) {
    if (side > kSide && shape.size() == 4) {
      throw Error(what +
                  ": Metal takes images of at most 65536 in each "
                  "dimension but this is " +
                  std::to_string(side) + "; choose a smaller image size");
    }
    elements *= side;
    if (elements >= kElements || elements * 4 >= kBytes) {
      throw Error(what +
                  ": Metal takes tensors of less than 4 GiB but this "
                  "one is larger; choose a smaller batch or image size");
    }
  }
}

void check_window(const std::string& what, const Window& window) {
  const int kernel = std::max(window.kernel_height, window.kernel_width);
  if (kernel > kKernel) {
    throw Error(what + ": Metal takes kernels of at most 255 but this is " +
                std::to_string(kernel));
  }
}

}  // namespace

void check_limits(const Plan& plan, int batch_size) {
  for (size_t i = 0; i < plan.shapes.size(); ++i) {
    const Shape& shape = plan.shapes[i];
    const std::string what =
        i == 0 ? "the images" : "layer " + std::to_string(i);
    check_tensor(what, {batch_size, shape.height, shape.width, shape.channels});
    if (i > 0) check_window(what, plan.layers[i - 1].window);
  }
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    if (plan.layers[i].kind != OpKind::add || !plan.shapes[i + 1].flat)
      continue;
    auto counted = [&](size_t k) {
      return counted_shape(plan, plan.inputs[i][k]);
    };
    // Flattened images lie in another order than what a dense layer gives.
    if (counted(0) == counted(1)) continue;
    throw Error(layer_prefix(OpKind::add, i) +
                "Metal adds features that were images of one shape; add before "
                "flatten.");
  }
  for (const Parameter& parameter : plan.parameters) {
    check_tensor(parameter.name, {parameter.size});
  }
}

void check_limits(const Operation& operation,
                  const std::vector<TensorView>& inputs,
                  const std::vector<std::vector<int64_t>>& outputs) {
  const std::string what =
      "[" + std::string(operation_name(operation.kind)) + "]";
  for (const TensorView& input : inputs) check_tensor(what, input.shape);
  for (const auto& output : outputs) check_tensor(what, output);
  check_window(what, operation.window);
  if (!inputs.empty() && !inputs[0].shape.empty() &&
      inputs[0].shape[0] >= kSide) {
    throw Error(what + " Metal takes batches of at most 65535 but this is " +
                std::to_string(inputs[0].shape[0]));
  }
}

int64_t bytes_per_image(const Network& network, const Plan& plan) {
  int64_t floats = 0;
  for (const Shape& shape : plan.shapes) floats += shape.size();
  // Each activation has a gradient of the same size.
  return floats * 2 * static_cast<int64_t>(sizeof(float)) +
         network.input.size();
}

}  // namespace birbs::metal
