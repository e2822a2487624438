// Stacks and the switch between them. A fiber is nothing but a saved stack pointer.
#pragma once
#include <cstddef>

namespace tl::sim {

#if defined(TL_SIM_ASSEMBLY_SWITCH)
// chosen on the command line, to test the portable switch
#elif defined(__x86_64__) || (defined(__aarch64__) && !defined(__APPLE__))
#define TL_SIM_ASSEMBLY_SWITCH 1
#else
#define TL_SIM_ASSEMBLY_SWITCH 0
#endif

// Where a suspended flow of control goes on: the top of its stack, or a ucontext_t where there is no switch of ours.
using Context = void*;

// Suspends the running flow into *from and goes on with `to`, which stays suspended in nobody's hands.
#if TL_SIM_ASSEMBLY_SWITCH
extern "C" void tl_sim_switch(Context* from, Context to);
inline void switch_context(Context* from, Context to) { tl_sim_switch(from, to); }
#else
void switch_context(Context* from, Context to);
#endif

// A context that will call `entry` on the stack [low, low + bytes); `entry` must not return. `keep` is storage of
// context_storage bytes that outlives the fiber.
Context make_context(char* low, size_t bytes, void (*entry)(), void* keep);
extern const size_t context_storage;

// `count` stacks of equal size, each with a guard page below it.
class StackPool {
 public:
  StackPool() = default;
  StackPool(const StackPool&) = delete;
  ~StackPool();
  // Makes at least `count` stacks available; false if the system refuses the memory.
  bool reserve(size_t count);
  char* low(size_t index) const { return base_ + index * stride + guard; }
  // Index of the stack whose guard page holds the address, or -1.
  long guard_of(const void* address) const;

  static constexpr size_t guard = 16384;  // a page on every system in use
  static constexpr size_t stride = 512 * 1024;
  static constexpr size_t usable = stride - guard;

 private:
  char* base_ = nullptr;
  size_t mapped_ = 0, count_ = 0;
};

}  // namespace tl::sim
