#include "description.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

namespace birbs {
namespace {

constexpr size_t max_layers = 256, max_classes = 10000;

std::string show(const Json& json);

std::string show_number(double number) {
  char text[32];
  for (int digits = 6; digits <= 17; ++digits) {
    std::snprintf(text, sizeof(text), "%.*g", digits, number);
    if (std::strtod(text, nullptr) == number) break;
  }
  if (std::fabs(number) < 1e15 && number == std::floor(number)) {
    std::snprintf(text, sizeof(text), "%.0f", number);
  } else if (std::fabs(number) == 1e-6) {  // as JavaScript writes it
    return "0.000001";
  }
  return text;
}

std::string show_text(const std::string& text) {
  std::string shown = "\"";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", byte);
      shown += escape;
    } else {
      if (c == '"' || c == '\\') shown += '\\';
      shown += c;
    }
  }
  return shown + "\"";
}

struct Show {
  std::string operator()(std::nullptr_t) const { return "null"; }
  std::string operator()(bool flag) const { return flag ? "true" : "false"; }
  std::string operator()(double number) const { return show_number(number); }
  std::string operator()(const std::string& text) const {
    return show_text(text);
  }
  std::string operator()(const Json::Array& array) const {
    std::string shown;
    for (const Json& element : array) {
      shown += (shown.empty() ? "[" : ",") + show(element);
      if (shown.size() > 80) break;
    }
    return array.empty() ? "[]" : shown + "]";
  }
  std::string operator()(const Json::Object& object) const {
    std::string shown;
    for (const auto& [key, element] : object) {
      shown += shown.empty() ? "{" : ",";
      shown += show_text(key) + ":" + show(element);
      if (shown.size() > 80) break;
    }
    return object.empty() ? "{}" : shown + "}";
  }
};

// As JSON, cut where it is long, never inside a character.
std::string show(const Json& json) {
  std::string shown = std::visit(Show{}, json.value);
  size_t end = std::min<size_t>(shown.size(), 60);
  while (end < shown.size() && (shown[end] & 0xC0) == 0x80) --end;
  return shown.substr(0, end);
}

[[noreturn]] void refuse(const std::string& field, const std::string& expected,
                         const std::string& found) {
  throw Error("network description: expected " + field + " to be " + expected +
              ", but found " + found);
}

[[noreturn]] void refuse(const std::string& field, const std::string& expected,
                         const Json& found) {
  refuse(field, expected, show(found));
}

// An object with the required fields and no unknown ones.
const Json::Object& object_of(const Json& json, const std::string& field,
                              const std::vector<std::string>& required,
                              const std::vector<std::string>& optional = {}) {
  const auto* object = std::get_if<Json::Object>(&json.value);
  if (!object) refuse(field, "an object", json);
  for (const std::string& key : required) {
    if (!json.find(key)) refuse(field + "." + key, "there", "none");
  }
  auto has = [](const std::vector<std::string>& keys, const std::string& key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  for (const auto& [key, value] : *object) {
    if (has(required, key) || has(optional, key)) continue;
    refuse(field + "." + key.substr(0, 40), "absent", "an unknown field");
  }
  return *object;
}

const Json::Array& array_of(const Json& json, const std::string& field,
                            size_t least, size_t most) {
  const auto* array = std::get_if<Json::Array>(&json.value);
  if (array && array->size() >= least && array->size() <= most) return *array;
  const std::string count =
      least == most ? std::to_string(least)
                    : std::to_string(least) + " to " + std::to_string(most);
  refuse(field, count + " values", json);
}

double number_of(const Json& json, const std::string& field, double low,
                 double high) {
  const auto* number = std::get_if<double>(&json.value);
  if (number && *number >= low && *number <= high) return *number;
  refuse(field,
         "a number from " + show_number(low) + " to " + show_number(high),
         json);
}

int whole_of(const Json& json, const std::string& field, double low,
             double high) {
  const auto* number = std::get_if<double>(&json.value);
  if (number && *number >= low && *number <= high &&
      *number == std::floor(*number)) {
    return static_cast<int>(*number);
  }
  refuse(field,
         "a whole number from " + show_number(low) + " to " + show_number(high),
         json);
}

bool flag_of(const Json& json, const std::string& field) {
  const auto* flag = std::get_if<bool>(&json.value);
  if (flag) return *flag;
  refuse(field, "true or false", json);
}

// Names go into files and terminals: short, and without control characters.
bool printable(const std::string& text) {
  size_t characters = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return false;
    const bool control = byte == 0xC2 && i + 1 < text.size() &&
                         static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (control) return false;
    characters += (byte & 0xC0) != 0x80;
  }
  return characters >= 1 && characters <= 200;
}

std::string text_of(const Json& json, const std::string& field) {
  const auto* text = std::get_if<std::string>(&json.value);
  if (text && printable(*text)) return *text;
  refuse(field, "a text of 1 to 200 printable characters", json);
}

std::string choice_of(const Json* json, const std::string& field,
                      const std::vector<std::string>& choices) {
  const auto* text = json ? std::get_if<std::string>(&json->value) : nullptr;
  if (text &&
      std::find(choices.begin(), choices.end(), *text) != choices.end()) {
    return *text;
  }
  std::string expected;
  for (const std::string& choice : choices) {
    expected += (expected.empty() ? "" : ", ") + choice;
  }
  refuse(field, expected, json ? show(*json) : "none");
}

