// The C interface of checker and trace.
#include "tl_sim_check.h"

#include <cstring>

#include "checker.h"
#include "trace.h"

using namespace tl::sim;

struct tl_sim_watcher {
  std::unique_ptr<Checker> checker;  // one of the two
  std::unique_ptr<Trace> trace;
  std::string report;
};

namespace {
thread_local tl_sim_watcher* entered = nullptr;
}

tl_sim_watcher* tl_sim_checker_new(uint32_t checks) { return new tl_sim_watcher{std::make_unique<Checker>(checks), nullptr, ""}; }

void tl_sim_checker_follow_pointers(tl_sim_watcher* checker) { checker->checker->follow_pointers(); }

tl_sim_watcher* tl_sim_trace_new(void) { return new tl_sim_watcher{nullptr, std::make_unique<Trace>(), ""}; }

void tl_sim_watcher_free(tl_sim_watcher* watcher) {
  if (entered == watcher) tl_sim_watch(nullptr);
  delete watcher;
}

void tl_sim_watch(tl_sim_watcher* watcher) {
  entered = watcher;
  current_observer = !watcher ? nullptr : watcher->checker ? static_cast<Observer*>(watcher->checker.get()) : watcher->trace.get();
}

int tl_sim_watching(void) { return entered && entered->checker; }

void tl_sim_forget_memory(void) {
  if (entered && entered->checker) entered->checker->forget_memory();
}

int tl_sim_register_memory(const void* base, uint64_t bytes, const char* name, int fresh) {
  if (!entered || !entered->checker) return 0;
  if (fresh) memset(const_cast<void*>(base), 0xff, bytes);  // what is not written shows, and runs can be compared
  return entered->checker->watch_memory(base, bytes, name, fresh != 0) ? 0 : 1;
}

const char* tl_sim_watcher_report(tl_sim_watcher* watcher) {
  watcher->report = watcher->checker ? watcher->checker->report() : watcher->trace->report();
  return watcher->report.c_str();
}
