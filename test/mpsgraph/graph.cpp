#include "graph.h"

#include "counters.h"
#include "strict.h"

namespace standin {

void Graph::release() {
  if (--owners > 0) return;
  int64_t held = 0;
  for (auto& node : nodes) {
    held += static_cast<int64_t>(node->words.size() * sizeof(Word));
    if (node->variable) {
      held += byte_count(node->variable->dims, node->variable->type);
    }
  }
  hold_bytes(-held);
  delete this;
}

Entry::Entry(Graph* graph) : graph_(graph) {
  require(graph->alive, "use of a graph that was freed",
          "keep the MPSGraph as long as its tensors and executables");
  require(!graph->busy.exchange(true), "two threads inside one MPSGraph",
          "no thread safety is documented: serialise");
}

Entry::~Entry() { graph_->busy = false; }

}  // namespace standin
