#include "region.h"

#include <algorithm>

namespace tl::sim {

bool Regions::add(const void* address, size_t bytes, const std::string& name, bool fresh) {
  if (bytes == 0) return true;
  Region fresh_region{static_cast<const char*>(address), bytes, name, fresh, {}};
  for (size_t i = 0; i < regions_.size();) {
    Region& old = regions_[i];
    if (old.base < fresh_region.base + fresh_region.bytes && fresh_region.base < old.base + old.bytes) {
      const char* base = std::min(old.base, fresh_region.base);
      const char* end = std::max(old.base + old.bytes, fresh_region.base + fresh_region.bytes);
      if (old.name != fresh_region.name) fresh_region.name = old.name + "/" + fresh_region.name;
      fresh_region.base = base;
      fresh_region.bytes = static_cast<size_t>(end - base);
      fresh_region.fresh = fresh_region.fresh && old.fresh;
      regions_.erase(regions_.begin() + static_cast<long>(i));
    } else {
      ++i;
    }
  }
  if (!fresh_region.shadow.reserve(fresh_region.bytes)) return false;
  regions_.push_back(std::move(fresh_region));
  last_ = 0;
  return true;
}

void Regions::clear() {
  regions_.clear();
  last_ = 0;
}

Region* Regions::find(const void* address, size_t bytes) {
  if (last_ < regions_.size() && regions_[last_].holds(address, bytes)) return &regions_[last_];
  for (size_t i = 0; i < regions_.size(); ++i) {
    if (regions_[i].holds(address, bytes)) {
      last_ = i;
      return &regions_[i];
    }
  }
  return nullptr;
}

const Region* Regions::nearest(const void* address) const {
  const Region* best = nullptr;
  size_t best_distance = 0;
  for (const Region& region : regions_) {
    auto at = static_cast<const char*>(address);
    auto distance = static_cast<size_t>(at < region.base ? region.base - at : at - region.base - static_cast<long>(region.bytes) + 1);
    if (at >= region.base && at < region.base + region.bytes) distance = 0;
    if (!best || distance < best_distance) best = &region, best_distance = distance;
  }
  return best;
}

}  // namespace tl::sim
