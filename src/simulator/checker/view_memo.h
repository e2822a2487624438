// Threads that synchronised together share one view, and then mostly learn the same: what was computed for the first of them
// serves the others, which again share the result. Without this every thread of a warpgroup would get a vector of its own.
#pragma once
#include "view.h"

namespace tl::sim {

class ViewMemo {
 public:
  // The least view that covers both.
  ViewPointer joined(const ViewPointer& a, const ViewPointer& b);
  // `a` that also knows a column up to `clock`.
  ViewPointer raised(const ViewPointer& a, uint32_t column, uint32_t clock);
  // `a` that also knows what was published by several blocks; `block` is the number of its own.
  ViewPointer with_foreign(const ViewPointer& a, const std::shared_ptr<const Foreign>& known, uint32_t block);
  void clear();

 private:
  static constexpr size_t size = 4;
  struct Entry {  // holds what its key points to, so that an address stands for one view
    ViewPointer a, b, result;
    std::shared_ptr<const Foreign> foreign;
    uint32_t column = 0, clock = 0;
  };
  template <class Compute>
  ViewPointer find(Entry key, Compute compute);
  Entry entries_[size];
  size_t next_ = 0;
};

}  // namespace tl::sim
