// What one thread knows, and the knowledge that a group of threads gains by synchronising.
#pragma once
#include "view.h"

namespace tl::sim {

// A thread's own column, and those of the agents whose operations only it can wait for, stand beside the shared view: they
// change without the others.
struct OwnClocks {
  uint32_t thread = 1;                     // its own clock; rises with every release
  uint32_t private_agents[3] = {0, 0, 0};  // done: its cp.async groups, its bulk groups' reads, their writes
};

struct ThreadClock {
  ViewPointer view;  // of everybody else
  OwnClocks own;
  // What the async proxy sees of generic accesses, to shared [0] and to global memory [1]: all that a fence.proxy.async has
  // covered.
  struct ProxyClock {
    ViewPointer view;
    OwnClocks own{0, {0, 0, 0}};
  };
  ProxyClock proxy[2];
  // Fences: what a later relaxed store would release, and what earlier relaxed loads would acquire.
  std::shared_ptr<const Foreign> released;
  std::shared_ptr<const Foreign> to_acquire;
};

// Columns of a block of `threads`: threads, their cp.async agents, their bulk agents (reads, writes), then agents of the whole
// block.
struct Columns {
  uint32_t threads = 0;
  uint32_t cp_async(uint32_t thread) const { return threads + thread; }
  uint32_t bulk_read(uint32_t thread) const { return 2 * threads + thread; }
  uint32_t bulk_write(uint32_t thread) const { return 3 * threads + thread; }
  uint32_t first_shared() const { return 4 * threads; }
};

inline bool knows(const Columns& columns, uint32_t thread, const ViewPointer& view, const OwnClocks& own, uint32_t column, uint32_t clock) {
  if (column == thread) return clock <= own.thread;
  if (column == columns.cp_async(thread)) return clock <= own.private_agents[0];
  if (column == columns.bulk_read(thread)) return clock <= own.private_agents[1];
  if (column == columns.bulk_write(thread)) return clock <= own.private_agents[2];
  return view && clock <= view->at(column);
}

// Everything that a thread knows as one view.
ViewPointer snapshot(const Columns& columns, uint32_t thread, const ViewPointer& view, const OwnClocks& own);

// Knowledge gathered from threads that come to one point. Threads that last synchronised together share their view, which is
// then joined once.
class Gathering {
 public:
  void add(const Columns& columns, uint32_t thread, const ThreadClock& clock);
  void clear();
  bool empty() const { return !view_; }
  const ViewPointer& view() const { return view_; }
  const ViewPointer& proxy_view(int space) const { return proxy_view_[space]; }

 private:
  static void add_to(ViewPointer& sum, ViewPointer& last, const Columns& columns, uint32_t thread, const ViewPointer& view, const OwnClocks& own);
  ViewPointer view_, last_, proxy_view_[2], proxy_last_[2];
};

}  // namespace tl::sim
