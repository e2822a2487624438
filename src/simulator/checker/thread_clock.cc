#include "thread_clock.h"

namespace tl::sim {

namespace {

void raise_own(View& view, const Columns& columns, uint32_t thread, const OwnClocks& own) {
  view.raise_to(thread, own.thread);
  view.raise_to(columns.cp_async(thread), own.private_agents[0]);
  view.raise_to(columns.bulk(thread), own.private_agents[1]);
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
    sum.own().clocks.resize(columns.first_shared(), 0);
  } else if (view && !(view == last)) {
    sum.own().raise_to(*view);
  }
  last = view;
  raise_own(sum.own(), columns, thread, own);
}

void Gathering::add(const Columns& columns, uint32_t thread, const ThreadClock& clock) {
  add_to(view_, last_, columns, thread, clock.view, clock.own);
  if (clock.proxy_view || clock.proxy_own.thread) {
    add_to(proxy_view_, proxy_last_, columns, thread, clock.proxy_view, clock.proxy_own);
  }
}

void Gathering::clear() {
  view_ = ViewPointer();
  last_ = ViewPointer();
  proxy_view_ = ViewPointer();
  proxy_last_ = ViewPointer();
}

}  // namespace tl::sim
