#include "plan.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <set>

#include "counters.h"
#include "loops.h"
#include "strict.h"

namespace standin {
namespace {

// The tensor whose words a value shows.
const Value* root_of(const Value* value) {
  while (value->node->op == Op::alias || value->node->op == Op::read) {
    value = value->node->inputs[0];
  }
  return value;
}

bool is_step(const Node* node) {
  switch (node->op) {
    case Op::placeholder:
    case Op::constant:
    case Op::variable:
    case Op::read:
    case Op::assign:
    case Op::alias:
      return false;
    default:
      return true;
  }
}

// Whether the output may take the words of input i.
bool may_overwrite(const Node* node, size_t i) {
  switch (node->op) {
    case Op::unary:
    case Op::binary:
    case Op::compare:
    case Op::cast:
    case Op::relu_gradient:
    case Op::sigmoid_gradient:
      break;
    case Op::clamp:
      if (i > 0) return false;
      break;
    default:
      return false;
  }
  return node->inputs[i]->dims == node->outputs[0]->dims;
}

// Free places of the block, first fit.
class Places {
 public:
  int64_t take(int64_t size) {
    for (auto place = free_.begin(); place != free_.end(); ++place) {
      if (place->second < size) continue;
      int64_t offset = place->first, rest = place->second - size;
      free_.erase(place);
      if (rest > 0) free_[offset + size] = rest;
      return offset;
    }
    int64_t offset = end_;
    if (!free_.empty()) {  // the last place grows
      auto last = std::prev(free_.end());
      if (last->first + last->second == end_) {
        offset = last->first;
        free_.erase(last);
      }
    }
    end_ = offset + size;
    return offset;
  }

  void give(int64_t offset, int64_t size) {
    auto place = free_.emplace(offset, size).first;
    auto next = std::next(place);
    if (next != free_.end() && offset + size == next->first) {
      place->second += next->second;
      free_.erase(next);
    }
    if (place == free_.begin()) return;
    auto before = std::prev(place);
    if (before->first + before->second == offset) {
      before->second += place->second;
      free_.erase(place);
    }
  }

  int64_t end() const { return end_; }

