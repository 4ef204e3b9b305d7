#include "pixels.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>

#include "network.h"
#include "philox.h"

namespace birbs {

namespace {

constexpr int64_t kHeaderBytes = 4096;
// Below this, starting threads costs more than copying.
constexpr int64_t kBytesPerThread = 1 << 20;

template <typename Number>
Number read_little_endian(const uint8_t* bytes) {
  Number number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) {
    number |= static_cast<Number>(bytes[i]) << (8 * i);
  }
  return number;
}

Error pixel_error(const std::string& path, const std::string& problem) {
  return Error("pixel file " + path + " " + problem +
               "; delete it and it will be decoded again");
}

// About the mean of photographs.
constexpr uint8_t kGrey = 118;

// How one image of a batch is changed.
struct Change {
  bool flip = false;
  int shift_x = 0, shift_y = 0;
  uint32_t cutout_word = 0;
  bool recolour = false;
  uint8_t colours[256];
};

int shift_of(uint32_t word, int shift) {
  return static_cast<int>((uint64_t{word} * (2 * shift + 1)) >> 32) - shift;
}

float factor_of(uint32_t gate, uint32_t word, float probability, float size) {
  if (to_uniform(gate) >= probability) return 1;
  return 1 + size * (2 * to_uniform(word) - 1);
}

Change change_of(const Augmentation& augmentation, uint32_t position) {
  const auto first = philox(augmentation.seed, augment_stream,
                            augmentation.step, 2 * position);
  const auto second = philox(augmentation.seed, augment_stream,
                             augmentation.step, 2 * position + 1);
  Change change;
  change.flip = to_uniform(first[0]) < augmentation.flip;
  change.shift_x = shift_of(first[1], augmentation.shift);
  change.shift_y = shift_of(first[2], augmentation.shift);
  change.cutout_word = first[3];
  const float brightness =
      factor_of(second[0], second[1], augmentation.brightness_probability,
                augmentation.brightness);
  const float contrast =
      factor_of(second[2], second[3], augmentation.contrast_probability,
                augmentation.contrast);
  change.recolour = brightness != 1 || contrast != 1;
  if (!change.recolour) return change;
  for (int value = 0; value < 256; ++value) {
    const float changed = (value * brightness - 127.5f) * contrast + 127.5f;
    change.colours[value] =
        static_cast<uint8_t>(std::clamp(changed + 0.5f, 0.0f, 255.0f));
  }
  return change;
}

// One row, moved by shift_x and mirrored after that.
void copy_row(const uint8_t* source, int width, const Change& change,
              uint8_t* target) {
  if (!change.flip && change.shift_x == 0) {
    std::memcpy(target, source, size_t{3} * width);
    return;
  }
  for (int x = 0; x < width; ++x) {
    const int from = std::clamp(x - change.shift_x, 0, width - 1);
    const int to = change.flip ? width - 1 - x : x;
    for (int c = 0; c < 3; ++c) target[3 * to + c] = source[3 * from + c];
  }
}

void copy_changed(const uint8_t* source, int height, int width,
                  const Change& change, uint8_t* target) {
  const int64_t pitch = int64_t{3} * width;
  for (int y = 0; y < height; ++y) {
    const int from = std::clamp(y - change.shift_y, 0, height - 1);
    copy_row(source + from * pitch, width, change, target + y * pitch);
  }
  if (!change.recolour) return;
  for (int64_t i = 0; i < height * pitch; ++i) {
    target[i] = change.colours[target[i]];
  }
}

// Of `length` pixels those that a square of `side` around a point covers. The
// point is at `half_word` / 65536 of the length.
struct Span {
  int begin, end;
};
Span covered(uint32_t half_word, int length, int side) {
  const int centre = static_cast<int>((uint64_t{half_word} * length) >> 16);
  const int begin = centre - side / 2;
  return {std::max(begin, 0), std::min(begin + side, length)};
}

void cut_out(uint32_t word, int height, int width, int side, uint8_t* target) {
  const Span columns = covered(word >> 16, width, side);
  const Span rows = covered(word & 0xffff, height, side);
  for (int y = rows.begin; y < rows.end; ++y) {
    std::memset(target + 3 * (int64_t{y} * width + columns.begin), kGrey,
                size_t{3} * (columns.end - columns.begin));
  }
}

}  // namespace

bool remove_unused_pixels(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT) return true;
  bool removed = false;
  if (descriptor >= 0) {
    removed = flock(descriptor, LOCK_EX | LOCK_NB) == 0 &&
              (::unlink(path.c_str()) == 0 || errno == ENOENT);
    ::close(descriptor);
  }
  return removed;
}

PixelFiles::PixelFiles(const std::vector<std::string>& paths) {
  try {
    for (const std::string& path : paths) open(path);
  } catch (...) {
    close();
    throw;
  }
}

PixelFiles::~PixelFiles() { close(); }

