// The convolutions of the `birbs` network as bare oneDNN primitives, each in
// the layouts it likes best: the least a training step can take. One line of
// output, in milliseconds, for each line of input.
//
//     birbs_convolutions IMAGE_SIZE BATCH_SIZE THREADS

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "cpu/onednn.h"
#include "cpu/parallel.h"

namespace birbs::cpu {
namespace {

constexpr auto any = memory::format_tag::any;
constexpr auto direct = dnnl::algorithm::convolution_direct;

// A 3 x 3 convolution, stride 1, padding 1.
struct Size {
  int count, in, out, side;
};

class Convolutions {
 public:
  void add(const Size& size) {
    const memory::dims ones{1, 1};
    const auto x =
        describe_memory({size.count, size.in, size.side, size.side}, any);
    const auto weights = describe_memory({size.out, size.in, 3, 3}, any);
    const auto bias = describe_memory({size.out}, memory::format_tag::x);
    const auto y =
        describe_memory({size.count, size.out, size.side, size.side}, any);
    const auto plain = scratchpad_attributes();
    const memory::dims none{0, 0};
    const auto forward = describe_forward<dnnl::convolution_forward>(
        plain, dnnl::prop_kind::forward_training, direct, x, weights, bias, y,
        ones, none, ones, ones);
    add(forward, dnnl::convolution_forward(forward),
        {{DNNL_ARG_SRC, make(forward.src_desc())},
         {DNNL_ARG_WEIGHTS, make(forward.weights_desc())},
         {DNNL_ARG_BIAS, make(forward.bias_desc())},
         {DNNL_ARG_DST, make(forward.dst_desc())}});
    const auto gradient = describe_backward<dnnl::convolution_backward_weights>(
        plain, forward, direct, x, weights, bias, y, ones, none, ones, ones);
    add(gradient, dnnl::convolution_backward_weights(gradient),
        {{DNNL_ARG_SRC, make(gradient.src_desc())},
         {DNNL_ARG_DIFF_DST, make(gradient.diff_dst_desc())},
         {DNNL_ARG_DIFF_WEIGHTS, make(gradient.diff_weights_desc())},
         {DNNL_ARG_DIFF_BIAS, make(gradient.diff_bias_desc())}});
    if (size.in == 3) return;  // images need no gradient
    const auto backward = describe_backward<dnnl::convolution_backward_data>(
        plain, forward, direct, x, weights, y, ones, none, ones, ones);
    add(backward, dnnl::convolution_backward_data(backward),
        {{DNNL_ARG_DIFF_DST, make(backward.diff_dst_desc())},
         {DNNL_ARG_WEIGHTS, make(backward.weights_desc())},
         {DNNL_ARG_DIFF_SRC, make(backward.diff_src_desc())}});
  }

  // Milliseconds of all of them, each once.
  double run() {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    for (const Call& call : calls_) call.run(stream_);
    return std::chrono::duration<double, std::milli>(Clock::now() - start)
        .count();
  }

 private:
  template <typename PrimitiveDesc>
  void add(const PrimitiveDesc& desc, const dnnl::primitive& primitive,
           Arguments arguments) {
    arguments.insert({DNNL_ARG_SCRATCHPAD, make(desc.scratchpad_desc())});
    calls_.push_back({primitive, std::move(arguments)});
  }

  // Values of every size, as denormals or zeros would not do.
  memory make(const memory::desc& desc) {
    memory result(desc, cpu_engine());
    auto* values = static_cast<float*>(result.get_data_handle());
    for (size_t i = 0; i < desc.get_size() / sizeof(float); ++i) {
      values[i] = static_cast<float>(i * 7919 % 101) / 101 - 0.5f;
    }
    return result;
  }

  dnnl::stream stream_{cpu_engine()};
  std::vector<Call> calls_;
};

int run(int size, int count, int threads) {
  set_threads(threads);
  Convolutions convolutions;
  convolutions.add({count, 3, 32, size});
  convolutions.add({count, 32, 64, size / 2});
  convolutions.add({count, 64, 128, size / 4});
  const dnnl_version_t* version = dnnl_version();
  std::cout << "oneDNN " << version->major << "." << version->minor << "."
            << version->patch << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << convolutions.run() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace birbs::cpu

int main(int count, char** values) {
  if (count != 4) {
    std::cerr << "usage: birbs_convolutions IMAGE_SIZE BATCH_SIZE THREADS\n";
    return 2;
  }
  return birbs::cpu::run(std::atoi(values[1]), std::atoi(values[2]),
                         std::atoi(values[3]));
}
