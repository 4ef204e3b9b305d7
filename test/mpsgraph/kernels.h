#pragma once

// The mathematics of each operation, on words.

#include "graph.h"

namespace standin {

struct Operands {
  const std::vector<const Word*>& in;  // null where the node has none
  const std::vector<Word*>& out;
};

void run_elementwise(const Node& node, Operands operands);
void run_shape(const Node& node, Operands operands);
void run_reduction(const Node& node, Operands operands);
void run_window(const Node& node, Operands operands, float scale);
void run_learning(const Node& node, Operands operands);

// Computes a node; `scale` multiplies convolutions (1, but for a fault).
void run_node(const Node& node, Operands operands, float scale);

}  // namespace standin
