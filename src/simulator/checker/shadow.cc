#include "shadow.h"

#include <sys/mman.h>

#include <utility>

namespace tl::sim {

Shadow::Shadow(Shadow&& other) noexcept { *this = std::move(other); }

Shadow& Shadow::operator=(Shadow&& other) noexcept {
  std::swap(cells_, other.cells_);
  std::swap(coarseness_, other.coarseness_);
  std::swap(bytes_, other.bytes_);
  std::swap(granules_, other.granules_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

Shadow::~Shadow() { release(); }

void Shadow::release() {
  if (cells_) munmap(cells_, mapped_);
  cells_ = nullptr;
}

bool Shadow::reserve(size_t bytes) {
  release();
  bytes_ = bytes;
  granules_ = bytes / 16 + 1;
  mapped_ = granules_ * (16 * sizeof(Cell) + 1);
  void* map = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) return false;
  cells_ = static_cast<Cell*>(map);
  coarseness_ = reinterpret_cast<uint8_t*>(cells_ + granules_ * 16);
  return true;
}

void Shadow::split(size_t granule, int from, int to) {
  for (size_t at = 0; at < 16; at += size_t{1} << to) {
    size_t origin = at >> from << from;
    if (at != origin) cells_[at * granules_ + granule] = cells_[origin * granules_ + granule];
  }
  coarseness_[granule] = static_cast<uint8_t>(4 - to);
}

}  // namespace tl::sim
