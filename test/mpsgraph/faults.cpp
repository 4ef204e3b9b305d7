#include "faults.h"

#include <cctype>
#include <cstdlib>
#include <map>
#include <mutex>
#include <sstream>

#include "counters.h"
#include "strict.h"

namespace standin {
namespace {

const std::map<std::string, std::string> defaults = {
    {"device", "apple"},
    {"macos", "15.0"},
    {"working_set", "12884901888"},
    {"max_buffer", "9663676416"},
    {"buffer_limit", "0"},
    {"heap_limit", "0"},
    {"queue", "1"},
    {"compile", "1"},
    {"delay", "0"},
    {"groups", "1"},
    {"split", "0"},
    {"assign", "end"},
    {"continue", "message"},
    {"raise", "0"},
    {"threads", "0"},
};

const std::map<std::string, Fault> faults = {
    {"internal", Fault::internal},
    {"timeout", Fault::timeout},
    {"page-fault", Fault::page_fault},
    {"out-of-memory", Fault::out_of_memory},
    {"device-removed", Fault::device_removed},
    {"nan", Fault::nan},
    {"wrong", Fault::wrong},
    {"gradient", Fault::gradient},
    {"lost", Fault::lost},
    {"abort", Fault::abort},
    {"hang", Fault::hang},
    {"raise", Fault::raise},
};

struct State {
  std::mutex mutex;
  std::map<std::string, std::string> settings;
  std::multimap<uint64_t, Fault> planned;  // by number of the command buffer
  uint64_t committed = 0;
  Fault lasting = Fault::none;

  State() { start(); }

  void start() {
    settings = defaults;
    planned.clear();
    lasting = Fault::none;
    committed = 0;
    for (auto& [key, value] : settings) {
      std::string name = "BIRBS_STANDIN_";
      for (char c : key) name += static_cast<char>(std::toupper(c));
      if (const char* text = std::getenv(name.c_str())) value = text;
    }
    const char* inject = std::getenv("BIRBS_STANDIN_INJECT");
    std::stringstream list(inject ? inject : "");
    for (std::string text; std::getline(list, text, ',');) {
      size_t split = text.find('@');
      auto fault = faults.find(text.substr(0, split));
      if (split == std::string::npos || fault == faults.end()) {
        fail("BIRBS_STANDIN_INJECT=" + text, "fault@number, ...");
      }
      planned.emplace(std::strtoull(text.c_str() + split + 1, nullptr, 10),
                      fault->second);
    }
  }
};

// Never freed: worker threads may outlive the end of main.
State& state() {
  static State* state = new State;
  return *state;
}

}  // namespace

std::string text_setting(const char* key) {
  std::lock_guard lock(state().mutex);
  return state().settings.at(key);
}

int64_t number_setting(const char* key) {
  return std::strtoll(text_setting(key).c_str(), nullptr, 10);
}

int64_t macos_version() {
  std::string text = text_setting("macos");
  size_t dot = text.find('.');
  int64_t minor =
      dot == std::string::npos ? 0 : std::atoll(text.c_str() + dot + 1);
  return std::atoll(text.c_str()) * 100 + minor;
}

Fault next_fault() {
  std::lock_guard lock(state().mutex);
  State& now = state();
  ++now.committed;
  Fault fault = now.lasting;
  auto [first, last] = now.planned.equal_range(now.committed);
  for (auto plan = first; plan != last; ++plan) {
    if (fault != Fault::device_removed) fault = plan->second;
  }
  now.planned.erase(first, last);
  if (fault == Fault::abort) fail("an assertion of Apple's", "injected");
  if (fault == Fault::device_removed || fault == Fault::wrong ||
      fault == Fault::gradient || fault == Fault::lost) {
    now.lasting = fault;
  }
  return fault;
}

}  // namespace standin

int standin_set(const char* key, const char* value) {
  using namespace standin;
  std::lock_guard lock(state().mutex);
  auto setting = state().settings.find(key);
  if (setting == state().settings.end()) return 0;
  if (setting->first != "device" && setting->first != "assign" &&
      setting->first != "continue") {
    char* end;
    std::strtod(value, &end);
    if (end == value || *end) return 0;
  }
  setting->second = value;
  return 1;
}

int standin_inject(const char* fault, uint64_t nth) {
  using namespace standin;
  auto found = faults.find(fault);
  if (found == faults.end() || nth == 0) return 0;
  std::lock_guard lock(state().mutex);
  state().planned.emplace(state().committed + nth, found->second);
  return 1;
}

void standin_reset() {
  using namespace standin;
  {
    std::lock_guard lock(state().mutex);
    state().start();
  }
  reset_counters();
}
