// The block's shared memory: it ends at a guard page, and what lies around it within its pages is watched.
#include <sys/mman.h>

#include <cstring>

#include "team.h"

namespace tl::sim {

namespace {

constexpr size_t page = 16384;
constexpr size_t alignment = 128;  // of the base; the slack that this leaves before the guard page is watched by value
constexpr unsigned char poison = 0xff;  // NaN in every floating format

size_t rounded(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

// [guard page][page-rounded data, used at its end][guard page]
bool reserve_shared_memory(Block& block) {
  size_t data = rounded(block.shared_bytes ? block.shared_bytes : 1, page);
  if (block.shared_mapped < data + 2 * page) {
    if (block.shared_map) munmap(block.shared_map, block.shared_mapped);
    void* map = mmap(nullptr, data + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    block.shared_map = map == MAP_FAILED ? nullptr : static_cast<char*>(map);
    block.shared_mapped = block.shared_map ? data + 2 * page : 0;
    if (!block.shared_map) return false;
    mprotect(block.shared_map, page, PROT_NONE);
    mprotect(block.shared_map + page + data, page, PROT_NONE);
  }
  block.shared = block.shared_map + block.shared_mapped - page - rounded(block.shared_bytes, alignment);
  return true;
}

void poison_shared_memory(Block& block) {
  char* end = block.shared_map + block.shared_mapped - page;
  char* start = block.shared - alignment < block.shared_map + page ? block.shared : block.shared - alignment;
  memset(start, poison, static_cast<size_t>(end - start));
}

void check_shared_canaries(Block& block) {
  const char* end = block.shared_map + block.shared_mapped - page;
  for (const char* p = block.shared + block.shared_bytes; p < end; ++p) {
    if (static_cast<unsigned char>(*p) != poison) {
      note(block, "shared memory was written past its end: offset %ld of %u bytes, block (%u, %u, %u)", static_cast<long>(p - block.shared),
           block.shared_bytes, block.index.x, block.index.y, block.index.z);
      block.team->failed = true;
      return;
    }
  }
  const char* start = block.shared - alignment < block.shared_map + page ? block.shared : block.shared - alignment;
  for (const char* p = start; p < block.shared; ++p) {
    if (static_cast<unsigned char>(*p) != poison) {
      note(block, "shared memory was written before its start: offset %ld, block (%u, %u, %u)", static_cast<long>(p - block.shared),
           block.index.x, block.index.y, block.index.z);
      block.team->failed = true;
      return;
    }
  }
}

}  // namespace tl::sim
