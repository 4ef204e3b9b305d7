#include "network_graph.h"

#include "formulas.h"
#include "optimizer.h"

namespace birbs::metal {

namespace {

// Larger than any norm that float32 holds the square of.
constexpr float no_clipping = 3e38f;

// What backward needs of a layer.
struct Saved {
  std::vector<Value> inputs;
  Value normalized,
      inverse;  // batch norm: (x - mean) / deviation, 1 / deviation
  Value kept;   // dropout: mask / (1 - rate)
};

// The forward and backward pairs, layer by layer, as native/portable has them.
class Builder {
 public:
  Builder(const SessionOptions& options, const Plan& plan, bool half,
          NetworkGraph* network)
      : options_(options),
        plan_(plan),
        compute_(half ? MPSDataTypeFloat16 : MPSDataTypeFloat32),
        half_(half),
        out_(*network),
        g_(network->graph) {}

  void variables(const std::vector<Door>& doors, const float* parameters);
  void feeds();
  void evaluation();
  void training();
  void transfer();

 private:
  using Kind = OpKind;
  const Layer& layer(size_t i) const { return plan_.layers[i]; }
  // The values of the plan; of a training forward pass it is saved what
  // backward needs.
  std::vector<Value> walk(bool train, std::vector<Saved>* saved);
  void pass_gradient(int value, const Value& gradient);
  // The variable of "<layer name>.<suffix>", or null.
  const Value* parameter(size_t i, const char* suffix) const;
  size_t parameter_index(size_t i, const char* suffix) const;
  Value weight(size_t i) const;

  Value normalized_images();
  Value forward(size_t i, const std::vector<Value>& inputs, bool train,
                Saved* saved);
  Value backward(size_t i, const Value& dy, const Saved& saved);
  Value batch_norm(size_t i, const Value& x, Saved* saved);
  Value scaled(size_t i, const Value& normalized);
  Value batch_norm_inference(size_t i, const Value& x);
  Value batch_norm_backward(size_t i, const Value& dy, const Saved& saved);
  Value convolution_backward(size_t i, const Value& dy, const Saved& saved);
  Value dense_backward(size_t i, const Value& dy, const Saved& saved);
  Value elements(const Value& x);  // valid rows times height times width, [1]
  Value correct(const Value& logits);
  void update(const CrossEntropy& loss, const Value& correct);
  void move(size_t p, const Value& gradient);
  Value moment(size_t half, size_t p) const;
  void assign(const Value& variable, const Value& value);
  Value scalar(Scalar which, int offset = 0);
  Value corrected(Scalar which, const Value& unknown);
  Value adapt_scale(const Value& norm, const Value& unknown);
  void set_name(const char* phase, size_t i);
  void set_gradient(size_t p, const Value& gradient);

