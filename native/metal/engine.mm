#include "engine.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>

#include "limits.h"
#include "network_graph.h"
#include "objects.h"

namespace birbs::metal {

namespace {

using Arranged = Owned<NSArray<MPSGraphTensorData*>*>;

// The buffers of one step in flight.
struct Slot {
  Storage images, labels, valid, scalar, result;
  std::vector<Storage> masks;
  Arranged feeds, results;
  bool busy = false;
};

class MetalEngine final : public Engine {
 public:
  MetalEngine(const SessionOptions& options, const Plan& plan)
      : options_(options), plan_(plan), doors_(doors(plan)) {}
  ~MetalEngine() override;

  std::string open(const float* parameters);

  std::string train(const Batch& batch, float learning_rate,
                    std::function<void(StepResult)> done) noexcept override;
  std::string predict(const uint8_t* images, int count,
                      float* logits) noexcept override;
  std::string activations(const uint8_t* images, int count, int value,
                          float* output) noexcept override;
  std::string gradients(const Batch& batch, float* gradients, float* logits,
                        StepResult* result) noexcept override;
  std::string get(std::vector<float>* parameters,
                  OptimizerState* state) noexcept override;
  std::string set(const float* parameters,
                  const OptimizerState* state) noexcept override;
  std::string restore(const float* parameters,
                      const OptimizerState& state) noexcept override;
  bool is_transient() const noexcept override;
  int64_t memory_bytes() const noexcept override { return memory_; }

 private:
  // An executable up to a value, and what it fills.
  struct Inference {
    Executable executable;
    Storage output;
    Arranged feeds, results;
  };

  std::vector<Value> train_feeds() const;
  std::string compile_inference(int value, Inference* inference);
  std::string allocate(Slot* slot);
  std::string out_of_memory() const;
  std::string run_now(const Executable& executable, const Arranged& feeds,
                      const Arranged& results);
  Slot& free_slot();
  void drain();
  void fill(Slot* slot, const Batch& batch, float learning_rate);
  void fill_scalars(float* scalar, int count, float learning_rate);
  std::string compile_gradients();
  std::string compile_transfer();
  std::string load(const float* parameters, const OptimizerState& state);
  StepResult step_result(const Storage& result, int count,
                         double seconds) const;
  void count_skipped(const Storage& result);
  void read_set(const float* const* sources, size_t count,
                std::vector<float>* values) const;
  void read_state(const float* const* sources, OptimizerState* state) const;
  void write_stored(size_t i, const float* parameters,
                    const OptimizerState& state, float* target) const;

