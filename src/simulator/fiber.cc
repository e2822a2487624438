#include "fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>

#if !TL_SIM_ASSEMBLY_SWITCH
#include <ucontext.h>
#endif

namespace tl::sim {

// Only callee-saved registers: the switch is an ordinary call, so the compiler has saved the others.
#if TL_SIM_ASSEMBLY_SWITCH && defined(__x86_64__)
asm(R"(.text
.globl tl_sim_switch
.hidden tl_sim_switch
.type tl_sim_switch, @function
tl_sim_switch:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.size tl_sim_switch, .-tl_sim_switch
)");
const size_t context_storage = 0;

Context make_context(char* low, size_t bytes, void (*entry)(), void*) {
  auto* top = reinterpret_cast<uint64_t*>(reinterpret_cast<uintptr_t>(low + bytes) & ~uintptr_t{63});
  *--top = 0;  // return address of `entry`: none; also leaves the stack aligned as after a call
  *--top = reinterpret_cast<uint64_t>(entry);
  for (int i = 0; i < 6; ++i) *--top = 0;
  return top;
}
#elif TL_SIM_ASSEMBLY_SWITCH
asm(R"(.text
.globl tl_sim_switch
.hidden tl_sim_switch
.type tl_sim_switch, %function
tl_sim_switch:
  sub sp, sp, #160
  stp x19, x20, [sp]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size tl_sim_switch, .-tl_sim_switch
)");
const size_t context_storage = 0;

Context make_context(char* low, size_t bytes, void (*entry)(), void*) {
  auto* top = reinterpret_cast<uint64_t*>(reinterpret_cast<uintptr_t>(low + bytes) & ~uintptr_t{63}) - 20;
  memset(top, 0, 160);
  top[11] = reinterpret_cast<uint64_t>(entry);  // x30: where `ret` goes
  return top;
}
#else
// ucontext saves the signal mask with a system call at every switch: 50 times slower, but it is everywhere.
const size_t context_storage = sizeof(ucontext_t);

void switch_context(Context* from, Context to) {
  ucontext_t here;
  *from = &here;
  swapcontext(&here, static_cast<ucontext_t*>(to));
}

Context make_context(char* low, size_t bytes, void (*entry)(), void* keep) {
  auto* context = static_cast<ucontext_t*>(keep);
  getcontext(context);
  context->uc_stack.ss_sp = low;
  context->uc_stack.ss_size = bytes;
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
  return context;
}
#endif

StackPool::~StackPool() {
  if (base_) munmap(base_, mapped_);
}

bool StackPool::reserve(size_t count) {
  if (count <= count_) return true;
  if (base_) munmap(base_, mapped_);
  base_ = nullptr, count_ = 0;
  mapped_ = count * stride;
  void* base = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return false;
  base_ = static_cast<char*>(base);
  for (size_t i = 0; i < count; ++i) mprotect(base_ + i * stride, guard, PROT_NONE);
  count_ = count;
  return true;
}

long StackPool::guard_of(const void* address) const {
  auto offset = static_cast<size_t>(static_cast<const char*>(address) - base_);
  if (!base_ || offset >= count_ * stride || offset % stride >= guard) return -1;
  return static_cast<long>(offset / stride);
}

}  // namespace tl::sim
