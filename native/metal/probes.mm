#include "probes.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <map>

#include "objects.h"

namespace birbs::metal {

namespace {

// One small graph, run once on its own queue.
class Trial {
 public:
  Trial() : queue_(new_queue()) {}

  Graph graph;
  MPSGraphOptimization level = MPSGraphOptimizationLevel0;

  // Results as floats, a vector a target; `error` is set on failure.
  std::vector<std::vector<float>> run(
      const std::vector<std::pair<Value, std::vector<float>>>& feeds,
      const std::vector<Value>& targets,
      NSArray<MPSGraphOperation*>* operations = nil) {
    std::vector<Value> asked;
    for (const auto& feed : feeds) asked.push_back(feed.first);
    Executable executable;
    error = executable.compile(graph, asked, targets, operations, level);
    if (!error.empty()) return {};
    std::vector<Storage> sources(feeds.size()), results(targets.size());
    std::vector<const Storage*> source_list, result_list;
    for (size_t i = 0; i < feeds.size(); ++i) {
      if (!sources[i].allocate(asked[i])) return fail("no memory");
      std::memcpy(sources[i].bytes(), feeds[i].second.data(),
                  sources[i].size());
      source_list.push_back(&sources[i]);
    }
    for (size_t i = 0; i < targets.size(); ++i) {
      if (!results[i].allocate(targets[i])) return fail("no memory");
      result_list.push_back(&results[i]);
    }
    const auto arranged_feeds = executable.arrange_feeds(source_list);
    const auto arranged = executable.arrange_results(result_list);
    error = metal::run(queue_.get(), executable, arranged_feeds.get(),
                       arranged.get());
    if (!error.empty()) return {};
    std::vector<std::vector<float>> numbers;
    for (const Storage& result : results) {
      const auto* first = static_cast<const float*>(result.bytes());
      numbers.emplace_back(first, first + result.size() / sizeof(float));
    }
    return numbers;
  }

  // Seconds of `count` runs: one after the other, or `slots` in flight.
  double time(const Value& feed, const Value& target, int count, int slots) {
    Executable executable;
    error = executable.compile(graph, {feed}, {target}, nil);
    if (!error.empty()) return 0;
    std::vector<Storage> sources(static_cast<size_t>(slots)),
        results(static_cast<size_t>(slots));
    std::vector<Owned<NSArray<MPSGraphTensorData*>*>> feeds, arranged;
    for (size_t i = 0; i < sources.size(); ++i) {
      if (!sources[i].allocate(feed) || !results[i].allocate(target)) {
        error = "no memory";
        return 0;
      }
      feeds.push_back(executable.arrange_feeds({&sources[i]}));
      arranged.push_back(executable.arrange_results({&results[i]}));
    }
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < count && error.empty(); ++i) {
      @autoreleasepool {
        const auto slot = static_cast<size_t>(i % slots);
        // The last of each round waits, so that no slot is used twice.
        if (i % slots == slots - 1) {
          error = metal::run(queue_.get(), executable, feeds[slot].get(),
                             arranged[slot].get());
        } else {
          error = submit(queue_.get(), executable, feeds[slot].get(),
                         arranged[slot].get(), [](Ended) {});
        }
      }
    }
    const std::chrono::duration<double> taken =
        std::chrono::steady_clock::now() - begin;
    return taken.count();
  }

  std::string error;

 private:
  std::vector<std::vector<float>> fail(const char* text) {
    error = text;
    return {};
  }
  Owned<id<MTLCommandQueue>> queue_;
};

std::string text_of(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", number);
  return text;
}

std::string milliseconds(double seconds) {
  return text_of(seconds * 1e3) + " ms";
}

Window padded_3x3() {
  Window window{3, 3};
  window.pad_top = window.pad_bottom = window.pad_left = window.pad_right = 1;
  return window;
}

// Numbers from -1 to 1 that repeat late.
std::vector<float> waves(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    values[i] = std::sin(static_cast<float>(i) * 1.7f);
  }
  return values;
}

bool near(double a, double b) { return std::abs(a - b) <= 1e-5; }