  const SessionOptions options_;
  const Plan plan_;
  const std::vector<Door> doors_;
  Owned<id<MTLCommandQueue>> queue_;
  NetworkGraph network_;  // outlives the executables below
  Executable train_, predict_, gradients_, load_, read_;
  std::map<int, Inference> inferences_;  // by value, made when first asked for
  std::vector<Value> gradient_targets_;
  std::vector<Slot> slots_;
  Storage logits_;
  Arranged predict_feeds_, predict_results_;
  int64_t memory_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Progress progress_;          // of float16's scale only the skipped steps
  uint64_t skipped_here_ = 0;  // since the device's count began at 0
  size_t next_ = 0;            // the slot of the next step
  double host_seconds_ = 0;    // of the newest step: to fill and to encode
  std::string broken_;         // the first error; nothing runs after it
  bool lacks_memory_ = false;  // whether that was its memory
};

MetalEngine::~MetalEngine() { drain(); }

std::string MetalEngine::out_of_memory() const {
  std::string text = "Metal: not enough memory for batch size " +
                     std::to_string(options_.batch_size);
  const uint64_t limit = [shared_device() recommendedMaxWorkingSetSize];
  const int64_t weights = plan_.parameter_count * 4 * 4;
  const int64_t room = static_cast<int64_t>(limit) - weights;
  const int64_t fits = room / bytes_per_image(options_.network, plan_);
  if (limit > 0 && fits < options_.batch_size) {
    if (fits < 1) return text + "; choose a smaller image size";
    return text + "; " + std::to_string(fits) + " would fit";
  }
  // By our count it fits: what others hold of the memory, nobody tells.
  const std::string smaller =
      options_.batch_size > 1
          ? "batch size " + std::to_string(options_.batch_size / 2)
          : "a smaller image size";
  return text + ", which would fit if other programs held less; close some " +
         "or choose " + smaller;
}

std::vector<Value> MetalEngine::train_feeds() const {
  std::vector<Value> feeds{network_.images, network_.labels, network_.valid,
                           network_.scalar};
  for (const DropoutFeed& dropout : network_.dropouts) {
    feeds.push_back(dropout.mask);
  }
  return feeds;
}

std::string MetalEngine::allocate(Slot* slot) {
  bool enough = slot->images.allocate(network_.images) &&
                slot->labels.allocate(network_.labels) &&
                slot->valid.allocate(network_.valid) &&
                slot->scalar.allocate(network_.scalar) &&
                slot->result.allocate(network_.train_result);
  slot->masks = std::vector<Storage>(network_.dropouts.size());
  for (size_t i = 0; enough && i < slot->masks.size(); ++i) {
    enough = slot->masks[i].allocate(network_.dropouts[i].mask);
  }
  if (!enough) return out_of_memory();
  std::vector<const Storage*> feeds{&slot->images, &slot->labels, &slot->valid,
                                    &slot->scalar};
  for (const Storage& mask : slot->masks) {
    feeds.push_back(&mask);
    memory_ += static_cast<int64_t>(mask.size());
  }
  memory_ += static_cast<int64_t>(slot->images.size());
  slot->feeds = train_.arrange_feeds(feeds);
  slot->results = train_.arrange_results({&slot->result});
  return "";
}

std::string MetalEngine::open(const float* parameters) {
  queue_ = Owned<id<MTLCommandQueue>>(new_queue());
  if (!queue_) return no_queue;
  build_network_graph(options_, plan_, doors_, parameters,
                      options_.half_precision, &network_);
  std::string failed =
      train_.compile(network_.graph, train_feeds(), {network_.train_result},
                     network_.updates.get());
  if (failed.empty()) {
    failed = predict_.compile(network_.graph, {network_.images},
                              {network_.logits}, nil);
  }
  if (!failed.empty()) return failed;
  slots_ = std::vector<Slot>(steps_in_flight);
  for (Slot& slot : slots_) {
    failed = allocate(&slot);
    if (!failed.empty()) return failed;
  }
  if (!logits_.allocate(network_.logits)) return out_of_memory();
  predict_feeds_ = predict_.arrange_feeds({&slots_[0].images});
  predict_results_ = predict_.arrange_results({&logits_});
  const auto sets = static_cast<int64_t>(1 + network_.moments.size() /
                                                 plan_.parameters.size());
  memory_ += plan_.parameter_count * 4 * (sets + 1) +
             options_.batch_size * bytes_per_image(options_.network, plan_);
  return "";
}

// Waits for the end. After an error nothing runs: what the device holds is no
// longer known.
std::string MetalEngine::run_now(const Executable& executable,
                                 const Arranged& feeds,
                                 const Arranged& results) {
  bool memory = false;
  const std::string failed =
      run(queue_.get(), executable, feeds.get(), results.get(), &memory);
  broken_ = memory ? out_of_memory() : failed;
  lacks_memory_ = memory;
  return broken_;
}

bool MetalEngine::is_transient() const noexcept {
  const std::lock_guard lock(mutex_);
  return !broken_.empty() && !lacks_memory_;
}

Slot& MetalEngine::free_slot() {
  std::unique_lock lock(mutex_);
  Slot& slot = slots_[next_];
  next_ = (next_ + 1) % slots_.size();
  changed_.wait(lock, [&] { return !slot.busy; });
  slot.busy = true;
  return slot;
}

void MetalEngine::drain() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    for (const Slot& slot : slots_) {
      if (slot.busy) return false;
    }
    return true;
  });
}

void MetalEngine::fill_scalars(float* scalar, int count, float learning_rate) {
  const Optimizer& o = options_.optimizer;
  const double rate = learning_rate;
  const std::lock_guard lock(mutex_);
  scalar[scalar_count_valid] = static_cast<float>(count);
  scalar[scalar_learning_rate] = learning_rate;
  scalar[scalar_keep] = static_cast<float>(1 - rate * o.weight_decay);
  scalar[scalar_known_skipped] = static_cast<float>(skipped_here_);
  for (int skipped = 0; skipped < steps_in_flight; ++skipped) {
    // At least 1: the count of skipped steps can't exceed the steps taken.
    const double t =
        std::max(1.0, static_cast<double>(progress_.updates()) + 1 - skipped);
    scalar[scalar_step_size + skipped] =
        static_cast<float>(rate / (1 - std::pow(o.beta1, t)));
    scalar[scalar_second_scale + skipped] =
        static_cast<float>(1 / std::sqrt(1 - std::pow(o.beta2, t)));
  }
}

