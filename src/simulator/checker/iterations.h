// Which iterations of which loops threads were in, now and when they made the accesses that a report names.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tl::sim {

struct Iteration {
  int line = 0;  // of the loop; 0: none
  int64_t value = 0;
};
// By depth. An entry may be of a loop that has been left: whether a line lies in the loop, the text tells.
struct Iterations {
  static constexpr int depths = 4;
  Iteration at[depths];
};

class IterationLog {
 public:
  void begin(size_t threads);
  void enter(size_t thread, uint32_t clock, int depth, Iteration iteration);
  const Iterations& now(size_t thread) const { return threads_[thread].now; }
  // When the thread's clock was `clock`: the last that it entered then or before.
  Iterations at(size_t thread, uint32_t clock) const;
  // Asynchronous operations, by the column and ticket of their agent.
  void issue(size_t thread, uint32_t column, uint32_t ticket, uint32_t site);
  // The thread that issued, or -1; fills in the iterations of its latest such operation.
  int issuer(uint32_t column, uint32_t ticket, uint32_t site, Iterations& iterations) const;

 private:
  static constexpr size_t remembered = 64, issues_remembered = 256;  // powers of two
  struct Entry {
    uint32_t clock;
    int depth;
    Iteration iteration;
  };
  struct OfThread {
    Iterations now;
    std::vector<Entry> entries;  // a ring
    size_t next = 0;
  };
  struct Issue {
    uint32_t column, ticket, site;
    int thread;
    Iterations iterations;
  };
  std::vector<OfThread> threads_;
  std::vector<Issue> issues_;  // a ring
  size_t next_issue_ = 0;
};

}  // namespace tl::sim