 private:
  std::map<int64_t, int64_t> free_;
  int64_t end_ = 0;
};

int64_t place_size(const Value* value) {
  return (count(value->dims) + 15) / 16 * 16;
}

uint64_t mix(uint64_t value) {
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

}  // namespace

Executable::Executable(Graph* owner, const std::vector<Value*>& given,
                       const std::vector<Value*>& wanted,
                       const std::vector<Node*>& work, uint64_t serial)
    : graph(owner), targets(wanted), operations(work) {
  graph->retain();
  collect(given);
  check_variables();
  shuffle(serial);
  place();
}

Executable::~Executable() {
  hold_bytes(-scratch_bytes());
  std::free(scratch_);
  graph->release();
}

// All nodes that the targets need, each after those it needs.
void Executable::collect(const std::vector<Value*>& given) {
  std::set<const Node*> seen;
  auto visit = [&](auto&& self, Node* node) -> void {
    if (!seen.insert(node).second) return;
    for (Value* input : node->inputs) {
      if (input) self(self, input->node);
    }
    order_.push_back(node);
  };
  for (Value* target : targets) {
    require(target->node->graph == graph, "compile: a target of another graph",
            "targets are tensors of the graph");
    require(
        target->rank == Rank::known,
        "compile: a target of undocumented rank, made by " + target->node->name,
        "reshape it to its known shape first");
    visit(visit, target->node);
  }
  for (Node* operation : operations) {
    require(operation->graph == graph, "compile: an operation of another graph",
            "target operations are of the graph");
    visit(visit, operation);
  }
  // In the order of creation, which is topological and keeps tensors short.
  std::sort(order_.begin(), order_.end(),
            [](const Node* a, const Node* b) { return a->id < b->id; });
  for (Node* node : order_) {
    if (node->op != Op::placeholder) continue;
    Value* value = node->outputs[0].get();
    require(std::find(given.begin(), given.end(), value) != given.end(),
            "a placeholder " + describe(value->dims, value->type) +
                " that the targets need is not among the feeds",
            "feeds contain every placeholder the targets depend on");
    feeds.push_back(value);
  }
}

void Executable::check_variables() const {
  std::set<const Node*> read, assigned;
  for (const Node* node : order_) {
    if (node->op == Op::read) read.insert(node->inputs[0]->node);
  }
  for (const Value* target : targets) {
    require(target->node->op != Op::variable,
            "compile: a variable's own tensor as target",
            "target a readVariable of it, in a run without assigns");
  }
  for (const Node* node : order_) {
    if (node->op != Op::assign) continue;
    const Node* variable = node->inputs[0]->node;
    require(assigned.insert(variable).second,
            "compile: two assigns to one variable " +
                describe(variable->variable->dims),
            "one assign a run");
    require(!read.count(variable),
            "compile: readVariable and assignVariable of one variable " +
                describe(variable->variable->dims) + " in one run",
            "the order is undefined: read in a run of its own, or target the "
            "new value");
  }
}

// Apple doesn't say in which order; here it is never that of creation.
void Executable::shuffle(uint64_t serial) {
  if (feeds.size() < 2) return;
  std::vector<Value*> created = feeds;
  std::sort(feeds.begin(), feeds.end(), [=](const Value* a, const Value* b) {
    return mix(static_cast<uint64_t>(a->node->id) + serial * 1000003) <
           mix(static_cast<uint64_t>(b->node->id) + serial * 1000003);
  });
  if (feeds == created)
    std::rotate(feeds.begin(), feeds.begin() + 1, feeds.end());
}

Word* Executable::address(const Value* value) const {
  if (!value) return nullptr;
  const Value* root = root_of(value);
  if (root->node->op == Op::constant) return root->node->words.data();
  if (root->node->op == Op::variable) {
    return root->node->variable->words.data();
  }
  return scratch_ + offsets_.at(root);
}

void Executable::place() {
  constexpr size_t forever = std::numeric_limits<size_t>::max();
  std::map<const Value*, size_t> last;
  for (size_t i = 0; i < order_.size(); ++i) {
    for (const Value* input : order_[i]->inputs) {
      if (input) last[root_of(input)] = i;
    }
  }
  for (const Value* target : targets) last[root_of(target)] = forever;
  for (const Node* node : order_) {
    if (node->op == Op::assign) last[root_of(node->inputs[1])] = forever;
  }
  Places places;
  auto fresh = [&](const Value* value) {
    offsets_[value] = places.take(place_size(value));
  };
  for (const Value* feed : feeds) fresh(feed);
  for (size_t i = 0; i < order_.size(); ++i) {
    Node* node = order_[i];
    std::set<const Value*> dying;
    for (const Value* input : node->inputs) {
      if (!input) continue;
      const Value* root = root_of(input);
      if (offsets_.count(root) && last[root] == i) dying.insert(root);
    }
    if (is_step(node)) {
      bool reused = false;
      for (size_t j = 0; j < node->inputs.size() && !reused; ++j) {
        if (!node->inputs[j] || !may_overwrite(node, j)) continue;
        const Value* root = root_of(node->inputs[j]);
        if (!dying.count(root)) continue;
        // Another operand may show the same words in another shape.
        bool shared = false;
        for (size_t k = 0; k < node->inputs.size(); ++k) {
          shared = shared || (k != j && root_of(node->inputs[k]) == root &&
                              !may_overwrite(node, k));
        }
        if (shared) continue;
        offsets_[node->outputs[0].get()] = offsets_[root];
        dying.erase(root);
        reused = true;
      }
      if (!reused) {
        for (auto& output : node->outputs) fresh(output.get());
      }
    }
    for (const Value* root : dying) {
      places.give(offsets_[root], place_size(root));
    }
    for (auto& output : node->outputs) {  // results that nobody reads
      if (is_step(node) && !last.count(output.get())) {
        places.give(offsets_[output.get()], place_size(output.get()));
      }
    }
  }
  scratch_size_ = std::max<int64_t>(places.end(), 1);
  scratch_ = static_cast<Word*>(
      std::aligned_alloc(64, (scratch_size_ * sizeof(Word) + 63) / 64 * 64));
  require(scratch_, "out of memory for scratch", "the machine's own limit");
  hold_bytes(scratch_bytes());
  std::map<const Value*, size_t> computed;  // after how many steps
  for (Node* node : order_) {
    if (is_step(node)) {
      Step step{node, {}, {}};
      for (const Value* input : node->inputs) step.in.push_back(address(input));
      for (auto& output : node->outputs) {
        step.out.push_back(address(output.get()));
        computed[output.get()] = steps_.size() + 1;
      }
      steps_.push_back(std::move(step));
    } else if (node->op == Op::assign) {
      const Value* root = root_of(node->inputs[1]);
      const auto made = computed.find(root);
      assignments_.push_back({node->inputs[0]->node->variable.get(),
                              node->inputs[1], root->node->op == Op::variable,
                              root->node->op == Op::placeholder, steps_.size(),
                              made == computed.end() ? 0 : made->second});
    }
  }
}

void Executable::load(const std::vector<const void*>& inputs) {
  for (size_t i = 0; i < feeds.size(); ++i) {
    to_words(feeds[i]->type, inputs[i], count(feeds[i]->dims),
             address(feeds[i]));
    add(Counter::input_bytes, byte_count(feeds[i]->dims, feeds[i]->type));
  }
}

// Which of the readings of Apple's silence is played.
size_t Executable::time_of(const Assignment& assignment) const {
  const std::string reading = text_setting("assign");
  if (reading == "early") return assignment.earliest;
  return reading == "ordered" ? assignment.ordered : steps_.size();
}

void Executable::assign(const Assignment& assignment, const Word* from) {
  Variable& variable = *assignment.variable;
  std::memcpy(variable.words.data(), from,
              variable.words.size() * sizeof(Word));
  if (assignment.fed) {
    add(Counter::variable_bytes_in, byte_count(variable.dims, variable.type));
  }
}

void Executable::compute(size_t first, size_t last, Fault fault) {
  // Those at the very end see the variables from before the run.
  std::vector<std::vector<Word>> copies(assignments_.size());
  std::multimap<size_t, size_t> due;
  for (size_t i = 0; i < assignments_.size(); ++i) {
    const size_t time = time_of(assignments_[i]);
    if (time < first || time > last || (time == first && first > 0)) continue;
    if (fault == Fault::lost && i == assignments_.size() - 1) continue;
    due.emplace(time, i);
  }
  const auto settle = [&](size_t time) {
    const auto [begin, end] = due.equal_range(time);
    for (auto each = begin; each != end; ++each) {
      const Assignment& assignment = assignments_[each->second];
      if (!assignment.copy) continue;
      const Word* from = address(assignment.from);
      copies[each->second].assign(from,
                                  from + assignment.variable->words.size());
    }
    for (auto each = begin; each != end; ++each) {
      const Assignment& assignment = assignments_[each->second];
      assign(assignment, assignment.copy ? copies[each->second].data()
                                         : address(assignment.from));
    }
  };
  if (first == 0) settle(0);
  for (size_t i = first; i < last; ++i) {
    const bool wrong = fault == Fault::wrong ||
                       (fault == Fault::gradient &&
                        steps_[i].node->op == Op::convolution_weights_gradient);
    run_node(*steps_[i].node, {steps_[i].in, steps_[i].out},
             wrong ? 1.01f : 1.0f);
    settle(i + 1);
  }
}

void Executable::store(const std::vector<void*>& results) {
  for (size_t i = 0; i < targets.size(); ++i) {
    int64_t bytes = byte_count(targets[i]->dims, targets[i]->type);
    from_words(targets[i]->type, address(targets[i]), count(targets[i]->dims),
               results[i]);
    add(Counter::result_bytes, bytes);
    if (root_of(targets[i])->node->op == Op::variable) {
      add(Counter::variable_bytes_out, bytes);
    }
  }
}

std::vector<size_t> Executable::segment_ends() const {
  const auto most = static_cast<size_t>(number_setting("split"));
  std::vector<size_t> ends;
  for (size_t end = most; most > 0 && end < steps_.size(); end += most) {
    ends.push_back(end);
  }
  ends.push_back(steps_.size());
  return ends;
}

void Executable::spoil_variables(size_t first, size_t last) {
  for (const Assignment& assignment : assignments_) {
    const size_t time = time_of(assignment);
    if (time < first || time > last || (time == first && first > 0)) continue;
    Word word = is_float(assignment.variable->type) ? 0x7fc00000 : 0x25a5a5a5;
    std::fill(assignment.variable->words.begin(),
              assignment.variable->words.end(), word);
  }
}

}  // namespace standin