// The one copy of the input. What is left of a larger batch before stays behind
// the valid rows: it is masked out, and its numbers are finite.
void MetalEngine::fill(Slot* slot, const Batch& batch, float learning_rate) {
  const auto count = static_cast<size_t>(batch.count);
  const size_t image = static_cast<size_t>(options_.network.input.size());
  std::memcpy(slot->images.bytes(), batch.images, count * image);
  std::memcpy(slot->labels.bytes(), batch.labels, count * sizeof(int32_t));
  auto* valid = static_cast<float*>(slot->valid.bytes());
  for (size_t i = 0; i < static_cast<size_t>(options_.batch_size); ++i) {
    valid[i] = i < count ? 1.0f : 0.0f;
  }
  fill_scalars(static_cast<float*>(slot->scalar.bytes()), batch.count,
               learning_rate);
  for (size_t i = 0; i < slot->masks.size(); ++i) {
    const DropoutFeed& dropout = network_.dropouts[i];
    fill_dropout_mask(options_.seed, dropout.layer, progress_.step, batch.count,
                      dropout.shape, dropout.rate,
                      static_cast<uint8_t*>(slot->masks[i].bytes()));
  }
}

StepResult MetalEngine::step_result(const Storage& result, int count,
                                    double seconds) const {
  const auto* numbers = static_cast<const float*>(result.bytes());
  StepResult step;
  step.loss = numbers[result_loss];
  step.correct = static_cast<int>(std::lround(numbers[result_correct]));
  step.gradient_norm = numbers[result_norm];
  const float* of_images = numbers + result_images;
  step.image_losses.assign(of_images, of_images + count);
  step.device_seconds = seconds;
  return step;
}

void MetalEngine::count_skipped(const Storage& result) {
  if (static_cast<const float*>(result.bytes())[result_skipped] == 0) return;
  ++progress_.skipped;
  ++skipped_here_;
}

std::string MetalEngine::train(const Batch& batch, float learning_rate,
                               std::function<void(StepResult)> done) noexcept {
  Slot& slot = free_slot();
  std::string failed;
  {
    const std::lock_guard lock(mutex_);
    failed = broken_;
  }
  const auto begin = std::chrono::steady_clock::now();
  if (failed.empty()) {
    fill(&slot, batch, learning_rate);
    @autoreleasepool {
      Slot* used = &slot;
      failed = attempt([&] {
        return submit(
            queue_.get(), train_, slot.feeds.get(), slot.results.get(),
            [this, used, count = batch.count,
             done = std::move(done)](const Ended& ended) {
              std::string error;
              {
                const std::lock_guard lock(mutex_);
                if (broken_.empty()) {
                  broken_ = ended.out_of_memory ? out_of_memory() : ended.error;
                  lacks_memory_ = ended.out_of_memory;
                }
                // Steps behind a failed one ran on lost weights.
                error = broken_;
                if (error.empty()) count_skipped(used->result);
              }
              StepResult result;
              if (error.empty()) {
                result = step_result(used->result, count, ended.seconds);
                result.host_seconds = host_seconds_;
                result.command_buffers = ended.command_buffers;
                result.unwatched = ended.unwatched;
              }
              result.error = error;
              // Answered before the slot is free: after that this object
              // may go.
              done(std::move(result));
              const std::lock_guard lock(mutex_);
              used->busy = false;
              changed_.notify_all();
            });
      });
    }
  }
  const std::chrono::duration<double> taken =
      std::chrono::steady_clock::now() - begin;
  const std::lock_guard lock(mutex_);
  if (failed.empty()) {
    ++progress_.step;
    host_seconds_ = taken.count();
  } else {
    // Part of a step may have run.
    if (broken_.empty()) broken_ = failed;
    slot.busy = false;
    changed_.notify_all();
  }
  return failed;
}

std::string MetalEngine::predict(const uint8_t* images, int count,
                                 float* logits) noexcept {
  return attempt([&]() -> std::string {
    drain();
    if (!broken_.empty()) return broken_;
    const size_t image = static_cast<size_t>(options_.network.input.size());
    std::memcpy(slots_[0].images.bytes(), images,
                static_cast<size_t>(count) * image);
    std::string failed;
    @autoreleasepool {
      failed = run_now(predict_, predict_feeds_, predict_results_);
    }
    if (!failed.empty()) return failed;
    std::memcpy(
        logits, logits_.bytes(),
        static_cast<size_t>(count) * options_.network.classes * sizeof(float));
    return "";
  });
}

std::string MetalEngine::compile_inference(int value, Inference* inference) {
  const Value& target = network_.evaluated[value];
  const std::string failed = inference->executable.compile(
      network_.graph, {network_.images}, {target}, nil);
  if (!failed.empty()) return failed;
  if (!inference->output.allocate(target)) return out_of_memory();
  inference->feeds = inference->executable.arrange_feeds({&slots_[0].images});
  inference->results =
      inference->executable.arrange_results({&inference->output});
  return "";
}

