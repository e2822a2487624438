// Who last touched every byte of a piece of memory.
//
// A cell stands for a unit of 1, 2, 4, 8 or 16 bytes; each granule of 16 bytes has the coarsest unit that its accesses
// allow, down to single bytes. A cell remembers the last write and up to three reads since that are not ordered before each
// other; of more, a random one is dropped.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tl::sim {

struct Record {
  uint32_t block;   // number of the block in the session, from 1; 0: no access
  uint32_t epoch;   // column << clock_bits | clock
  uint32_t site;    // Checker::compact_site
  uint32_t flags;
};
enum RecordFlags : uint32_t {
  record_write = 1,
  record_atomic = 2,
  record_async_proxy = 4,
  record_undefined = 8,  // it wrote what nothing had written where it came from
};

constexpr int clock_bits = 18;  // columns: 4 for each of 1024 threads, and those of mbarriers
constexpr uint32_t clock_limit = (1u << clock_bits) - 1;
inline uint32_t epoch_of(uint32_t column, uint32_t clock) { return column << clock_bits | (clock < clock_limit ? clock : clock_limit); }
inline uint32_t column_of(const Record& record) { return record.epoch >> clock_bits; }
inline uint32_t clock_of(const Record& record) { return record.epoch & clock_limit; }

struct alignas(64) Cell {
  Record write;
  Record read[3];
};

class Shadow {
 public:
  Shadow() = default;
  Shadow(const Shadow&) = delete;
  Shadow(Shadow&& other) noexcept;
  Shadow& operator=(Shadow&& other) noexcept;
  ~Shadow();
  // Makes it stand for `bytes` of untouched memory; false if the system refuses the address space.
  bool reserve(size_t bytes);
  size_t bytes() const { return bytes_; }

  // Calls visit(cell, offset) for the cells of [offset, offset + bytes), which lies inside. `overwrite`: afterwards all these
  // cells are equal.
  template <class Visit>
  void visit(size_t offset, size_t bytes, bool overwrite, Visit visit) {
    size_t end = offset + bytes;
    while (offset < end) {
      size_t granule = offset / 16, first = offset % 16, last = end - granule * 16 < 16 ? end - granule * 16 : 16;
      int needed = __builtin_ctz(static_cast<unsigned>(first | last | 16)), unit = 4 - coarseness_[granule];
      if (unit > needed) {
        split(granule, unit, needed);
        unit = needed;
      }
      for (size_t at = first; at < last; at += size_t{1} << unit) visit(cells_[at * granules_ + granule], granule * 16 + at);
      if (overwrite && last - first == 16) coarseness_[granule] = 0;
      offset = granule * 16 + last;
    }
  }

 private:
  void split(size_t granule, int from, int to);
  void release();

  // Cell of byte 0 of all granules, then of byte 1, ...: memory used by one unit size lies together, and untouched pages of
  // the mapping cost nothing.
  Cell* cells_ = nullptr;
  uint8_t* coarseness_ = nullptr;  // by granule: 4 - log2(unit)
  size_t bytes_ = 0, granules_ = 0, mapped_ = 0;
};

}  // namespace tl::sim
