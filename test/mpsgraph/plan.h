#pragma once

#include <map>

#include "faults.h"
#include "graph.h"
#include "kernels.h"

namespace standin {

// A graph's targets as a list of steps over one block of memory, shared out by
// when each tensor lives.
struct Executable {
  Graph* graph;
  std::vector<Value*> feeds;    // placeholders the targets need, shuffled
  std::vector<Value*> targets;  // as asked for
  std::vector<Node*> operations;
  std::atomic<int64_t> in_flight{0};

  // `given`: the placeholders of the feeds. `serial` seeds the shuffle.
  Executable(Graph* graph, const std::vector<Value*>& given,
             const std::vector<Value*>& targets,
             const std::vector<Node*>& operations, uint64_t serial);
  ~Executable();
  Executable(const Executable&) = delete;

  int64_t scratch_bytes() const {
    return static_cast<int64_t>(scratch_size_ * sizeof(Word));
  }

  // A run is these three, one after the other. Steps may be computed in
  // several command buffers; which assignments a range of them makes is the
  // setting `assign`.
  void load(const std::vector<const void*>& inputs);
  void compute(size_t first, size_t last, Fault fault);
  void store(const std::vector<void*>& results);

  size_t step_count() const { return steps_.size(); }
  // Where the encode continues in another command buffer: the ends of its
  // ranges of steps, by the setting `split`.
  std::vector<size_t> segment_ends() const;

  // Every variable that these steps would assign becomes NaN.
  void spoil_variables(size_t first, size_t last);

 private:
  struct Step {
    Node* node;
    std::vector<const Word*> in;
    std::vector<Word*> out;
  };
  struct Assignment {
    Variable* variable;
    const Value* from;
    bool copy;  // from another variable's own words
    bool fed;   // straight from a placeholder
    // Steps that are computed before, in the order of creation and at least.
    size_t ordered, earliest;
  };
  size_t time_of(const Assignment& assignment) const;
  void assign(const Assignment& assignment, const Word* from);

  void collect(const std::vector<Value*>& given);
  void check_variables() const;
  void shuffle(uint64_t serial);
  void place();
  Word* address(const Value* value) const;

  std::vector<Node*> order_;
  std::vector<Step> steps_;
  std::vector<Assignment> assignments_;
  std::map<const Value*, int64_t> offsets_;  // of roots, in words
  Word* scratch_ = nullptr;
  int64_t scratch_size_ = 0;
};

}  // namespace standin