std::string MetalEngine::activations(const uint8_t* images, int count,
                                     int value, float* output) noexcept {
  return attempt([&]() -> std::string {
    drain();
    if (!broken_.empty()) return broken_;
    const size_t image = static_cast<size_t>(options_.network.input.size());
    std::memcpy(slots_[0].images.bytes(), images,
                static_cast<size_t>(count) * image);
    std::string failed;
    Inference& inference = inferences_[value];
    @autoreleasepool {
      if (!inference.executable) failed = compile_inference(value, &inference);
      if (failed.empty()) {
        failed =
            run_now(inference.executable, inference.feeds, inference.results);
      }
    }
    if (!failed.empty()) return failed;
    const Shape shape = counted_shape(plan_, value);
    const auto* found = static_cast<const float*>(inference.output.bytes());
    for (int64_t n = 0; n < count; ++n) {
      from_image(shape, found + n * shape.size(), output + n * shape.size());
    }
    return "";
  });
}

std::string MetalEngine::compile_gradients() {
  if (gradients_) return "";
  gradient_targets_ = {network_.train_result, network_.train_logits};
  for (const Value& gradient : network_.gradients) {
    if (gradient.tensor != nil) gradient_targets_.push_back(gradient);
  }
  return gradients_.compile(network_.graph, train_feeds(), gradient_targets_,
                            nil);
}

std::string MetalEngine::gradients(const Batch& batch, float* gradients,
                                   float* logits, StepResult* result) noexcept {
  return attempt([&]() -> std::string {
    drain();
    if (!broken_.empty()) return broken_;
    @autoreleasepool {
      std::string failed = compile_gradients();
      if (!failed.empty()) return failed;
      Slot& slot = slots_[0];
      fill(&slot, batch, 0);
      std::vector<Storage> storages(gradient_targets_.size());
      std::vector<const Storage*> targets,
          feeds{&slot.images, &slot.labels, &slot.valid, &slot.scalar};
      for (const Storage& mask : slot.masks) feeds.push_back(&mask);
      for (size_t i = 0; i < storages.size(); ++i) {
        if (!storages[i].allocate(gradient_targets_[i])) return out_of_memory();
        targets.push_back(&storages[i]);
      }
      const Arranged arranged_feeds = gradients_.arrange_feeds(feeds);
      const Arranged arranged_results = gradients_.arrange_results(targets);
      failed = run_now(gradients_, arranged_feeds, arranged_results);
      if (!failed.empty()) return failed;
      *result = step_result(storages[0], batch.count, 0);
      std::memcpy(logits, storages[1].bytes(),
                  static_cast<size_t>(batch.count) * options_.network.classes *
                      sizeof(float));
      std::memset(gradients, 0, plan_.parameter_count * sizeof(float));
      size_t next = 2;
      for (size_t p = 0; p < doors_.size(); ++p) {
        if (network_.gradients[p].tensor == nil) continue;
        from_device(doors_[p],
                    static_cast<const float*>(storages[next++].bytes()),
                    gradients + doors_[p].offset);
      }
    }
    return "";
  });
}

std::string MetalEngine::compile_transfer() {
  if (load_) return "";
  std::string failed =
      read_.compile(network_.graph, {network_.read_feed}, network_.read, nil);
  if (failed.empty()) {
    failed = load_.compile(network_.graph, network_.load_feeds,
                           {network_.load_target}, network_.loads.get());
  }
  return failed;
}

std::string MetalEngine::get(std::vector<float>* parameters,
                             OptimizerState* state) noexcept {
  return attempt([&]() -> std::string {
    drain();
    if (!broken_.empty()) return broken_;
    @autoreleasepool {
      std::string failed = compile_transfer();
      if (!failed.empty()) return failed;
      const std::vector<Value>& values = network_.read;
      std::vector<Storage> storages(values.size());
      std::vector<const Storage*> targets;
      for (size_t i = 0; i < values.size(); ++i) {
        if (!storages[i].allocate(values[i])) return out_of_memory();
        targets.push_back(&storages[i]);
      }
      Storage feed;
      if (!feed.allocate(network_.read_feed)) return out_of_memory();
      *static_cast<float*>(feed.bytes()) = 0;
      const Arranged feeds = read_.arrange_feeds({&feed});
      const Arranged results = read_.arrange_results(targets);
      failed = run_now(read_, feeds, results);
      if (!failed.empty()) return failed;
      std::vector<const float*> sources;
      for (const Storage& storage : storages) {
        sources.push_back(static_cast<const float*>(storage.bytes()));
      }
      if (parameters != nullptr) read_set(sources.data(), 1, parameters);
      if (state != nullptr) read_state(sources.data() + doors_.size(), state);
    }
    return "";
  });
}

