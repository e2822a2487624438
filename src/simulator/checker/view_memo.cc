#include "view_memo.h"

namespace tl::sim {

template <class Compute>
ViewPointer ViewMemo::find(Entry key, Compute compute) {
  for (const Entry& entry : entries_) {
    if (entry.a == key.a && entry.b == key.b && entry.foreign == key.foreign && entry.column == key.column && entry.clock == key.clock && entry.result) {
      return entry.result;
    }
  }
  key.result = compute();
  ViewPointer result = key.result;
  entries_[next_++ % size] = std::move(key);
  return result;
}

ViewPointer ViewMemo::joined(const ViewPointer& a, const ViewPointer& b) {
  if (!b || a == b) return a;
  if (!a) return b;
  return find({a, b, {}, nullptr, 0, 0}, [&] { return join(a, b); });
}

ViewPointer ViewMemo::raised(const ViewPointer& a, uint32_t column, uint32_t clock) {
  if (clock == 0 || (a && a->at(column) >= clock)) return a;
  return find({a, {}, {}, nullptr, column, clock}, [&] {
    ViewPointer result = a;
    result.own().raise_to(column, clock);
    return result;
  });
}

ViewPointer ViewMemo::with_foreign(const ViewPointer& a, const std::shared_ptr<const Foreign>& known, uint32_t block) {
  return find({a, {}, {}, known, block, 0}, [&] {
    View gained;
    auto own = known->find(block);
    if (own != known->end()) gained.clocks = own->second;
    if (known->size() > (own != known->end())) gained.foreign = known;
    ViewPointer result = a;
    result.own().raise_to(gained);
    return result;
  });
}

void ViewMemo::clear() {
  for (Entry& entry : entries_) entry = Entry();
}

}  // namespace tl::sim
