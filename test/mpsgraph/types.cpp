#include "types.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "strict.h"

namespace standin {
namespace {

uint16_t to_half_bits(float rounded) {
  uint32_t bits = std::bit_cast<uint32_t>(rounded);
  uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude == 0x7f800000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    return sign | static_cast<uint16_t>((magnitude - 0x38000000) >> 13);
  }
  return sign | static_cast<uint16_t>(std::fabs(rounded) * 0x1p24f);
}

float from_half_bits(uint16_t half) {
  float sign = half & 0x8000 ? -1.0f : 1.0f;
  int exponent = half >> 10 & 31;
  int fraction = half & 1023;
  if (exponent == 31) {
    return fraction ? std::numeric_limits<float>::quiet_NaN()
                    : sign * std::numeric_limits<float>::infinity();
  }
  if (exponent == 0) return sign * static_cast<float>(fraction) * 0x1p-24f;
  return sign * std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
}

template <typename From>
void widen(const void* bytes, int64_t size, Word* words) {
  for (int64_t i = 0; i < size; ++i) {
    From value;
    std::memcpy(&value, static_cast<const char*>(bytes) + i * sizeof(From),
                sizeof(From));
    words[i] = static_cast<Word>(static_cast<int32_t>(value));
  }
}

template <typename To>
void narrow(const Word* words, int64_t size, void* bytes) {
  for (int64_t i = 0; i < size; ++i) {
    To value = static_cast<To>(static_cast<int32_t>(words[i]));
    std::memcpy(static_cast<char*>(bytes) + i * sizeof(To), &value, sizeof(To));
  }
}

}  // namespace

Type to_type(uint32_t data_type, const char* where) {
  switch (static_cast<Type>(data_type)) {
    case Type::float32:
    case Type::float16:
    case Type::int8:
    case Type::int32:
    case Type::int64:
    case Type::uint8:
    case Type::boolean:
      return static_cast<Type>(data_type);
  }
  fail(std::string(where) + ": data type " + std::to_string(data_type),
       "the stand-in has Float32, Float16, Int8, Int32, Int64, UInt8 and Bool");
}

const char* type_name(Type type) {
  switch (type) {
    case Type::float32:
      return "f32";
    case Type::float16:
      return "f16";
    case Type::int8:
      return "i8";
    case Type::int32:
      return "i32";
    case Type::int64:
      return "i64";
    case Type::uint8:
      return "u8";
    case Type::boolean:
      return "bool";
  }
  return "?";
}

bool is_float(Type type) {
  return type == Type::float32 || type == Type::float16;
}

int64_t element_size(Type type) {
  return (static_cast<uint32_t>(type) & 0xffff) / 8;
}

int64_t count(const Dims& dims) {
  int64_t product = 1;
  for (int64_t dim : dims) product *= dim;
  return product;
}

int64_t byte_count(const Dims& dims, Type type) {
  return count(dims) * element_size(type);
}

std::string describe(const Dims& dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) {
    text += (i ? ", " : "") + std::to_string(dims[i]);
  }
  return text + "]";
}

std::string describe(const Dims& dims, Type type) {
  return std::string(type_name(type)) + describe(dims);
}

void check_dims(const Dims& dims, Type type, const std::string& where) {
  require(dims.size() <= 16, where + ": rank " + std::to_string(dims.size()),
          "at most 16 dimensions");
  int64_t product = 1;
  for (int64_t dim : dims) {
    require(dim > 0, where + ": shape " + describe(dims),
            "isStaticMPSType: every dimension known and positive");
    require(dim <= std::numeric_limits<int32_t>::max(),
            where + ": shape " + describe(dims),
            "NDArray dimension length > INT_MAX");
    product *= dim;
    require(product < int64_t{1} << 31, where + ": shape " + describe(dims),
            "product of dimension sizes > 2**31");
  }
  require(product * element_size(type) < int64_t{1} << 32,
          where + ": " + describe(dims, type),
          "total bytes of NDArray > 2**32");
}

void to_words(Type type, const void* bytes, int64_t size, Word* words) {
  switch (type) {
    case Type::float32:
    case Type::int32:
      std::memcpy(words, bytes, size * sizeof(Word));
      return;
    case Type::float16:
      for (int64_t i = 0; i < size; ++i) {
        uint16_t half;
        std::memcpy(&half, static_cast<const char*>(bytes) + i * 2, 2);
        words[i] = std::bit_cast<Word>(from_half_bits(half));
      }
      return;
    case Type::int8:
      return widen<int8_t>(bytes, size, words);
    case Type::int64:
      return widen<int64_t>(bytes, size, words);
    case Type::uint8:
      return widen<uint8_t>(bytes, size, words);
    case Type::boolean:
      for (int64_t i = 0; i < size; ++i) {
        words[i] = static_cast<const uint8_t*>(bytes)[i] != 0;
      }
      return;
  }
}

void from_words(Type type, const Word* words, int64_t size, void* bytes) {
  switch (type) {
    case Type::float32:
    case Type::int32:
      std::memcpy(bytes, words, size * sizeof(Word));
      return;
    case Type::float16:
      for (int64_t i = 0; i < size; ++i) {
        uint16_t half = to_half_bits(std::bit_cast<float>(words[i]));
        std::memcpy(static_cast<char*>(bytes) + i * 2, &half, 2);
      }
      return;
    case Type::int8:
      return narrow<int8_t>(words, size, bytes);
    case Type::int64:
      return narrow<int64_t>(words, size, bytes);
    case Type::uint8:
    case Type::boolean:
      return narrow<uint8_t>(words, size, bytes);
  }
}

float round_to_half(float value) {
  if (!(std::fabs(value) < 65520.0f)) {
    return std::isnan(value)
               ? value
               : std::copysign(std::numeric_limits<float>::infinity(), value);
  }
  // The last bit of a half, or of its smallest normal number below that.
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t exponent = bits & 0x7f800000;
  if (exponent < 0x38800000) {
    float magnitude = (std::fabs(value) + 0.5f) - 0.5f;
    return std::copysign(magnitude, value);
  }
  bits += 0x0fff + (bits >> 13 & 1);
  return std::bit_cast<float>(bits & ~uint32_t{0x1fff});
}

void settle(Type type, Word* words, int64_t size) {
  if (type == Type::float16) {
    for (int64_t i = 0; i < size; ++i) {
      words[i] =
          std::bit_cast<Word>(round_to_half(std::bit_cast<float>(words[i])));
    }
  } else if (type == Type::uint8) {
    for (int64_t i = 0; i < size; ++i) words[i] &= 0xff;
  } else if (type == Type::int8) {
    for (int64_t i = 0; i < size; ++i) {
      words[i] = static_cast<Word>(static_cast<int8_t>(words[i]));
    }
  }
}

}  // namespace standin