ProbeAnswer mean_reduction() {
  Trial trial;
  Graph& g = trial.graph;
  const Value logits = g.placeholder({4, 10}, MPSDataTypeFloat32);
  const Value labels = g.placeholder({4, 10}, MPSDataTypeFloat32);
  MPSGraphTensor* loss =
      [g.get() softMaxCrossEntropyWithSourceTensor:logits.tensor
                                      labelsTensor:labels.tensor
                                              axis:1
                                     reductionType:MPSGraphLossReductionTypeMean
                                              name:nil];
  MPSGraphTensor* shaped = [g.get() reshapeTensor:loss
                                        withShape:mps_shape({1})
                                             name:nil];
  const Value flat{shaped, {1}, MPSDataTypeFloat32};
  std::vector<float> one_hot(40, 0.0f);
  for (size_t i = 0; i < 4; ++i) one_hot[10 * i + i] = 1;
  const auto results = trial.run(
      {{logits, std::vector<float>(40, 0.5f)}, {labels, one_hot}}, {flat});
  if (!trial.error.empty()) return {"", false, trial.error};
  const double found = results[0][0];
  return {"uniform logits over 10 classes give a mean loss of " +
              text_of(found) + " (ln 10 is 2.30259); our graphs make their own",
          std::isfinite(found), ""};
}

ProbeAnswer pool_ties() {
  Trial trial;
  Graph& g = trial.graph;
  const Window window{2, 2, 2, 2};
  const Value x = g.placeholder({1, 2, 2, 1}, MPSDataTypeFloat32);
  const Value dy = g.placeholder({1, 1, 1, 1}, MPSDataTypeFloat32);
  const Value dx = g.max_pool2d_gradient(dy, x, window);
  const auto results =
      trial.run({{x, std::vector<float>(4, 1.0f)}, {dy, {1}}}, {dx});
  if (!trial.error.empty()) return {"", false, trial.error};
  std::string shares;
  double total = 0;
  for (float share : results[0]) {
    shares += (shares.empty() ? "" : ", ") + text_of(share);
    total += share;
  }
  return {"four equal maxima share a gradient of 1 as " + shares,
          near(total, 1), ""};
}

ProbeAnswer assigns_from_old_values() {
  Trial trial;
  Graph& g = trial.graph;
  const float one = 1, two = 2;
  const Value a = g.variable(&one, {1}), b = g.variable(&two, {1});
  const Value unused = g.placeholder({1}, MPSDataTypeFloat32);
  const Value target = g.offset(unused, 0);
  trial.run({{unused, {0}}}, {target},
            @[ g.assign(a, g.offset(b, 0)), g.assign(b, g.offset(a, 0)) ]);
  if (!trial.error.empty()) return {"", false, trial.error};
  const auto results = trial.run({}, {g.read(a), g.read(b)});
  if (!trial.error.empty()) return {"", false, trial.error};
  const bool swapped = results[0][0] == 2 && results[1][0] == 1;
  return {"two variables that take each other's value end as " +
              text_of(results[0][0]) + " and " + text_of(results[1][0]) +
              " (from 1 and 2); our graphs read all before they assign",
          swapped || results[0][0] == results[1][0], ""};
}

ProbeAnswer variables_shared() {
  Trial trial;
  Graph& g = trial.graph;
  const float zero = 0;
  const Value counter = g.variable(&zero, {1});
  const Value unused = g.placeholder({1}, MPSDataTypeFloat32);
  for (int i = 0; i < 3; ++i) {
    trial.run({{unused, {0}}}, {g.offset(unused, 0)},
              @[ g.assign(counter, g.offset(counter, 1)) ]);
    if (!trial.error.empty()) return {"", false, trial.error};
  }
  const auto results = trial.run({}, {g.read(counter)});
  if (!trial.error.empty()) return {"", false, trial.error};
  return {"three executables that add 1 to a variable leave " +
              text_of(results[0][0]) + " for a fourth to read",
          results[0][0] == 3, ""};
}

