#include "view.h"

#include <algorithm>

namespace tl::sim {

void raise(Clocks& target, const Clocks& source) {
  if (target.size() < source.size()) target.resize(source.size(), 0);
  for (size_t i = 0; i < source.size(); ++i) target[i] = std::max(target[i], source[i]);
}

void raise(Foreign& target, const Foreign& source) {
  for (const auto& [block, clocks] : source) raise(target[block], clocks);
}

void View::raise_to(uint32_t column, uint32_t clock) {
  if (clock == 0) return;
  if (column >= clocks.size()) clocks.resize(column + 1, 0);
  clocks[column] = std::max(clocks[column], clock);
}

void View::raise_to(const View& other) {
  raise(clocks, other.clocks);
  if (!other.foreign || other.foreign == foreign) return;
  if (!foreign) {
    foreign = other.foreign;
    return;
  }
  auto merged = std::make_shared<Foreign>(*foreign);
  raise(*merged, *other.foreign);
  foreign = std::move(merged);
}

View& ViewPointer::own() {
  if (!view_) {
    *this = ViewPointer(new View);
  } else if (view_->references > 1) {
    View* copy = new View{view_->clocks, view_->foreign};
    *this = ViewPointer(copy);
  }
  return *view_;
}

ViewPointer join(const ViewPointer& a, const ViewPointer& b) {
  if (!b || a == b) return a;
  if (!a) return b;
  ViewPointer result = a;
  result.own().raise_to(*b);
  return result;
}

}  // namespace tl::sim
