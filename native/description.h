#pragma once

#include <string>
#include <variant>
#include <vector>

#include "network.h"

namespace birbs {

// A value as JSON has it. Objects keep the order of their keys.
struct Json {
  struct Member;  // a pair would have to be complete here
  using Array = std::vector<Json>;
  using Object = std::vector<Member>;
  std::variant<std::nullptr_t, bool, double, std::string, Array, Object> value;

  // Null if this is no object or has no such key.
  const Json* find(const std::string& key) const;
};

struct Json::Member {
  std::string name;
  Json value;
};

// The network of a description: types, ranges and names of fields
// are checked here, field by field, what the layers are to each other in
// plan_network. Throws Error that names the field.
Network parse_network(const Json& description);

}  // namespace birbs
