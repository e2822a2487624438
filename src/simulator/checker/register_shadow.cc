#include "register_shadow.h"

#include <sys/mman.h>

#include <cstring>

namespace tl::sim {

RegisterShadow::~RegisterShadow() {
  if (bits_) munmap(bits_, mapped_);
}

bool RegisterShadow::begin(const StackPool& stacks, size_t threads) {
  changes_.resize(threads);
  for (Changes& changes : changes_) changes.count = changes.next = 0;
  const char* base = stacks.low(0) - StackPool::guard;
  size_t bytes = threads * StackPool::stride;
  if (base != base_ || bytes != bytes_) {
    if (bits_) munmap(bits_, mapped_);
    mapped_ = bytes / 8;
    void* map = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bits_ = map == MAP_FAILED ? nullptr : static_cast<unsigned char*>(map);
    base_ = base;
    bytes_ = bits_ ? bytes : 0;
    lowest_.assign(threads, StackPool::stride);
    return bits_ != nullptr;
  }
  for (size_t i = 0; i < threads; ++i) {
    if (lowest_[i] == StackPool::stride) continue;
    size_t first = (i * StackPool::stride + lowest_[i]) / 8;
    memset(bits_ + first, 0, (i + 1) * StackPool::stride / 8 - first);
    lowest_[i] = StackPool::stride;
  }
  return true;
}

void RegisterShadow::written(const void* address, size_t bytes) {
  auto offset = static_cast<size_t>(static_cast<const char*>(address) - base_);
  size_t& lowest = lowest_[offset / StackPool::stride];
  if (offset % StackPool::stride < lowest) lowest = offset % StackPool::stride;
  if (offset % 8 == 0 && bytes % 8 == 0) {
    memset(bits_ + offset / 8, 0xff, bytes / 8);
    return;
  }
  if (offset % 8 + bytes <= 8) {
    bits_[offset / 8] |= static_cast<unsigned char>(((1u << bytes) - 1) << offset % 8);
    return;
  }
  for (size_t i = offset; i < offset + bytes; ++i) bits_[i / 8] |= static_cast<unsigned char>(1u << i % 8);
}

uint64_t RegisterShadow::unwritten_bytes(const void* address, size_t bytes) const {
  uint64_t found = 0;
  for (size_t i = 0; i < bytes && i < 64; ++i) found |= uint64_t{unwritten(static_cast<const char*>(address) + i, 1)} << i;
  return found;
}

void RegisterShadow::changed(const void* address, size_t bytes, size_t thread) {
  auto low = static_cast<const char*>(address), high = low + bytes;
  Changes& changes = changes_[thread];
  auto joins = [&](Changes::Range& range) {
    if (low > range.high || high < range.low) return false;
    if (low < range.low) range.low = low;
    if (high > range.high) range.high = high;
    return true;
  };
  if (changes.last < changes.count && joins(changes.range[changes.last])) return;
  for (int i = changes.count; i-- > 0;) {
    if (!joins(changes.range[i])) continue;
    changes.last = i;
    return;
  }
  if (changes.count < Changes::most) {
    changes.range[changes.count++] = {low, high};
  } else {
    changes.range[changes.next++ % Changes::most] = {low, high};
  }
}

bool RegisterShadow::is_changed(const void* address, size_t bytes, size_t thread) const {
  auto low = static_cast<const char*>(address);
  const Changes& changes = changes_[thread];
  for (int i = 0; i < changes.count; ++i) {
    if (low < changes.range[i].high && changes.range[i].low < low + bytes) return true;
  }
  return false;
}

bool RegisterShadow::unwritten(const void* address, size_t bytes) const {
  auto at = static_cast<const unsigned char*>(address);
  if (bytes == 4) {  // the most frequent by far: does none of its bytes look unwritten?
    uint32_t word;
    memcpy(&word, at, 4);
    word ^= pattern * 0x01010101u;
    if (!((word - 0x01010101u) & ~word & 0x80808080u)) return false;
  }
  auto offset = static_cast<size_t>(static_cast<const char*>(address) - base_);
  for (size_t i = 0; i < bytes; ++i) {
    if (at[i] == pattern && !(bits_[(offset + i) / 8] >> (offset + i) % 8 & 1)) return true;
  }
  return false;
}

}  // namespace tl::sim
