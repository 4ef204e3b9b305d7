#include "rank_sums.h"

#include <algorithm>
#include <chrono>

namespace birbs {
namespace {

using Clock = std::chrono::steady_clock;

// Bucket size in floats: larger gradients are sent alone, smaller ones
// together.
constexpr int64_t bucket_floats = 1 << 20;

constexpr auto channel = Collective::Channel::step;

// Before the notes in the result.
constexpr size_t loss_at = 0, correct_at = 1, notes_at = 2;

}  // namespace

void RankSums::begin(const Batch& batch) {
  share_ = &batch.share;
  waited_ = 0;
  filled_ = 0;
  gathered_ = 0;
  sums_.clear();
}

Loss RankSums::loss(const Batch& batch, const float* logits, float* gradient) {
  const int classes = options_.network.classes;
  const double total = on() ? label_weights(share_->labels, share_->count,
                                            options_.class_weights)
                            : 0;
  Loss loss = cross_entropy(logits, batch.labels, batch.count, classes,
                            options_.class_weights, options_.label_smoothing,
                            gradient, total);
  if (!on()) return loss;
  if (share_->idle) {
    std::fill_n(gradient, int64_t{batch.count} * classes, 0.0f);
    loss = {};
  }
  // The losses of the other ranks' images are 0 here, and are added.
  const std::vector<double>& notes = share_->notes;
  result_.assign(notes_at + notes.size() + share_->count, 0);
  result_[loss_at] = loss.value;
  result_[correct_at] = loss.correct;
  std::copy(notes.begin(), notes.end(), result_.begin() + notes_at);
  std::copy(loss.of_images.begin(), loss.of_images.end(),
            result_.begin() + notes_at + notes.size() + share_->first);
  result_sum_ = options_.collective->start_sum(
      channel, result_.data(), static_cast<int64_t>(result_.size()));
  return loss;
}

void RankSums::sum(std::vector<double>& values) {
  if (share_->idle) std::fill(values.begin(), values.end(), 0.0);
  wait(*options_.collective->start_sum(channel, values.data(),
                                       static_cast<int64_t>(values.size())));
}

void RankSums::average(float* values, int64_t count, int images) {
  std::vector<double> sums(values, values + count);
  for (double& value : sums) value *= images;
  sum(sums);
  for (int64_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(sums[i] / share_->count);
  }
}

void RankSums::ready(float* gradients, int64_t count) {
  if (share_->idle) std::fill_n(gradients, count, 0.0f);
  if (count >= bucket_floats) {
    sums_.push_back(options_.collective->start_sum(channel, gradients, count));
    return;
  }
  if (gathered_ + count > bucket_floats) flush();
  if (filled_ == buckets_.size()) buckets_.emplace_back();
  Bucket& bucket = buckets_[filled_];
  if (gathered_ == 0) bucket.parts.clear();
  bucket.parts.push_back({gradients, count});
  gathered_ += count;
}

void RankSums::flush() {
  if (gathered_ == 0) return;
  Bucket& bucket = buckets_[filled_++];
  bucket.floats.resize(gathered_);
  float* at = bucket.floats.data();
  for (const Part& part : bucket.parts) {
    at = std::copy_n(part.gradients, part.count, at);
  }
  bucket.sum =
      options_.collective->start_sum(channel, bucket.floats.data(), gathered_);
  gathered_ = 0;
}

void RankSums::finish() {
  flush();
  for (const auto& sum : sums_) wait(*sum);
  for (size_t i = 0; i < filled_; ++i) {
    Bucket& bucket = buckets_[i];
    wait(*bucket.sum);
    const float* at = bucket.floats.data();
    for (const Part& part : bucket.parts) {
      std::copy_n(at, part.count, part.gradients);
      at += part.count;
    }
  }
}

void RankSums::result(Loss loss, StepResult* result) {
  if (!on()) {
    result->loss = loss.value;
    result->correct = loss.correct;
    result->image_losses = std::move(loss.of_images);
    return;
  }
  wait(*result_sum_);
  result->loss = result_[loss_at];
  result->correct = static_cast<int>(result_[correct_at]);
  const auto notes = result_.begin() + notes_at;
  const auto losses = notes + static_cast<int64_t>(share_->notes.size());
  result->notes.assign(notes, losses);
  result->image_losses.assign(losses, result_.end());
  result->exchange_seconds = waited_;
}

void RankSums::wait(Collective::Sum& sum) {
  const auto start = Clock::now();
  sum.wait();
  waited_ += std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace birbs
