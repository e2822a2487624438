#include "thread_clock.h"

namespace tl::sim {

namespace {

void raise_own(View& view, const Columns& columns, uint32_t thread, const OwnClocks& own) {
  view.raise_to(thread, own.thread);
  view.raise_to(columns.cp_async(thread), own.private_agents[0]);
  view.raise_to(columns.bulk_read(thread), own.private_agents[1]);
  view.raise_to(columns.bulk_write(thread), own.private_agents[2]);
}

}  // namespace

ViewPointer snapshot(const Columns& columns, uint32_t thread, const ViewPointer& view, const OwnClocks& own) {
  ViewPointer result = view;
  raise_own(result.own(), columns, thread, own);
  return result;
}

void Gathering::add_to(ViewPointer& sum, ViewPointer& last, const Columns& columns, uint32_t thread, const ViewPointer& view,
                       const OwnClocks& own) {
  if (!sum) {
    sum = ViewPointer(view ? new View{view->clocks, view->foreign} : new View);
    if (sum->clocks.size() < columns.first_shared()) sum.own().clocks.resize(columns.first_shared(), 0);
  } else if (view && !(view == last)) {
    sum.own().raise_to(*view);
  }
  last = view;
  raise_own(sum.own(), columns, thread, own);
}

void Gathering::add(const Columns& columns, uint32_t thread, const ThreadClock& clock) {
  add_to(view_, last_, columns, thread, clock.view, clock.own);
  for (int space = 0; space < 2; ++space) {
    const ThreadClock::ProxyClock& proxy = clock.proxy[space];
    if (proxy.view || proxy.own.thread) add_to(proxy_view_[space], proxy_last_[space], columns, thread, proxy.view, proxy.own);
  }
}

void Gathering::clear() {
  view_ = ViewPointer();
  last_ = ViewPointer();
  for (int space = 0; space < 2; ++space) {
    proxy_view_[space] = ViewPointer();
    proxy_last_[space] = ViewPointer();
  }
}

}  // namespace tl::sim