void PixelFiles::open(const std::string& path) {
  File file{path};
  file.descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file.descriptor < 0) {
    throw Error("pixel file " + path +
                " could not be opened: " + std::strerror(errno));
  }
  // A mark of use, for remove_unused_pixels of any process. Not every file
  // system has them; without one the mapping still holds the bytes.
  flock(file.descriptor, LOCK_SH | LOCK_NB);
  files_.push_back(file);
  File& opened = files_.back();
  struct stat status{};
  if (fstat(opened.descriptor, &status) != 0 || status.st_size < kHeaderBytes) {
    throw pixel_error(path, "is shorter than its header");
  }
  opened.bytes = status.st_size;
  void* mapped = mmap(nullptr, static_cast<size_t>(opened.bytes), PROT_READ,
                      MAP_SHARED, opened.descriptor, 0);
  if (mapped == MAP_FAILED) {
    throw Error("pixel file " + path +
                " could not be mapped: " + std::strerror(errno));
  }
  opened.mapped = static_cast<const uint8_t*>(mapped);
  const uint8_t* header = opened.mapped;
  if (std::memcmp(header, "BIRBSPIX", 8) != 0 ||
      read_little_endian<uint32_t>(header + 8) != 1 ||
      read_little_endian<uint32_t>(header + 20) != 3) {
    throw pixel_error(path, "is not a version 1 file of RGB pixels");
  }
  const auto width = read_little_endian<uint32_t>(header + 12);
  const auto height = read_little_endian<uint32_t>(header + 16);
  const auto rows = read_little_endian<uint64_t>(header + 24);
  if (width < 1 || width > 65535 || height < 1 || height > 65535) {
    throw pixel_error(path, "has an impossible image size");
  }
  const uint64_t image = uint64_t{width} * height * 3;
  const auto body = static_cast<uint64_t>(opened.bytes - kHeaderBytes);
  if (rows > body / image || rows * image != body) {
    throw pixel_error(path, "has a length that does not fit its header");
  }
  if (files_.size() > 1 && (static_cast<int>(width) != width_ ||
                            static_cast<int>(height) != height_)) {
    throw pixel_error(path, "holds images of another size than the first");
  }
  width_ = static_cast<int>(width);
  height_ = static_cast<int>(height);
  opened.first_row = count_;
  opened.rows = static_cast<int64_t>(rows);
  count_ += opened.rows;
}

void PixelFiles::close() {
  for (File& file : files_) {
    if (file.mapped != nullptr) {
      munmap(const_cast<uint8_t*>(file.mapped),
             static_cast<size_t>(file.bytes));
    }
    if (file.descriptor >= 0) ::close(file.descriptor);
  }
  files_.clear();
}

const uint8_t* PixelFiles::image(uint32_t row) const {
  const auto after = std::upper_bound(
      files_.begin(), files_.end(), int64_t{row},
      [](int64_t wanted, const File& file) { return wanted < file.first_row; });
  const File& file = *(after - 1);
  return file.mapped + kHeaderBytes +
         (int64_t{row} - file.first_row) * image_bytes();
}

void PixelFiles::assemble(const uint32_t* rows, int64_t row_count,
                          uint8_t* output, const Augmentation* augmentation,
                          int threads) const {
  for (int64_t i = 0; i < row_count; ++i) {
    if (rows[i] >= count_) {
      throw Error("row " + std::to_string(rows[i]) +
                  " is out of range: the pixel files hold " +
                  std::to_string(count_) + " images");
    }
  }
  // Reading a mapping past the end of a file that has shrunk is a SIGBUS.
  for (const File& file : files_) {
    struct stat status{};
    if (fstat(file.descriptor, &status) != 0 || status.st_size < file.bytes) {
      throw pixel_error(file.path, "was shortened while it was in use");
    }
  }
  const auto copy = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      uint8_t* target = output + i * image_bytes();
      if (augmentation == nullptr) {
        std::memcpy(target, image(rows[i]), static_cast<size_t>(image_bytes()));
      } else {
        const Change change = change_of(
            *augmentation, augmentation->first + static_cast<uint32_t>(i));
        copy_changed(image(rows[i]), height_, width_, change, target);
        if (augmentation->cutout > 0) {
          cut_out(change.cutout_word, height_, width_, augmentation->cutout,
                  target);
        }
      }
    }
  };
  const int64_t useful =
      std::min<int64_t>(row_count, row_count * image_bytes() / kBytesPerThread);
  const int64_t parts = std::clamp<int64_t>(useful, 1, std::max(threads, 1));
  const auto share = [&](int64_t part) {
    copy(row_count * part / parts, row_count * (part + 1) / parts);
  };
  std::vector<std::thread> helpers;
  helpers.reserve(static_cast<size_t>(parts));
  int64_t part = 1;
  try {
    for (; part < parts; ++part) helpers.emplace_back(share, part);
  } catch (const std::system_error&) {
    // No more threads to be had: the rest is copied here.
  }
  share(0);
  for (; part < parts; ++part) share(part);
  for (std::thread& helper : helpers) helper.join();
}

}  // namespace birbs
