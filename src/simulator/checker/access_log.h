// The lowest and the highest address that each place of the kernel text touched. Which buffers a line names is known to the
// host program, which checks these extents against theirs after the run: an index past one buffer that falls into the next
// shows here and nowhere else.
#pragma once
#include <string>
#include <vector>

#include "finding.h"

namespace tl::sim {

class AccessLog {
 public:
  struct Extreme {
    uint64_t offset;  // of the first byte; for the highest: past the last
    int thread;
    uint32_t block[3];
  };
  struct Entry {
    uint32_t site = 0;
    bool writes = false;
    const void* region = nullptr;  // null: shared memory
    std::string name;
    Extreme low, high;
  };

  void add(uint32_t site, bool writes, const void* region, const std::string& name, uint64_t offset, uint64_t bytes, const Thread& thread) {
    Entry* entry = find(site, writes, region);
    if (__builtin_expect(entry->site == site, 1)) {
      if (offset < entry->low.offset) entry->low = extreme(offset, thread);
      if (offset + bytes > entry->high.offset) entry->high = extreme(offset + bytes, thread);
      return;
    }
    *entry = {site, writes, region, name, extreme(offset, thread), extreme(offset + bytes, thread)};
    if (++used_ * 2 > table_.size()) grow();
  }
  std::string to_json() const;

 private:
  static Extreme extreme(uint64_t offset, const Thread& thread) {
    return {offset, thread.index, {thread.block_index.x, thread.block_index.y, thread.block_index.z}};
  }
  Entry* find(uint32_t site, bool writes, const void* region) {
    if (table_.empty()) table_.resize(256);
    size_t at = (site * 2654435761u ^ reinterpret_cast<uintptr_t>(region) >> 4) + writes;
    while (true) {
      Entry& entry = table_[at & (table_.size() - 1)];
      if (entry.site == 0 || (entry.site == site && entry.writes == writes && entry.region == region)) return &entry;
      ++at;
    }
  }
  void grow();

  std::vector<Entry> table_;
  size_t used_ = 0;
};

}  // namespace tl::sim