// `count` sets of a value a parameter each, one behind the other.
void MetalEngine::read_set(const float* const* sources, size_t count,
                           std::vector<float>* values) const {
  const auto size = static_cast<size_t>(plan_.parameter_count);
  values->assign(count * size, 0.0f);
  for (size_t i = 0; i < count * doors_.size(); ++i) {
    const Door& door = doors_[i % doors_.size()];
    const size_t base = i / doors_.size() * size;
    from_device(door, sources[i],
                values->data() + base + static_cast<size_t>(door.offset));
  }
}

void MetalEngine::read_state(const float* const* sources,
                             OptimizerState* state) const {
  const size_t moments = network_.moments.size();
  read_set(sources, moments / doors_.size(), &state->values);
  state->progress = progress_;
  if (network_.scaling.empty()) return;
  const float* const* scaling = sources + moments;
  state->progress.loss_scale = *scaling[scaling_loss_scale];
  state->progress.clean_steps =
      static_cast<uint64_t>(*scaling[scaling_clean_steps]);
}

std::string MetalEngine::set(const float* parameters,
                             const OptimizerState* state) noexcept {
  return attempt([&]() -> std::string {
    std::vector<float> kept_parameters;
    OptimizerState kept_state;
    std::string failed = get(parameters == nullptr ? &kept_parameters : nullptr,
                             state == nullptr ? &kept_state : nullptr);
    if (!failed.empty()) return failed;
    if (parameters == nullptr) parameters = kept_parameters.data();
    if (state == nullptr) state = &kept_state;
    return load(parameters, *state);
  });
}

std::string MetalEngine::restore(const float* parameters,
                                 const OptimizerState& state) noexcept {
  return attempt([&]() -> std::string {
    drain();
    broken_.clear();
    std::string failed = load(parameters, state);
    if (!failed.empty()) broken_ = failed;
    return failed;
  });
}

std::string MetalEngine::load(const float* parameters,
                              const OptimizerState& state) {
  std::string failed;
  @autoreleasepool {
    failed = compile_transfer();
    if (!failed.empty()) return failed;
    std::vector<Storage> storages(network_.load_feeds.size());
    std::vector<const Storage*> sources;
    Storage target;
    if (!target.allocate(network_.load_target)) return out_of_memory();
    for (size_t i = 0; i < storages.size(); ++i) {
      if (!storages[i].allocate(network_.load_feeds[i])) return out_of_memory();
      write_stored(i, parameters, state,
                   static_cast<float*>(storages[i].bytes()));
      sources.push_back(&storages[i]);
    }
    const Arranged feeds = load_.arrange_feeds(sources);
    const Arranged results = load_.arrange_results({&target});
    failed = run_now(load_, feeds, results);
  }
  if (!failed.empty()) return failed;
  progress_ = state.progress;
  skipped_here_ = 0;
  return "";
}

// The value that the i-th of stored() begins with.
void MetalEngine::write_stored(size_t i, const float* parameters,
                               const OptimizerState& state,
                               float* target) const {
  const auto size = static_cast<size_t>(plan_.parameter_count);
  const size_t set = i / doors_.size();
  const size_t scaled = doors_.size() + network_.moments.size();
  if (i < scaled) {
    const Door& door = doors_[i % doors_.size()];
    const float* source =
        set == 0 ? parameters : state.values.data() + (set - 1) * size;
    return to_device(door, source + door.offset, target);
  }
  const Progress& progress = state.progress;
  const bool fresh = progress.loss_scale == 0;
  switch (i - scaled) {
    case scaling_loss_scale:
      *target = fresh ? first_loss_scale : progress.loss_scale;
      return;
    case scaling_clean_steps:
      *target = fresh ? 0 : static_cast<float>(progress.clean_steps);
      return;
    default:  // scaling_skipped counts from here on
      *target = 0;
  }
}

}  // namespace

std::unique_ptr<Engine> make_engine(const SessionOptions& options,
                                    const Plan& plan, const float* parameters,
                                    std::string* error) noexcept {
  @autoreleasepool {
    auto engine = std::make_unique<MetalEngine>(options, plan);
    *error = attempt([&] { return engine->open(parameters); });
    if (!error->empty()) return nullptr;
    return engine;
  }
}

}  // namespace birbs::metal
