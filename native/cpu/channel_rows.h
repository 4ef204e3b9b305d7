#pragma once

#include <algorithm>

#include "layout.h"
#include "parallel.h"

namespace birbs::cpu {

// Numbers of one image as rows of 16, 8 or 1 floats that lie side by side, one
// row `stride` behind the other: of as many channels, or all of one.
struct Rows {
  int64_t offset, count, stride;
  int lanes;
  int channel;  // the first, within its group
  bool one;     // all of one channel

  // The channel of a lane, within the group.
  int of(int lane) const { return one ? channel : channel + lane; }
};

constexpr int most_lanes = 16;

// Channels that are worked on together: a register, or what is left of one.
struct ChannelGroup {
  int first, width;
};

// Calls task(group) for all channels, shared out among threads: no number
// depends on how many there are.
template <typename Task>
void each_channel_group(const Layout& layout, int count, const Task& task) {
  const int width = std::min(layout.block, most_lanes);
  const int channels = layout.shape.channels;
  const int64_t groups = (channels + width - 1) / width;
  parallel(groups, count * layout.size(), [&](int64_t first, int64_t last) {
    for (int64_t group = first; group < last; ++group) {
      const int channel = static_cast<int>(group) * width;
      task(ChannelGroup{channel, std::min(width, channels - channel)});
    }
  });
}

// Calls task(image, group) for all channels of each image, shared out among
// threads.
template <typename Task>
void each_image_group(const Layout& layout, int count, const Task& task) {
  const int width = std::min(layout.block, most_lanes);
  const int channels = layout.shape.channels;
  const int64_t groups = (channels + width - 1) / width;
  parallel(count * groups, count * layout.size(),
           [&](int64_t first, int64_t last) {
             for (int64_t i = first; i < last; ++i) {
               const int channel = static_cast<int>(i % groups) * width;
               task(static_cast<int>(i / groups),
                    ChannelGroup{channel, std::min(width, channels - channel)});
             }
           });
}

// Calls task(rows) for a group's numbers in one image. Lanes behind the group's
// width are channels that pad a block.
template <typename Task>
void image_rows(const Layout& layout, int image, const ChannelGroup& group,
                const Task& task) {
  const int64_t plane = layout.plane();
  const int64_t offset = image * layout.size() + layout.offset(group.first, 0);
  if (layout.block == 1) {
    task(Rows{offset, plane / 8, 8, 8, 0, true});
    task(Rows{offset + plane / 8 * 8, plane % 8, 1, 1, 0, true});
  } else if (layout.block == 16 || layout.block == 8) {
    task(Rows{offset, plane, layout.block, layout.block, 0, false});
  } else if (group.width == most_lanes) {  // H, W, C
    task(Rows{offset, plane, layout.block, most_lanes, 0, false});
  } else {
    for (int c = 0; c < group.width; ++c) {
      task(Rows{offset + c, plane, layout.block, 1, c, true});
    }
  }
}

// The same image by image.
template <typename Task>
void each_rows(const Layout& layout, int count, const ChannelGroup& group,
               const Task& task) {
  for (int n = 0; n < count; ++n) image_rows(layout, n, group, task);
}

}  // namespace birbs::cpu
