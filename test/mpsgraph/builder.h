#pragma once

// Adds operations to a graph: infers shapes and checks what Apple's would abort
// on.

#include "graph.h"

namespace standin {

struct Random {
  bool normal = false;
  double minimum = 0, maximum = 1, mean = 0, deviation = 1;
};

using Values = std::vector<Value*>;

Value* add_placeholder(Graph* graph, const Dims& dims, Type type);
Value* add_constant(Graph* graph, const void* bytes, int64_t size,
                    const Dims& dims, Type type);
Value* add_splat(Graph* graph, double value, const Dims& dims, Type type);
Value* add_variable(Graph* graph, const void* bytes, int64_t size,
                    const Dims& dims, Type type);
Value* add_read(Graph* graph, Value* variable);
Node* add_assign(Graph* graph, Value* variable, Value* value);

Value* add_identity(Graph* graph, Value* x);
Value* add_unary(Graph* graph, Function function, Value* x);
Value* add_binary(Graph* graph, Function function, Value* a, Value* b);
Value* add_compare(Graph* graph, Function function, Value* a, Value* b);
Value* add_select(Graph* graph, Value* predicate, Value* yes, Value* no);
Value* add_clamp(Graph* graph, Value* x, Value* low, Value* high);
Value* add_cast(Graph* graph, Value* x, Type type);

Value* add_convolution(Graph* graph, Value* x, Value* weights, Window2d window);
Value* add_convolution_data_gradient(Graph* graph, Value* dy, Value* weights,
                                     const Dims& shape, Window2d window);
Value* add_convolution_weights_gradient(Graph* graph, Value* dy, Value* x,
                                        const Dims& shape, Window2d window);
Value* add_max_pool(Graph* graph, Value* x, Window2d window);
Values add_max_pool_indices(Graph* graph, Value* x, Window2d window);
Value* add_avg_pool(Graph* graph, Value* x, Window2d window);
// Op::max_pool_gradient or Op::avg_pool_gradient.
Value* add_pool_gradient(Graph* graph, Op op, Value* dy, Value* x,
                         Window2d window);
Value* add_max_pool_indices_gradient(Graph* graph, Value* dy, Value* indices,
                                     const Dims& shape, Window2d window);

Value* add_matmul(Graph* graph, Value* a, Value* b);
Value* add_softmax(Graph* graph, Value* x, int64_t axis);
Value* add_softmax_gradient(Graph* graph, Value* dy, Value* x, int64_t axis);
// Op::relu_gradient or Op::sigmoid_gradient.
Value* add_activation_gradient(Graph* graph, Op op, Value* dy, Value* x);
Value* add_cross_entropy(Graph* graph, Value* x, Value* labels, int64_t axis,
                         int64_t reduction);
Value* add_cross_entropy_gradient(Graph* graph, Value* dy, Value* x,
                                  Value* labels, int64_t axis,
                                  int64_t reduction);
Value* add_one_hot(Graph* graph, Value* indices, int64_t depth, int64_t axis,
                   Type type, double on, double off);

Value* add_reshape(Graph* graph, Value* x, Dims dims);
Value* add_transpose(Graph* graph, Value* x, const Dims& permutation);
Value* add_slice(Graph* graph, Value* x, Dims starts, Dims ends,
                 const Dims& strides);
Value* add_concat(Graph* graph, const Values& values, int64_t axis);
Value* add_broadcast(Graph* graph, Value* x, const Dims& dims);
Value* add_expand_dims(Graph* graph, Value* x, Dims axes);
Value* add_squeeze(Graph* graph, Value* x, const Dims* axes);
Value* add_pad(Graph* graph, Value* x, int64_t mode, const Dims& left,
               const Dims& right, double value);
Value* add_pad_gradient(Graph* graph, Value* dy, Value* x, int64_t mode,
                        const Dims& left, const Dims& right);
Value* add_reverse(Graph* graph, Value* x, const Dims& axes);

// `axes` null: all of them.
Value* add_reduce(Graph* graph, Function function, Value* x, const Dims* axes);
Value* add_arg(Graph* graph, Function function, Value* x, int64_t axis);
Value* add_mean(Graph* graph, Value* x, const Dims& axes);
Value* add_variance(Graph* graph, Value* x, Value* mean, const Dims& axes);
Value* add_normalization(Graph* graph, Value* x, Value* mean, Value* variance,
                         Value* gamma, Value* beta, float epsilon);
Value* add_gamma_gradient(Graph* graph, Value* dy, Value* x, Value* mean,
                          Value* variance, const Dims& axes, float epsilon);
Value* add_normalization_gradient(Graph* graph, Value* dy, Value* x,
                                  Value* mean, Value* variance, Value* gamma,
                                  Value* dgamma, Value* dbeta, const Dims& axes,
                                  float epsilon);

Value* add_sgd(Graph* graph, Value* rate, Value* values, Value* gradient);
// `inputs`: rate, beta1, beta2, epsilon, values, momentum, velocity, gradient,
// then maximum velocity or null. The rate is lr_t.
Values add_adam(Graph* graph, const Values& inputs);
Value* add_random_state(Graph* graph, const Word (&state)[7]);
Values add_random(Graph* graph, const Dims& dims, Type type, Value* state,
                  const Random& random);

}  // namespace standin
