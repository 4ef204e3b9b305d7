#include "backend.h"

namespace birbs {
namespace {

// The portable kernels under the name cpu.
class PortableCpuBackend : public Backend {
 public:
  std::string name() const override { return "cpu"; }
  std::string description() const override {
    return portable_backend().description() + " (built without oneDNN)";
  }
  std::string unavailable() const override { return ""; }
  std::unique_ptr<Session> create_session(
      const SessionOptions& options) override {
    return portable_backend().create_session(options);
  }
  std::vector<Tensor> run(const Operation& operation,
                          const std::vector<TensorView>& inputs) override {
    return portable_backend().run(operation, inputs);
  }
};

}  // namespace

Backend& cpu_backend() {
  static PortableCpuBackend backend;
  return backend;
}

}  // namespace birbs
