#include "backend.h"
#include "run_operation.h"
#include "session.h"

namespace birbs {
namespace {

std::string isa_name() {
#if defined(__x86_64__)
  switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41:
      return "SSE 4.1";
    case dnnl_cpu_isa_avx:
      return "AVX";
    case dnnl_cpu_isa_avx2:
      return "AVX2";
    default:
      return "AVX-512";
  }
#else
  return "no x86";
#endif
}

class OnednnBackend : public Backend {
 public:
  std::string name() const override { return "cpu"; }
  std::string description() const override {
    const dnnl_version_t* version = dnnl_version();
    return "oneDNN " + std::to_string(version->major) + "." +
           std::to_string(version->minor) + "." +
           std::to_string(version->patch) + ", " + isa_name();
  }
  std::string unavailable() const override { return ""; }
  std::unique_ptr<Session> create_session(
      const SessionOptions& options) override {
    return std::make_unique<cpu::OnednnSession>(options);
  }
  std::vector<Tensor> run(const Operation& operation,
                          const std::vector<TensorView>& inputs) override {
    return cpu::run_operation(operation, inputs);
  }
};

}  // namespace

Backend& cpu_backend() {
  static OnednnBackend backend;
  return backend;
}

}  // namespace birbs
