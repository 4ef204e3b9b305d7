// Mistakes in native/metal, each a text that is there once and what takes its place: every assignment, gradient and feed.
/** @type {[file: string, from: string, to: string][]} */
export const mutants = [
  // forward
  ['network_graph.mm', 'factor[c] = 1 / (255 * network.std[c]);', 'factor[c] = 1 / (254 * network.std[c]);'],
  [
    'network_graph.mm',
    'shift[c] = -network.mean[c] / network.std[c];',
    'shift[c] = -network.mean[0] / network.std[c];',
  ],
  ['network_graph.mm', 'return g_.relu6(x);', 'return g_.relu(x);'],
  ['network_graph.mm', 'return g_.add(x, inputs[1]);', 'return g_.add(x, inputs[0]);'],
  [
    'network_graph.mm',
    'return g_.avg_pool2d(x, l.window, l.count_include_pad);',
    'return g_.avg_pool2d(x, l.window, true);',
  ],
  [
    'network_graph.mm',
    'saved->kept = g_.scale(g_.cast(mask, compute_), 1 / (1 - l.rate));',
    'saved->kept = g_.cast(mask, compute_);',
  ],
  ['network_graph.mm', 'if (!train) return x;', 'if (train) return x;'],
  [
    'network_graph.mm',
    'return train ? batch_norm(i, x, saved) : batch_norm_inference(i, x);',
    'return batch_norm_inference(i, x);',
  ],
  [
    'formulas.mm',
    'result.mean = g.div(g.sum(g.mul(x, rows), {0, 1, 2}), n);',
    'result.mean = g.div(g.sum(x, {0, 1, 2}), n);',
  ],
  [
    'formulas.mm',
    'const Value centred = g.mul(g.sub(x, result.mean), rows);',
    'const Value centred = g.sub(x, result.mean);',
  ],
  [
    'formulas.mm',
    'result.normalized = g.mul(centred, result.inverse);',
    'result.normalized = g.mul(x, result.inverse);',
  ],
  // gradients of layers
  ['network_graph.mm', 'return g_.relu_gradient(dy, x);', 'return dy;'],
  ['network_graph.mm', 'return g_.relu6_gradient(dy, x);', 'return g_.relu_gradient(dy, x);'],
  [
    'network_graph.mm',
    'return g_.max_pool2d_gradient(dy, x, l.window);',
    'return g_.avg_pool2d_gradient(dy, x, l.window, true);',
  ],
  [
    'network_graph.mm',
    'return g_.avg_pool2d_gradient(dy, x, l.window, l.count_include_pad);',
    'return g_.avg_pool2d_gradient(dy, x, l.window, true);',
  ],
  ['network_graph.mm', 'return g_.mul(dy, saved.kept);', 'return dy;'],
  [
    'network_graph.mm',
    'return g_.conv2d_input_gradient(dy, weight(i), saved.inputs[0].shape,',
    'return g_.conv2d_input_gradient(g_.scale(dy, 1.02), weight(i), saved.inputs[0].shape,',
  ],
  [
    'network_graph.mm',
    'set_gradient(p, g_.conv2d_weight_gradient(dy, saved.inputs[0],',
    'set_gradient(p, g_.conv2d_weight_gradient(g_.scale(dy, 1.02), saved.inputs[0],',
  ],
  [
    'network_graph.mm',
    'g_.sum(g_.cast(dy, MPSDataTypeFloat32), {0, 1, 2}));',
    'g_.scale(g_.sum(g_.cast(dy, MPSDataTypeFloat32), {0, 1, 2}), 1.05));',
  ],
  [
    'network_graph.mm',
    'g_.sum(g_.cast(dy, MPSDataTypeFloat32), {0}));',
    'g_.scale(g_.sum(g_.cast(dy, MPSDataTypeFloat32), {0}), 0.95));',
  ],
  [
    'network_graph.mm',
    'g_.matmul(g_.transpose(saved.inputs[0], 0, 1), dy));',
    'g_.scale(g_.matmul(g_.transpose(saved.inputs[0], 0, 1), dy), 1.02));',
  ],
  [
    'network_graph.mm',
    'return g_.matmul(dy, g_.transpose(weight(i), 0, 1));',
    'return g_.scale(g_.matmul(dy, g_.transpose(weight(i), 0, 1)), 1.02);',
  ],
  ['network_graph.mm', 'sum = sum.tensor == nil ? gradient : g_.add(sum, gradient);', 'sum = gradient;'],
  [
    'network_graph.mm',
    'if (half_) value = g_.div(value, out_.scaling[scaling_loss_scale]);',
    'if (half_) value = g_.scale(value, 1.0 / first_loss_scale);',
  ],
  [
    'formulas.mm',
    'result.dbias = g.sum(dy, {0, 1, 2});',
    'result.dbias = g.sum(g.mul(dy, normalized), {0, 1, 2});',
  ],
  [
    'formulas.mm',
    'result.dweight = g.sum(g.mul(dy, normalized), {0, 1, 2});',
    'result.dweight = g.sum(dy, {0, 1, 2});',
  ],
  [
    'formulas.mm',
    'const Value through = g.sub(g.sub(dy, g.div(result.dbias, n)), spread);',
    'const Value through = g.sub(dy, spread);',
  ],
  [
    'formulas.mm',
    'result.dx = g.mul(g.mul(through, g.mul(inverse, weight)), rows);',
    'result.dx = g.mul(g.mul(through, inverse), rows);',
  ],
  ['formulas.mm', 'return {g.mul(dy, g.mul(inverse, weight)),', 'return {g.mul(dy, inverse),'],
  ['formulas.mm', '1.0f / static_cast<float>(area));', '1.0f / static_cast<float>(area + 1));'],
  // loss
  ['formulas.mm', 'smoothing / static_cast<double>(classes));', 'smoothing);'],
  [
    'formulas.mm',
    'const Value target = g.mul(g.mul(soft, weight), column);',
    'const Value target = g.mul(soft, weight);',
  ],
  ['formulas.mm', 'g.div(g.sub(pulled, target), total)};', 'g.div(g.sub(pulled, target), g.constant(4))};'],
  // update
  [
    'network_graph.mm',
    'MPSGraphOperation* operation = g_.assign(variable, chosen);',
    'MPSGraphOperation* operation = g_.assign(variable, g_.scale(chosen, 1.0001));',
  ],
  [
    'network_graph.mm',
    'const Value chosen = half_ ? g_.select(finite_, value, variable) : value;',
    'const Value chosen = value;',
  ],
  [
    'network_graph.mm',
    'g = g_.add(g, g_.scale(w, o.weight_decay));',
    'g = g_.sub(g, g_.scale(w, o.weight_decay));',
  ],
  ['network_graph.mm', 'assign(moment(0, p), buffer);', '(void)buffer;'],
  ['network_graph.mm', 'g = o.nesterov ? g_.add(g, g_.scale(buffer, o.momentum)) : buffer;', 'g = buffer;'],
  [
    'network_graph.mm',
    'assign(w, g_.sub(w, g_.mul(g, rated(scalar(scalar_learning_rate)))));',
    'assign(w, g_.sub(w, g_.mul(g, scalar(scalar_learning_rate))));',
  ],
  ['network_graph.mm', 'assign(moment(0, p), first);', 'assign(moment(0, p), g);'],
  ['network_graph.mm', 'assign(moment(1, p), second);', '(void)second;'],
  ['network_graph.mm', 'kept = g_.mul(w, keep);', 'kept = w;'],
  ['network_graph.mm', 'assign(w, g_.sub(kept, step));', 'assign(w, g_.add(kept, step));'],
  [
    'network_graph.mm',
    'g_.offset(g_.mul(g_.sqrt(second), second_scale_), o.epsilon);',
    'g_.offset(g_.sqrt(second), o.epsilon);',
  ],
  [
    'network_graph.mm',
    'const Value step = g_.div(g_.mul(first, rated(step_size_)), deviation);',
    'const Value step = g_.div(g_.mul(first, step_size_), deviation);',
  ],
  ['network_graph.mm', 'move(p, g_.mul(gradient, coefficient));', 'move(p, gradient);'],
  ['network_graph.mm', 'for (const auto& [running, value] : statistics_) assign(running, value);', ''],
  [
    'network_graph.mm',
    'remember("running_var", g_.mul(batch.variance, g_.div(n, degrees)));',
    'remember("running_var", batch.variance);',
  ],
  ['network_graph.mm', 'g_.select(finite_, larger, g_.scale(scale, 0.5)),', 'larger,'],
  ['network_graph.mm', 'g_.select(finite_, counted, none),', 'counted,'],
  [
    'network_graph.mm',
    'g_.add(g_.add(unknown, scalar(scalar_known_skipped)), skipped)};',
    'g_.add(unknown, scalar(scalar_known_skipped))};',
  ],
  // feeds and transfers
  ['engine.mm', 'valid[i] = i < count ? 1.0f : 0.0f;', 'valid[i] = 1.0f;'],
  [
    'engine.mm',
    'std::memcpy(slot->labels.bytes(), batch.labels, count * sizeof(int32_t));',
    'std::memset(slot->labels.bytes(), 0, count * sizeof(int32_t));',
  ],
  [
    'engine.mm',
    'scalar[scalar_keep] = static_cast<float>(1 - rate * o.weight_decay);',
    'scalar[scalar_keep] = 1;',
  ],
  ['engine.mm', 'static_cast<float>(rate / (1 - std::pow(o.beta1, t)));', 'static_cast<float>(rate);'],
  [
    'engine.mm',
    'scalar[scalar_count_valid] = static_cast<float>(count);',
    'scalar[scalar_count_valid] = static_cast<float>(options_.batch_size);',
  ],
  [
    'engine.mm',
    'fill_dropout_mask(options_.seed, dropout.layer, progress_.step, batch.count,',
    'fill_dropout_mask(options_.seed, dropout.layer, 0, batch.count,',
  ],
  [
    'engine.mm',
    'set == 0 ? parameters : state.values.data() + (set - 1) * size;',
    'set == 0 ? parameters : state.values.data();',
  ],
  ['engine.mm', 'progress_ = state.progress;\n  skipped_here_', 'skipped_here_'],
  ['graph.mm', 'return reshape(gradient, w_shape);', 'return reshape(scale(gradient, 1.02), w_shape);'],
  // faults
  ['objects.mm', 'Submission::watch(*submission, [self rootCommandBuffer]);', '(void)submission;'],
  ['objects.mm', 'keep(command_error(done), is_out_of_memory([done error]));', '(void)done;'],
  ['objects.mm', 'if (last != first) wait_for_all(queue);', ''],
];