ProbeAnswer half_accumulation() {
  Trial trial;
  Graph& g = trial.graph;
  const Value x = g.placeholder({1, 1, 1, 4096}, MPSDataTypeFloat32);
  const Value w = g.placeholder({1, 1, 4096, 1}, MPSDataTypeFloat32);
  const Value full = g.conv2d(x, w, Window{}, 1);
  const Value half =
      g.cast(g.conv2d(g.cast(x, MPSDataTypeFloat16),
                      g.cast(w, MPSDataTypeFloat16), Window{}, 1),
             MPSDataTypeFloat32);
  std::vector<float> ones(4096, 1.0f), small(4096, 1.0f / 4096);
  small[0] = 1;
  const auto results = trial.run({{x, ones}, {w, small}}, {full, half});
  if (!trial.error.empty()) return {"", false, trial.error};
  const double error = std::abs(results[1][0] / results[0][0] - 1);
  return {"a float16 sum of 4,096 products is off by " + text_of(error) +
              " of its float32 value",
          error < 0.01, ""};
}

ProbeAnswer unused_feeds() {
  Trial trial;
  Graph& g = trial.graph;
  const Value used = g.placeholder({1}, MPSDataTypeFloat32);
  const Value unused = g.placeholder({2}, MPSDataTypeFloat32);
  const auto results =
      trial.run({{used, {3}}, {unused, {0, 0}}}, {g.offset(used, 1)});
  if (!trial.error.empty()) return {"", false, trial.error};
  return {"a feed that nothing needs does no harm (3 + 1 = " +
              text_of(results[0][0]) + ")",
          results[0][0] == 4, ""};
}

ProbeAnswer slots_against_blocking() {
  Trial trial;
  Graph& g = trial.graph;
  const Value x = g.placeholder({16, 32, 32, 16}, MPSDataTypeFloat32);
  const Value w =
      g.constants(std::vector<float>(3 * 3 * 16 * 16, 0.01f), {3, 3, 16, 16});
  const Value y = g.conv2d(x, w, padded_3x3(), 1);
  trial.time(x, y, 6, 1);  // warm up
  const double blocking = trial.time(x, y, 60, 1);
  const double flying = trial.time(x, y, 60, 3);
  if (!trial.error.empty()) return {"", false, trial.error};
  return {"60 small runs take " + milliseconds(blocking) + " one by one and " +
              milliseconds(flying) + " with three in flight",
          true, ""};
}

ProbeAnswer optimization_levels() {
  std::vector<std::vector<float>> results;
  for (MPSGraphOptimization level :
       {MPSGraphOptimizationLevel0, MPSGraphOptimizationLevel1}) {
    Trial trial;
    trial.level = level;
    Graph& g = trial.graph;
    const Value x = g.placeholder({2, 12, 10, 8}, MPSDataTypeFloat32);
    const Value w = g.constants(waves(3 * 3 * 8 * 6), {3, 3, 8, 6});
    const Value y = g.relu(g.conv2d(x, w, padded_3x3(), 1));
    const auto found = trial.run({{x, waves(2 * 12 * 10 * 8)}}, {y});
    if (!trial.error.empty()) return {"", false, trial.error};
    results.push_back(found[0]);
  }
  double worst = 0, largest = 0;
  for (size_t i = 0; i < results[0].size(); ++i) {
    largest = std::max(largest, std::abs(double{results[0][i]}));
    worst = std::max(worst, std::abs(double{results[0][i]} - results[1][i]));
  }
  return {"a convolution compiled at level 1 is off by " +
              text_of(worst / largest) +
              " of its numbers at level 0, which our graphs use",
          std::isfinite(worst), ""};
}

