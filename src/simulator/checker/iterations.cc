#include "iterations.h"

namespace tl::sim {

void IterationLog::begin(size_t threads) {
  threads_.assign(threads, OfThread());
  issues_.clear();
  next_issue_ = 0;
}

void IterationLog::enter(size_t thread, uint32_t clock, int depth, Iteration iteration) {
  if (depth < 0 || depth >= Iterations::depths) return;
  OfThread& of = threads_[thread];
  of.now.at[depth] = iteration;
  if (of.entries.size() < remembered) of.entries.push_back({clock, depth, iteration});
  else of.entries[of.next % remembered] = {clock, depth, iteration};
  ++of.next;
}

Iterations IterationLog::at(size_t thread, uint32_t clock) const {
  const OfThread& of = threads_[thread];
  Iterations result;
  for (size_t i = 0; i < of.entries.size(); ++i) {  // newest first
    const Entry& entry = of.entries[(of.next - 1 - i) % remembered];
    if (entry.clock <= clock && !result.at[entry.depth].line) result.at[entry.depth] = entry.iteration;
  }
  return result;
}

void IterationLog::issue(size_t thread, uint32_t column, uint32_t ticket, uint32_t site) {
  const Issue fresh{column, ticket, site, static_cast<int>(thread), threads_[thread].now};
  if (!issues_.empty()) {
    Issue& last = issues_[(next_issue_ - 1) % issues_remembered];
    if (last.column == column && last.ticket == ticket && last.site == site) {
      last = fresh;
      return;
    }
  }
  if (issues_.size() < issues_remembered) issues_.push_back(fresh);
  else issues_[next_issue_ % issues_remembered] = fresh;
  ++next_issue_;
}

int IterationLog::issuer(uint32_t column, uint32_t ticket, uint32_t site, Iterations& iterations) const {
  for (size_t i = 0; i < issues_.size(); ++i) {
    const Issue& issue = issues_[(next_issue_ - 1 - i) % issues_remembered];
    if (issue.column != column || issue.ticket != ticket || issue.site != site) continue;
    iterations = issue.iterations;
    return issue.thread;
  }
  return -1;
}

}  // namespace tl::sim