// One number, or as many as one of `lengths`.
std::vector<int> sizes_of(const Json& json, const std::string& field,
                          const Field& range, const std::string& lengths) {
  const auto* array = std::get_if<Json::Array>(&json.value);
  if (!array) return {whole_of(json, field, range.low, range.high)};
  const bool fits =
      array->size() == 2 || (array->size() == 4 && lengths.ends_with('4'));
  if (!fits) refuse(field, "one number or " + lengths + " numbers", json);
  std::vector<int> numbers;
  for (const Json& element : *array) {
    numbers.push_back(whole_of(element, field, range.low, range.high));
  }
  return numbers;
}

// Puts one field of a description where it belongs.
struct Assign {
  Layer& layer;
  const Field& field;
  const Json& json;
  const std::string& name;

  void operator()(std::string Layer::* target) const {
    layer.*target = text_of(json, name);
  }
  void operator()(int Layer::* target) const {
    layer.*target = whole_of(json, name, field.low, field.high);
  }
  void operator()(float Layer::* target) const {
    layer.*target =
        static_cast<float>(number_of(json, name, field.low, field.high));
  }
  void operator()(bool Layer::* target) const {
    layer.*target = flag_of(json, name);
  }
  void operator()(const Field::Size& size) const {
    const std::vector<int> numbers = sizes_of(json, name, field, "2");
    layer.window.*size.height = numbers.front();
    layer.window.*size.width = numbers.back();
  }
  void operator()(const Field::Padding&) const {
    Window& at = layer.window;
    if (const auto* rule = std::get_if<std::string>(&json.value)) {
      if (*rule != "same") {
        refuse(name, "\"same\", one number or 2 or 4 numbers", json);
      }
      layer.same_padding = true;
      return;
    }
    const std::vector<int> numbers = sizes_of(json, name, field, "2 or 4");
    if (numbers.size() == 4) {
      at.pad_top = numbers[0], at.pad_bottom = numbers[1];
      at.pad_left = numbers[2], at.pad_right = numbers[3];
    } else {
      at.pad_top = at.pad_bottom = numbers.front();
      at.pad_left = at.pad_right = numbers.back();
    }
  }
  void operator()(const Field::Names&) const {
    if (!std::holds_alternative<Json::Array>(json.value)) {
      layer.from = {text_of(json, name)};
      return;
    }
    for (const Json& element : array_of(json, name, 1, 2)) {
      layer.from.push_back(text_of(element, name));
    }
  }
};

std::vector<std::string> layer_names() {
  std::vector<std::string> names;
  for (const OpType& type : op_types()) {
    if (type.layer) names.push_back(type.name);
  }
  return names;
}

Layer layer_of(const Json& json, const std::string& where) {
  const OpType& type =
      *find_op(choice_of(json.find("type"), where + ".type", layer_names()));
  const std::vector<Field> fields = fields_of(type);
  std::vector<std::string> required{"type"}, optional;
  for (const Field& field : fields) {
    (field.required ? required : optional).push_back(field.name);
  }
  object_of(json, where, required, optional);
  Layer layer;
  layer.kind = type.kind;
  for (const Field& field : fields) {
    const Json* found = json.find(field.name);
    if (!found) continue;
    const std::string name = where + "." + field.name;
    std::visit(Assign{layer, field, *found, name}, field.target);
  }
  const bool pooling =
      type.kind == OpKind::max_pool2d || type.kind == OpKind::avg_pool2d;
  if (pooling && !json.find("stride")) {  // as PyTorch
    layer.window.stride_height = layer.window.kernel_height;
    layer.window.stride_width = layer.window.kernel_width;
  }
  return layer;
}

std::array<float, 3> triple_of(const Json& json, const std::string& field,
                               double low) {
  std::array<float, 3> triple{};
  const Json::Array& array = array_of(json, field, 3, 3);
  for (size_t i = 0; i < 3; ++i) {
    triple[i] = static_cast<float>(
        number_of(array[i], field + "[" + std::to_string(i) + "]", low, 1e6));
  }
  return triple;
}

void check_classes(const Json& json) {
  std::set<std::string> names;
  for (const Json& name : array_of(json, "classNames", 2, max_classes)) {
    const std::string field =
        "classNames[" + std::to_string(names.size()) + "]";
    if (!names.insert(text_of(name, field)).second) {
      refuse("classNames", "names that differ", json);
    }
  }
}

}  // namespace

const Json* Json::find(const std::string& key) const {
  const auto* object = std::get_if<Object>(&value);
  if (!object) return nullptr;
  for (const auto& [name, element] : *object) {
    if (name == key) return &element;
  }
  return nullptr;
}

Network parse_network(const Json& top) {
  object_of(top, "network", {"input", "normalization", "layers", "classNames"});
  const Json& input = *top.find("input");
  object_of(input, "network.input", {"height", "width", "channels", "fit"});
  const Json& normalization = *top.find("normalization");
  object_of(normalization, "network.normalization", {"mean", "std"});
  const Json& classes = *top.find("classNames");
  check_classes(classes);
  auto side = [&](const char* key, double low, double high) {
    return whole_of(*input.find(key), std::string("input.") + key, low, high);
  };
  Network network;
  network.input = {side("channels", 3, 3), side("height", 1, max_side),
                   side("width", 1, max_side)};
  choice_of(input.find("fit"), "input.fit", {"cover", "contain", "fill"});
  network.mean =
      triple_of(*normalization.find("mean"), "normalization.mean", -1e6);
  network.std =
      triple_of(*normalization.find("std"), "normalization.std", 1e-6);
  for (const Json& layer :
       array_of(*top.find("layers"), "layers", 1, max_layers)) {
    network.layers.push_back(layer_of(
        layer, "layers[" + std::to_string(network.layers.size()) + "]"));
  }
  network.classes =
      static_cast<int>(std::get<Json::Array>(classes.value).size());
  return network;
}

}  // namespace birbs