  const SessionOptions& options_;
  const Plan& plan_;
  const MPSDataType compute_;
  const bool half_;
  NetworkGraph& out_;
  Graph& g_;
  Value valid_rows_;                // [B, 1, 1, 1]
  Value finite_;                    // half only
  Value step_size_, second_scale_;  // Adam's, of this step
  std::vector<Value> value_gradients_;
  std::vector<std::pair<Value, Value>> statistics_;  // running, its new value
};

size_t Builder::parameter_index(size_t i, const char* suffix) const {
  const std::string name = layer(i).name + "." + suffix;
  for (size_t p = 0; p < plan_.parameters.size(); ++p) {
    if (plan_.parameters[p].name == name) return p;
  }
  return SIZE_MAX;
}

const Value* Builder::parameter(size_t i, const char* suffix) const {
  const size_t p = parameter_index(i, suffix);
  return p == SIZE_MAX ? nullptr : &out_.variables[p];
}

Value Builder::weight(size_t i) const {
  return g_.cast(*parameter(i, "weight"), compute_);
}

Value Builder::moment(size_t half, size_t p) const {
  return out_.moments[half * plan_.parameters.size() + p];
}

Value Builder::scalar(Scalar which, int offset) {
  return g_.slice(out_.scalar, 0, which + offset, 1);
}

void Builder::set_name(const char* phase, size_t i) {
  const Layer& l = layer(i);
  const std::string name =
      l.name.empty() ? "layer" + std::to_string(i + 1) : l.name;
  g_.set_name(std::string(phase) + "/" + name + "/" + op_type(l.kind).name);
}

// The one of Adam's numbers that fits the steps skipped so far.
Value Builder::corrected(Scalar which, const Value& unknown) {
  Value chosen = scalar(which);
  if (!half_) return chosen;
  for (int count = 1; count < steps_in_flight; ++count) {
    const Value fits =
        g_.equal(unknown, g_.constants({static_cast<float>(count)}, {1}));
    chosen = g_.select(fits, scalar(which, count), chosen);
  }
  return chosen;
}

void Builder::set_gradient(size_t p, const Value& gradient) {
  Value value = g_.cast(gradient, MPSDataTypeFloat32);
  if (half_) value = g_.div(value, out_.scaling[scaling_loss_scale]);
  out_.gradients[p] = g_.reshape(value, out_.variables[p].shape);
}

void Builder::variables(const std::vector<Door>& doors,
                        const float* parameters) {
  std::vector<float> device;
  for (const Door& door : doors) {
    device.resize(static_cast<size_t>(door.size));
    to_device(door, parameters + door.offset, device.data());
    out_.variables.push_back(g_.variable(device.data(), door.device_shape));
  }
  const Optimizer& optimizer = options_.optimizer;
  const int sets = optimizer.kind != OptimizerKind::sgd ? 2
                   : optimizer.momentum > 0             ? 1
                                                        : 0;
  for (int set = 0; set < sets; ++set) {
    for (const Door& door : doors) {
      device.assign(static_cast<size_t>(door.size), 0.0f);
      out_.moments.push_back(g_.variable(device.data(), door.device_shape));
    }
  }
  if (half_) {
    const float scale = first_loss_scale, none = 0;
    for (const float* value : {&scale, &none, &none}) {
      out_.scaling.push_back(g_.variable(value, {1}));
    }
  }
}

void Builder::feeds() {
  const Network& network = options_.network;
  const int64_t batch = options_.batch_size;
  out_.images = g_.placeholder(
      {batch, network.input.height, network.input.width, 3}, MPSDataTypeUInt8);
  out_.labels = g_.placeholder({batch}, MPSDataTypeInt32);
  out_.valid = g_.placeholder({batch}, MPSDataTypeFloat32);
  out_.scalar = g_.placeholder({scalars}, MPSDataTypeFloat32);
  for (size_t i = 0; i < plan_.layers.size(); ++i) {
    if (layer(i).kind != Kind::dropout) continue;
    const int value = plan_.inputs[i][0];
    const Shape shape = counted_shape(plan_, value);
    // Shaped as the activation is on the device.
    const Shape& inside = plan_.shapes[value];
    const bool flat = inside != shape || inside.height * inside.width == 1;
    const Dims dims =
        flat ? Dims{batch, shape.size()}
             : Dims{batch, shape.height, shape.width, shape.channels};
    out_.dropouts.push_back(
        {i, shape, layer(i).rate, g_.placeholder(dims, MPSDataTypeUInt8)});
  }
  valid_rows_ = g_.reshape(out_.valid, {batch, 1, 1, 1});
}

Value Builder::normalized_images() {
  const Network& network = options_.network;
  std::vector<float> factor(3), shift(3);
  for (int c = 0; c < 3; ++c) {
    factor[c] = 1 / (255 * network.std[c]);
    shift[c] = -network.mean[c] / network.std[c];
  }
  const Value pixels = g_.cast(out_.images, MPSDataTypeFloat32);
  const Value scaled = g_.mul(pixels, g_.constants(factor, {1, 1, 1, 3}));
  return g_.cast(g_.add(scaled, g_.constants(shift, {1, 1, 1, 3})), compute_);
}

Value Builder::forward(size_t i, const std::vector<Value>& inputs, bool train,
                       Saved* saved) {
  const Layer& l = layer(i);
  const Value& x = inputs[0];
  if (saved != nullptr) saved->inputs = inputs;
  switch (l.kind) {
    case Kind::conv2d: {
      const Value y = g_.conv2d(x, weight(i), l.window, l.groups);
      return l.bias ? g_.add(y, g_.cast(*parameter(i, "bias"), compute_)) : y;
    }
    case Kind::dense: {
      const Value y = g_.matmul(x, weight(i));
      return l.bias ? g_.add(y, g_.cast(*parameter(i, "bias"), compute_)) : y;
    }
    case Kind::batch_norm2d:
      return train ? batch_norm(i, x, saved) : batch_norm_inference(i, x);
    case Kind::relu:
      return g_.relu(x);
    case Kind::relu6:
      return g_.relu6(x);
    case Kind::add:
      return g_.add(x, inputs[1]);
    case Kind::max_pool2d:
      return g_.max_pool2d(x, l.window);
    case Kind::avg_pool2d:
      return g_.avg_pool2d(x, l.window, l.count_include_pad);
    case Kind::global_avg_pool2d:
      return global_avg_pool(g_, x);
    case Kind::flatten:
      return g_.reshape(x, {x.shape[0], x.size() / x.shape[0]});
    case Kind::dropout: {
      if (!train) return x;
      for (const DropoutFeed& feed : out_.dropouts) {
        if (feed.layer != i) continue;
        const Value mask = g_.reshape(feed.mask, x.shape);
        saved->kept = g_.scale(g_.cast(mask, compute_), 1 / (1 - l.rate));
      }
      return g_.mul(x, saved->kept);
    }
    default:
      break;
  }
  return x;
}

Value Builder::backward(size_t i, const Value& dy, const Saved& saved) {
  const Layer& l = layer(i);
  const Value& x = saved.inputs[0];
  switch (l.kind) {
    case Kind::conv2d:
      return convolution_backward(i, dy, saved);
    case Kind::dense:
      return dense_backward(i, dy, saved);
    case Kind::batch_norm2d:
      return batch_norm_backward(i, dy, saved);
    case Kind::relu:
      return g_.relu_gradient(dy, x);
    case Kind::relu6:
      return g_.relu6_gradient(dy, x);
    case Kind::max_pool2d:
      return g_.max_pool2d_gradient(dy, x, l.window);
    case Kind::avg_pool2d:
      return g_.avg_pool2d_gradient(dy, x, l.window, l.count_include_pad);
    case Kind::global_avg_pool2d:
      return global_avg_pool_gradient(g_, dy, x.shape);
    case Kind::flatten:
      return g_.reshape(dy, x.shape);
    case Kind::dropout:
      return g_.mul(dy, saved.kept);
    default:
      break;
  }
  return dy;
}

Value Builder::convolution_backward(size_t i, const Value& dy,
                                    const Saved& saved) {
  const Layer& l = layer(i);
  if (!l.frozen) {
    const size_t p = parameter_index(i, "weight");
    set_gradient(p, g_.conv2d_weight_gradient(dy, saved.inputs[0],
                                              out_.variables[p].shape, l.window,
                                              l.groups));
  }
  if (l.bias && !l.frozen) {
    set_gradient(parameter_index(i, "bias"),
                 g_.sum(g_.cast(dy, MPSDataTypeFloat32), {0, 1, 2}));
  }
  if (!plan_.learns[plan_.inputs[i][0]]) return dy;  // nobody needs it
  return g_.conv2d_input_gradient(dy, weight(i), saved.inputs[0].shape,
                                  l.window, l.groups);
}

Value Builder::dense_backward(size_t i, const Value& dy, const Saved& saved) {
  const Layer& l = layer(i);
  if (!l.frozen) {
    set_gradient(parameter_index(i, "weight"),
                 g_.matmul(g_.transpose(saved.inputs[0], 0, 1), dy));
  }
  if (l.bias && !l.frozen) {
    set_gradient(parameter_index(i, "bias"),
                 g_.sum(g_.cast(dy, MPSDataTypeFloat32), {0}));
  }
  if (!plan_.learns[plan_.inputs[i][0]]) return dy;
  return g_.matmul(dy, g_.transpose(weight(i), 0, 1));
}

Value Builder::elements(const Value& x) {
  return g_.scale(scalar(scalar_count_valid),
                  static_cast<double>(x.shape[1] * x.shape[2]));
}

Value Builder::batch_norm(size_t i, const Value& x, Saved* saved) {
  const Layer& l = layer(i);
  if (l.running_statistics()) {
    const Normalized given = normalize_with(
        g_, g_.cast(x, MPSDataTypeFloat32), *parameter(i, "running_mean"),
        *parameter(i, "running_var"), l.epsilon);
    saved->inverse = given.inverse;
    saved->normalized = given.normalized;
    return scaled(i, given.normalized);
  }
  const Value n = elements(x);
  const Normalized batch =
      normalize(g_, g_.cast(x, MPSDataTypeFloat32), valid_rows_, n, l.epsilon);
  saved->inverse = batch.inverse;
  saved->normalized = batch.normalized;

  // The running variance takes the unbiased one, as PyTorch's does.
  const Value degrees = g_.maximum(g_.offset(n, -1), g_.constants({1}, {1}));
  const auto remember = [&](const char* suffix, const Value& value) {
    const Value& running = *parameter(i, suffix);
    const Value newest = g_.reshape(value, running.shape);
    statistics_.emplace_back(running, g_.add(g_.scale(running, 1 - l.momentum),
                                             g_.scale(newest, l.momentum)));
  };
  remember("running_mean", batch.mean);
  remember("running_var", g_.mul(batch.variance, g_.div(n, degrees)));
  return scaled(i, batch.normalized);
}

Value Builder::scaled(size_t i, const Value& normalized) {
  const Value wide = g_.mul(normalized, *parameter(i, "weight"));
  return g_.cast(g_.add(wide, *parameter(i, "bias")), compute_);
}

Value Builder::batch_norm_inference(size_t i, const Value& x) {
  const Value y = normalize_with(
      g_, g_.cast(x, MPSDataTypeFloat32), *parameter(i, "running_mean"),
      *parameter(i, "running_var"), *parameter(i, "weight"),
      *parameter(i, "bias"), layer(i).epsilon);
  return g_.cast(y, compute_);
}

Value Builder::batch_norm_backward(size_t i, const Value& dy,
                                   const Saved& saved) {
  const Value wide = g_.cast(dy, MPSDataTypeFloat32);
  const Value& weight = *parameter(i, "weight");
  const NormalizeGradient gradient =
      layer(i).running_statistics()
          ? normalize_with_gradient(g_, wide, saved.inverse, saved.normalized,
                                    weight)
          : normalize_gradient(g_, wide, saved.inverse, saved.normalized,
                               weight, valid_rows_, elements(saved.inputs[0]));
  if (!layer(i).frozen) {
    set_gradient(parameter_index(i, "weight"), gradient.dweight);
    set_gradient(parameter_index(i, "bias"), gradient.dbias);
  }
  return g_.cast(gradient.dx, compute_);
}

Value Builder::correct(const Value& logits) {
  const Value guessed =
      g_.reshape(g_.arg_max(logits, 1), {options_.batch_size});
  const Value hits =
      g_.cast(g_.equal(guessed, out_.labels), MPSDataTypeFloat32);
  return g_.sum(g_.mul(hits, out_.valid), {0});
}

void Builder::assign(const Value& variable, const Value& value) {
  const Value chosen = half_ ? g_.select(finite_, value, variable) : value;
  MPSGraphOperation* operation = g_.assign(variable, chosen);
  if (operation != nil) [out_.updates.get() addObject:operation];
}

// One parameter, as torch.optim moves it.
void Builder::move(size_t p, const Value& gradient) {
  const Optimizer& o = options_.optimizer;
  const Value& w = out_.variables[p];
  const ParameterGroup group = group_of(o, plan_, plan_.parameters[p]);
  const bool decays = group.decays && o.weight_decay != 0;
  // A factor of 1 changes nothing, and costs nothing.
  auto rated = [&](const Value& rate) {
    return group.rate_factor == 1 ? rate : g_.scale(rate, group.rate_factor);
  };
  Value g = gradient;
  if (decays && o.kind != OptimizerKind::adamw) {
    g = g_.add(g, g_.scale(w, o.weight_decay));
  }
  if (o.kind == OptimizerKind::sgd) {
    if (o.momentum > 0) {
      const Value buffer = g_.add(g_.scale(moment(0, p), o.momentum), g);
      assign(moment(0, p), buffer);
      g = o.nesterov ? g_.add(g, g_.scale(buffer, o.momentum)) : buffer;
    }
    assign(w, g_.sub(w, g_.mul(g, rated(scalar(scalar_learning_rate)))));
    return;
  }
  const Value first =
      g_.add(g_.scale(moment(0, p), o.beta1), g_.scale(g, 1 - o.beta1));
  const Value second = g_.add(g_.scale(moment(1, p), o.beta2),
                              g_.scale(g_.square(g), 1 - o.beta2));
  assign(moment(0, p), first);
  assign(moment(1, p), second);
  Value kept = w;
  if (decays && o.kind == OptimizerKind::adamw) {
    // 1 - factor * (1 - keep)
    const Value keep = group.rate_factor == 1
                           ? scalar(scalar_keep)
                           : g_.offset(rated(scalar(scalar_keep)),
                                       1 - double{group.rate_factor});
    kept = g_.mul(w, keep);
  }
  const Value deviation =
      g_.offset(g_.mul(g_.sqrt(second), second_scale_), o.epsilon);
  const Value step = g_.div(g_.mul(first, rated(step_size_)), deviation);
  assign(w, g_.sub(kept, step));
}

// Whether this step is skipped, 1 or 0; the loss scale of the next.
Value Builder::adapt_scale(const Value& norm, const Value& unknown) {
  const Value none = g_.constants({0}, {1}), one = g_.constants({1}, {1});
  const Value& scale = out_.scaling[scaling_loss_scale];
  finite_ = g_.is_finite(norm);
  const Value skipped = g_.select(finite_, none, one);
  const Value clean = g_.offset(out_.scaling[scaling_clean_steps], 1);
  const Value due = g_.greater_equal(clean, g_.constants({growth_steps}, {1}));
  const Value larger = g_.select(due, g_.scale(scale, 2), scale);
  const Value counted = g_.select(due, none, clean);
  const std::vector<Value> next{
      g_.select(finite_, larger, g_.scale(scale, 0.5)),
      g_.select(finite_, counted, none),
      // Not from the variable again: see update().
      g_.add(g_.add(unknown, scalar(scalar_known_skipped)), skipped)};
  for (size_t i = 0; i < next.size(); ++i) {
    // Not through assign(): these change on an overflow as well.
    MPSGraphOperation* operation = g_.assign(out_.scaling[i], next[i]);
    if (operation != nil) [out_.updates.get() addObject:operation];
  }
  return skipped;
}

void Builder::update(const CrossEntropy& loss, const Value& correct) {
  Value squares = g_.constants({0}, {1});
  for (const Value& gradient : out_.gradients) {
    if (gradient.tensor == nil) continue;
    const Value flat = g_.reshape(gradient, {gradient.size()});
    squares = g_.add(squares, g_.sum(g_.square(flat), {0}));
  }
  const Value norm = g_.sqrt(squares);
  Value unknown;
  if (half_) {
    unknown =
        g_.sub(out_.scaling[scaling_skipped], scalar(scalar_known_skipped));
  }
  if (options_.optimizer.kind != OptimizerKind::sgd) {
    step_size_ = corrected(scalar_step_size, unknown);
    second_scale_ = corrected(scalar_second_scale, unknown);
  }
  const Value skipped =
      half_ ? adapt_scale(norm, unknown) : g_.constants({0}, {1});
  // Without clipping as well: every new weight then needs the norm, and with it
  // every gradient, so that all reads of weights come before all assignments,
  // whenever MPSGraph makes these.
  const float clip = options_.clip_norm > 0 ? options_.clip_norm : no_clipping;
  const Value share = g_.div(g_.constants({clip}, {1}), g_.offset(norm, 1e-6));
  const Value coefficient = g_.minimum(share, g_.constants({1}, {1}));
  for (size_t p = 0; p < out_.gradients.size(); ++p) {
    const Value& gradient = out_.gradients[p];
    if (gradient.tensor == nil) continue;
    g_.set_name("update/" + plan_.parameters[p].name);
    move(p, g_.mul(gradient, coefficient));
  }
  for (const auto& [running, value] : statistics_) assign(running, value);
  out_.train_result =
      g_.concat({loss.loss, correct, norm, skipped, loss.of_images}, 0);
}

std::vector<Value> Builder::walk(bool train, std::vector<Saved>* saved) {
  std::vector<Value> values{normalized_images()};
  for (size_t i = 0; i < plan_.layers.size(); ++i) {
    std::vector<Value> inputs;
    for (int value : plan_.inputs[i]) inputs.push_back(values[value]);
    set_name(train ? "train" : "predict", i);
    values.push_back(forward(i, inputs, train, saved ? &(*saved)[i] : nullptr));
  }
  return values;
}

// A value that several layers read gets the sum of their gradients.
void Builder::pass_gradient(int value, const Value& gradient) {
  if (!plan_.learns[value]) return;
  Value& sum = value_gradients_[value];
  sum = sum.tensor == nil ? gradient : g_.add(sum, gradient);
}

void Builder::training() {
  const size_t count = plan_.layers.size();
  out_.gradients.resize(plan_.parameters.size());
  out_.updates =
      Owned<NSMutableArray<MPSGraphOperation*>*>([[NSMutableArray alloc] init]);
  std::vector<Saved> saved(count);
  out_.train_logits = g_.cast(walk(true, &saved).back(), MPSDataTypeFloat32);
  g_.set_name("loss");
  const CrossEntropy loss =
      cross_entropy(g_, out_.train_logits, out_.labels, out_.valid,
                    options_.class_weights, options_.label_smoothing);
  Value dy = half_ ? g_.mul(loss.gradient, out_.scaling[scaling_loss_scale])
                   : loss.gradient;
  value_gradients_.resize(plan_.shapes.size());
  pass_gradient(plan_.last_value(), g_.cast(dy, compute_));
  for (size_t i = count; i-- > 0;) {
    if (!plan_.learns[i + 1]) continue;
    set_name("gradient", i);
    const Value dx = backward(i, value_gradients_[i + 1], saved[i]);
    for (int value : plan_.inputs[i]) pass_gradient(value, dx);
  }
  g_.set_name("update");
  update(loss, correct(out_.train_logits));
}

void Builder::evaluation() {
  for (const Value& value : walk(false, nullptr)) {
    out_.evaluated.push_back(g_.cast(value, MPSDataTypeFloat32));
  }
  out_.logits = out_.evaluated.back();
}

void Builder::transfer() {
  g_.set_name("transfer");
  for (const auto* values : {&out_.variables, &out_.moments, &out_.scaling}) {
    out_.stored.insert(out_.stored.end(), values->begin(), values->end());
  }
  out_.loads =
      Owned<NSMutableArray<MPSGraphOperation*>*>([[NSMutableArray alloc] init]);
  for (const Value& variable : out_.stored) {
    out_.read.push_back(g_.read(variable));
    out_.load_feeds.push_back(
        g_.placeholder(variable.shape, MPSDataTypeFloat32));
    MPSGraphOperation* load = g_.assign(variable, out_.load_feeds.back());
    if (load != nil) [out_.loads.get() addObject:load];
  }
  out_.read_feed = g_.placeholder({1}, MPSDataTypeFloat32);
  out_.read.push_back(g_.offset(out_.read_feed, 1));
  const Value& first = out_.load_feeds.front();
  out_.load_target = g_.sum(g_.reshape(first, {first.size()}), {0});
}

}  // namespace

void build_network_graph(const SessionOptions& options, const Plan& plan,
                         const std::vector<Door>& doors,
                         const float* parameters, bool half,
                         NetworkGraph* network) {
  network->graph.set_depthwise(options.depthwise_operations);
  Builder builder(options, plan, half, network);
  builder.variables(doors, parameters);
  builder.feeds();
  builder.evaluation();
  builder.training();
  builder.transfer();
}

}  // namespace birbs::metal
