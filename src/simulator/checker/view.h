// Vector clocks that are shared: after a barrier all its threads point to one View, so that a barrier of n threads costs one
// vector and n pointers.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace tl::sim {

// Column: a thread or an asynchronous agent of one block. Clock: how far it had come.
using Clocks = std::vector<uint32_t>;

// What is known of other blocks: by block number, the clocks of its columns. Only atomics bring such knowledge.
using Foreign = std::map<uint32_t, Clocks>;

void raise(Clocks& target, const Clocks& source);  // elementwise maximum
void raise(Foreign& target, const Foreign& source);

struct View {
  Clocks clocks;  // beyond its end: 0
  std::shared_ptr<const Foreign> foreign;
  uint32_t references = 0;

  uint32_t at(uint32_t column) const { return column < clocks.size() ? clocks[column] : 0; }
  void raise_to(uint32_t column, uint32_t clock);
  void raise_to(const View& other);
};

// Counts references without atomics: a block is run by one OS thread.
class ViewPointer {
 public:
  ViewPointer() = default;
  explicit ViewPointer(View* view) : view_(view) {
    if (view_) ++view_->references;
  }
  ViewPointer(const ViewPointer& other) : ViewPointer(other.view_) {}
  ViewPointer(ViewPointer&& other) noexcept : view_(other.view_) { other.view_ = nullptr; }
  ViewPointer& operator=(ViewPointer other) noexcept {
    std::swap(view_, other.view_);
    return *this;
  }
  ~ViewPointer() {
    if (view_ && --view_->references == 0) delete view_;
  }
  const View* operator->() const { return view_; }
  const View& operator*() const { return *view_; }
  explicit operator bool() const { return view_ != nullptr; }
  bool operator==(const ViewPointer& other) const { return view_ == other.view_; }
  // The view to change: this one if nobody else has it, else a copy.
  View& own();

 private:
  View* view_ = nullptr;
};

// The least view that covers both; one of them itself where that will do.
ViewPointer join(const ViewPointer& a, const ViewPointer& b);

}  // namespace tl::sim
