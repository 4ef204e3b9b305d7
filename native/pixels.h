#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace birbs {

// Changes to images of one batch, `first` of which come before them. All
// randomness is Philox at (seed, augment_stream, step): image i of the batch
// owns blocks 2i and 2i + 1, words in the order flip, shift x, shift y, cutout
// (high half x, low half y), brightness gate, brightness, contrast gate,
// contrast.
struct Augmentation {
  uint64_t seed = 0, step = 0;
  uint32_t first = 0;
  float flip = 0;  // probability
  int shift = 0;   // pixels at most, each axis; edges are repeated
  float brightness_probability = 0, brightness = 0;
  float contrast_probability = 0, contrast = 0;
  // Side in pixels of a grey square; its centre is anywhere in the image, and
  // what lies outside is cut off (DeVries and Taylor, 2017). 0: none.
  int cutout = 0;
};

// Removes a pixel file unless a process, this one included, has it open as
// PixelFiles: the mark of use is the kernel's (flock) and ends with the
// process, however that ends. False where it is in use; true too where it was
// gone.
bool remove_unused_pixels(const std::string& path);

// Pixel files of one image size, memory-mapped and read as one long array of
// uint8 H x W x 3 images. The format is written by
// src/data/cache/pixel_cache.ts: 4096 bytes of header ("BIRBSPIX", then
// little-endian uint32 version 1, width, height, channels 3, uint64 count),
// then the images.
class PixelFiles {
 public:
  // Throws Error for a file that is missing, foreign or of a wrong length.
  explicit PixelFiles(const std::vector<std::string>& paths);
  ~PixelFiles();
  PixelFiles(const PixelFiles&) = delete;

  int64_t count() const { return count_; }
  int height() const { return height_; }
  int width() const { return width_; }
  int64_t image_bytes() const { return int64_t{height_} * width_ * 3; }

  // Copies images `rows` to `output`, augmented if `augmentation` is given, on
  // up to `threads` threads. Throws Error for a row out of range or a file that
  // has shrunk since it was opened.
  void assemble(const uint32_t* rows, int64_t row_count, uint8_t* output,
                const Augmentation* augmentation, int threads) const;

 private:
  struct File {
    std::string path;
    int descriptor = -1;
    const uint8_t* mapped = nullptr;
    int64_t bytes = 0;
    int64_t first_row = 0, rows = 0;
  };
  void open(const std::string& path);
  void close();
  const uint8_t* image(uint32_t row) const;

  std::vector<File> files_;
  int64_t count_ = 0;
  int height_ = 0, width_ = 0;
};

}  // namespace birbs
