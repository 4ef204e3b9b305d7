#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace standin {

using Dims = std::vector<int64_t>;

// MPSDataType's values; others are refused.
enum class Type : uint32_t {
  float32 = 0x10000020,
  float16 = 0x10000010,
  int8 = 0x20000008,
  int32 = 0x20000020,
  int64 = 0x20000040,
  uint8 = 0x08,
  boolean = 0x80000008,
};

// While it computes, the stand-in keeps any element in one word: the bits of a
// float, or an int32. Halves are floats that were rounded to a half.
using Word = uint32_t;

Type to_type(uint32_t data_type, const char* where);
const char* type_name(Type type);
bool is_float(Type type);
int64_t element_size(Type type);
int64_t count(const Dims& dims);
int64_t byte_count(const Dims& dims, Type type);
std::string describe(const Dims& dims);
std::string describe(const Dims& dims, Type type);

// Positive, below 2^31 elements and 2^32 bytes, at most 16 dimensions.
void check_dims(const Dims& dims, Type type, const std::string& where);

void to_words(Type type, const void* bytes, int64_t size, Word* words);
void from_words(Type type, const Word* words, int64_t size, void* bytes);

float round_to_half(float value);
// Brings computed words into the range of their type.
void settle(Type type, Word* words, int64_t size);

}  // namespace standin
