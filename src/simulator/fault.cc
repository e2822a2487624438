// Memory faults and integer divisions by zero of simulated threads: a signal handler writes the report and jumps back to the
// launcher. (A GPU does not stop at such a division; what it computes is unspecified, PTX ISA 9.7.1.8.)
#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstdio>
#include <cstring>
#include <mutex>

#include "team.h"

namespace tl::sim {

namespace {

std::mutex guard_mutex;
int guards = 0;
constexpr int signals[] = {SIGSEGV, SIGBUS, SIGFPE};
constexpr int signal_count = sizeof signals / sizeof *signals;
struct sigaction previous[signal_count];

const void* program_counter(void* context) {
#if defined(__x86_64__) && defined(__linux__)
  return reinterpret_cast<void*>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__) && defined(__linux__)
  return reinterpret_cast<void*>(static_cast<ucontext_t*>(context)->uc_mcontext.pc);
#else
  (void)context;
  return nullptr;
#endif
}

// "+0x1234 in /path/kernel.so": addr2line turns it into a line of the kernel text.
void describe_place(char* text, size_t capacity, const void* pc) {
  Dl_info info;
  if (pc && dladdr(pc, &info) && info.dli_fname) {
    snprintf(text, capacity, " [pc +0x%lx in %s]", static_cast<unsigned long>(static_cast<const char*>(pc) - static_cast<char*>(info.dli_fbase)),
             info.dli_fname);
  } else {
    text[0] = 0;
  }
}

void on_fault(int number, siginfo_t* info, void* context) {
  Team* team = running_team;
  Thread* thread = self();
  if (!team || !thread) {  // not ours: hand it on to whoever was there before
    struct sigaction& before = previous[number == SIGSEGV ? 0 : number == SIGBUS ? 1 : 2];
    if (before.sa_flags & SA_SIGINFO) before.sa_sigaction(number, info, context);
    else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) before.sa_handler(number);
    else sigaction(number, &before, nullptr);  // returns to the faulting instruction, which now ends the process
    return;
  }
  char place[512];
  describe_place(place, sizeof place, program_counter(context));
  const char* address = static_cast<const char*>(info->si_addr);
  std::string where = name_thread(*thread);
  Block& own = *thread->block;
  const Block* stacks = nullptr;
  const Block* shared = nullptr;
  for (uint32_t b = 0; b < team->count; ++b) {
    const Block& block = *team->blocks[b];
    if (block.stacks.guard_of(address) >= 0) stacks = &block;
    if (address >= block.shared_map && address < block.shared_map + block.shared_mapped) shared = &block;
  }
  if (number == SIGFPE) {
    note(own, "integer division by zero, %s%s", where.c_str(), place);
  } else if (stacks) {
    note(own, "stack overflow: the local arrays of a thread take more than %zu KiB, %s%s", StackPool::usable / 1024, where.c_str(), place);
  } else if (shared) {
    note(own, "shared memory access out of bounds: offset %ld of %u bytes, %s%s", static_cast<long>(address - shared->shared),
         shared->shared_bytes, where.c_str(), place);
  } else {
    note(own, "memory access out of bounds: address %p, %s%s", static_cast<const void*>(address), where.c_str(), place);
  }
  team->failed = true;
  tl_sim_self = nullptr;
  siglongjmp(team->fault_return, 1);
}

}  // namespace

FaultGuard::FaultGuard() {
  std::lock_guard lock(guard_mutex);
  if (guards++) return;
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (int i = 0; i < signal_count; ++i) sigaction(signals[i], &action, &previous[i]);
}

FaultGuard::~FaultGuard() {
  std::lock_guard lock(guard_mutex);
  if (--guards) return;
  for (int i = 0; i < signal_count; ++i) sigaction(signals[i], &previous[i], nullptr);
}

FaultStack::FaultStack(Team& team) {
  static_assert(sizeof(stack_t) <= sizeof saved_);
  if (!team.fault_stack) {
    void* memory = mmap(nullptr, fault_stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    team.fault_stack = memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
  }
  stack_t stack = {}, before = {};
  stack.ss_sp = team.fault_stack;
  stack.ss_size = fault_stack_bytes;
  stack.ss_flags = team.fault_stack ? 0 : SS_DISABLE;
  sigaltstack(&stack, &before);
  memcpy(saved_, &before, sizeof before);
}

FaultStack::~FaultStack() {
  stack_t before;
  memcpy(&before, saved_, sizeof before);
  sigaltstack(&before, nullptr);
}

}  // namespace tl::sim