ProbeAnswer layout_timing() {
  const int count = 40;
  Trial rows;
  const Value x = rows.graph.placeholder({16, 32, 32, 16}, MPSDataTypeFloat32);
  const Value w = rows.graph.constants(waves(3 * 3 * 16 * 16), {3, 3, 16, 16});
  const Value y = rows.graph.conv2d(x, w, padded_3x3(), 1);
  rows.time(x, y, 6, 1);  // warm up
  const double nhwc = rows.time(x, y, count, 1);

  Trial planes;
  Graph& g = planes.graph;
  const Value u = g.placeholder({16, 16, 32, 32}, MPSDataTypeFloat32);
  const Value v = g.constants(waves(16 * 16 * 3 * 3), {16, 16, 3, 3});
  MPSGraphConvolution2DOpDescriptor* descriptor =
      [MPSGraphConvolution2DOpDescriptor
          descriptorWithStrideInX:1
                        strideInY:1
                  dilationRateInX:1
                  dilationRateInY:1
                           groups:1
                      paddingLeft:1
                     paddingRight:1
                       paddingTop:1
                    paddingBottom:1
                     paddingStyle:MPSGraphPaddingStyleExplicit
                       dataLayout:MPSGraphTensorNamedDataLayoutNCHW
                    weightsLayout:MPSGraphTensorNamedDataLayoutOIHW];
  const Value z{
      [g.get() convolution2DWithSourceTensor : u.tensor weightsTensor : v
           .tensor descriptor : descriptor name : nil],
      { 16, 16, 32, 32 },
      MPSDataTypeFloat32};
  planes.time(u, z, 6, 1);
  const double nchw = planes.time(u, z, count, 1);
  const std::string error = rows.error.empty() ? planes.error : rows.error;
  if (!error.empty()) return {"", false, error};
  return {text_of(count) + " convolutions take " + milliseconds(nhwc) +
              " in NHWC, which our graphs use, and " + milliseconds(nchw) +
              " in NCHW",
          true, ""};
}

ProbeAnswer dropout_scaling() {
  Trial trial;
  Graph& g = trial.graph;
  const int64_t count = 4096;
  const Value x = g.placeholder({count}, MPSDataTypeFloat32);
  const Value y{[g.get() dropoutTensor : x.tensor rate : 0.25 name : nil],
                { count },
                MPSDataTypeFloat32};
  const auto results = trial.run({{x, std::vector<float>(count, 1.0f)}}, {y});
  if (!trial.error.empty()) return {"", false, trial.error};
  float kept = 0;
  int64_t zeros = 0;
  for (float value : results[0]) {
    if (value == 0) ++zeros;
    kept = std::max(kept, value);
  }
  return {"dropoutTensor at a rate of 0.25 zeroes " +
              text_of(static_cast<double>(zeros) / count) + " and makes 1 a " +
              text_of(kept) + "; our masks are our own",
          true, ""};
}

ProbeAnswer empty_targets() {
  Trial trial;
  Graph& g = trial.graph;
  const float one = 1;
  const Value counter = g.variable(&one, {1});
  trial.run({}, {}, @[ g.assign(counter, g.offset(counter, 1)) ]);
  if (!trial.error.empty()) return {"", false, trial.error};
  const auto results = trial.run({}, {g.read(counter)});
  if (!trial.error.empty()) return {"", false, trial.error};
  return {"a run of an assignment alone, without a target, leaves " +
              text_of(results[0][0]) + " (2 if it ran); ours have a target",
          true, ""};
}

const std::map<std::string, ProbeAnswer (*)()>& probes() {
  static const std::map<std::string, ProbeAnswer (*)()> all{
      {"mean-reduction", mean_reduction},
      {"max-pool-ties", pool_ties},
      {"assigns-from-old-values", assigns_from_old_values},
      {"variables-shared-by-executables", variables_shared},
      {"half-accumulation", half_accumulation},
      {"unused-feeds", unused_feeds},
      {"three-in-flight", slots_against_blocking},
      {"optimization-levels", optimization_levels},
      {"layout-timing", layout_timing},
      {"dropout-scaling", dropout_scaling},
      {"empty-targets", empty_targets},
  };
  return all;
}

}  // namespace

std::vector<std::string> probe_names() {
  std::vector<std::string> names;
  for (const auto& probe : probes()) names.push_back(probe.first);
  return names;
}

ProbeAnswer run_probe(const std::string& name) noexcept {
  const auto found = probes().find(name);
  if (found == probes().end()) return {"", false, "no probe of this name"};
  @autoreleasepool {
    ProbeAnswer answer;
    const std::string raised = attempt([&]() -> std::string {
      answer = found->second();
      return "";
    });
    if (!raised.empty()) return {"", false, raised};
    return answer;
  }
}

}  // namespace birbs::metal
