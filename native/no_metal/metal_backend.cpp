#include "backend.h"

namespace birbs {
namespace {

#if defined(__APPLE__)
constexpr const char* system_name = "macOS without the Metal room";
#elif defined(_WIN32)
constexpr const char* system_name = "Windows";
#elif defined(__linux__)
constexpr const char* system_name = "Linux";
#else
constexpr const char* system_name = "this system";
#endif

// Says why there is no Metal here.
class NoMetalBackend : public Backend {
 public:
  std::string name() const override { return "metal"; }
  std::string description() const override { return unavailable(); }
  std::string unavailable() const override {
    return std::string("this build is for ") + system_name +
           ", and Metal needs macOS 13 or newer on Apple silicon; use the "
           "device cpu.";
  }
  std::unique_ptr<Session> create_session(const SessionOptions&) override {
    throw Error("device metal: " + unavailable());
  }
  std::vector<Tensor> run(const Operation&,
                          const std::vector<TensorView>&) override {
    throw Error("device metal: " + unavailable());
  }
};

}  // namespace

Backend& metal_backend() {
  static NoMetalBackend backend;
  return backend;
}

}  // namespace birbs
