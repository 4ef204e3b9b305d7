#include "portable_session.h"
#include "run_operation.h"
#include "simd.h"

namespace birbs {
namespace {

class PortableBackend : public Backend {
 public:
  std::string name() const override { return "portable"; }
  std::string description() const override {
#ifdef BIRBS_BLAS
    return std::string("plain C++ loops and ") + BIRBS_BLAS + ", " +
           instruction_set_name();
#else
    return "plain C++ loops, " + instruction_set_name();
#endif
  }
  std::string unavailable() const override { return ""; }
  std::unique_ptr<Session> create_session(
      const SessionOptions& options) override {
    return std::make_unique<portable::PortableSession>(options);
  }
  std::vector<Tensor> run(const Operation& operation,
                          const std::vector<TensorView>& inputs) override {
    return portable::run_operation(operation, inputs);
  }
};

}  // namespace

Backend& portable_backend() {
  static PortableBackend backend;
  return backend;
}

}  // namespace birbs
