// What the host compiler calls for plain accesses of kernel text compiled with -fsanitize=thread (gcc, clang), and for local
// arrays with -fsanitize=bounds. Only the instrumentation is used: no sanitizer runtime is linked.
#include "checker.h"

using namespace tl::sim;

namespace {

inline void observe(void* address, size_t bytes, Access access, const void* program_counter) {
  Thread* thread = self();
  if (!thread) return;
  Observer* observer = thread->block->observer;
  if (!observer) return;
  // Stacks are apart by more than they are long: what lies so closely above this frame is a local array of this thread.
  auto above = static_cast<size_t>(static_cast<char*>(address) - static_cast<char*>(__builtin_frame_address(0)));
  if (above >= StackPool::guard) {
    observer->access(*thread, address, bytes, access, site_of(program_counter));
    return;
  }
  const auto low = static_cast<const char*>(address);
  for (int i = 0; i < thread->observed_count; ++i) {
    if (low >= thread->observed[i].high || low + bytes <= thread->observed[i].low) continue;
    observer->registers(*thread, address, bytes, access, site_of(program_counter));
    return;
  }
}

Order order_of(int order) {  // of __ATOMIC_*
  switch (order) {
    case __ATOMIC_RELAXED: return Order::relaxed;
    case __ATOMIC_CONSUME:
    case __ATOMIC_ACQUIRE: return Order::acquire;
    case __ATOMIC_RELEASE: return Order::release;
    default: return Order::acquire_release;
  }
}

inline void observe_atomic(volatile void* address, size_t bytes, AtomicKind kind, int order, const void* program_counter) {
  Thread* thread = self();
  if (!thread) return;
  if (Observer* observer = thread->block->observer) {
    observer->atomic(*thread, const_cast<void*>(address), bytes, kind, order_of(order), site_of(program_counter));
  }
}

void observe_fence(Scope scope, int order) {
  Thread* thread = self();
  if (!thread) return;
  if (Observer* observer = thread->block->observer) observer->fence(*thread, scope, order_of(order));
}

}  // namespace

#pragma GCC visibility push(default)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wbuiltin-declaration-mismatch"
extern "C" {

void __tsan_init(void) {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit(void) {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

#define TL_HERE __builtin_return_address(0)
#define TL_PLAIN(name, bytes)                                                                            \
  void __tsan_read##name(void* address) { observe(address, bytes, Access::read, TL_HERE); }             \
  void __tsan_write##name(void* address) { observe(address, bytes, Access::write, TL_HERE); }           \
  void __tsan_volatile_read##name(void* address) { observe(address, bytes, Access::read, TL_HERE); }    \
  void __tsan_volatile_write##name(void* address) { observe(address, bytes, Access::write, TL_HERE); }  \
  void __tsan_unaligned_read##name(void* address) { observe(address, bytes, Access::read, TL_HERE); }   \
  void __tsan_unaligned_write##name(void* address) { observe(address, bytes, Access::write, TL_HERE); }
TL_PLAIN(1, 1)
TL_PLAIN(2, 2)
TL_PLAIN(4, 4)
TL_PLAIN(8, 8)
TL_PLAIN(16, 16)
#undef TL_PLAIN

void __tsan_read_range(void* address, size_t bytes) { observe(address, bytes, Access::read, TL_HERE); }
void __tsan_write_range(void* address, size_t bytes) { observe(address, bytes, Access::write, TL_HERE); }

// clang calls these for block moves.
void* __tsan_memcpy(void* to, const void* from, size_t bytes) {
  observe(const_cast<void*>(from), bytes, Access::read, TL_HERE);
  observe(to, bytes, Access::write, TL_HERE);
  return __builtin_memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, size_t bytes) {
  observe(const_cast<void*>(from), bytes, Access::read, TL_HERE);
  observe(to, bytes, Access::write, TL_HERE);
  return __builtin_memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int value, size_t bytes) {
  observe(to, bytes, Access::write, TL_HERE);
  return __builtin_memset(to, value, bytes);
}

// Atomic accesses: blocks run one after the other while an observer watches, so the strongest order costs nothing and serves all.
#define TL_ATOMIC_UPDATE(bits, operation)                                                                  \
  uint##bits##_t __tsan_atomic##bits##_fetch_##operation(volatile uint##bits##_t* p, uint##bits##_t v, int order) { \
    observe_atomic(p, bits / 8, AtomicKind::update, order, TL_HERE);                                       \
    return __atomic_fetch_##operation(p, v, __ATOMIC_SEQ_CST);                                             \
  }
#define TL_ATOMIC_EXCHANGE(bits, name, weak)                                                               \
  bool __tsan_atomic##bits##_compare_exchange_##name(volatile uint##bits##_t* p, uint##bits##_t* expected, \
                                                     uint##bits##_t desired, int order, int) {             \
    observe_atomic(p, bits / 8, AtomicKind::update, order, TL_HERE);                                       \
    return __atomic_compare_exchange_n(p, expected, desired, weak, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);    \
  }
#define TL_ATOMIC(bits)                                                                                    \
  uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t* p, int order) {                 \
    observe_atomic(const_cast<volatile uint##bits##_t*>(p), bits / 8, AtomicKind::load, order, TL_HERE);   \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                           \
  }                                                                                                        \
  void __tsan_atomic##bits##_store(volatile uint##bits##_t* p, uint##bits##_t v, int order) {              \
    observe_atomic(p, bits / 8, AtomicKind::store, order, TL_HERE);                                        \
    __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                                              \
  }                                                                                                        \
  uint##bits##_t __tsan_atomic##bits##_exchange(volatile uint##bits##_t* p, uint##bits##_t v, int order) { \
    observe_atomic(p, bits / 8, AtomicKind::update, order, TL_HERE);                                       \
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                                    \
  }                                                                                                        \
  uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(volatile uint##bits##_t* p, uint##bits##_t expected,   \
                                                            uint##bits##_t desired, int order, int) {      \
    observe_atomic(p, bits / 8, AtomicKind::update, order, TL_HERE);                                       \
    __atomic_compare_exchange_n(p, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);         \
    return expected;                                                                                       \
  }                                                                                                        \
  TL_ATOMIC_EXCHANGE(bits, strong, false)                                                                  \
  TL_ATOMIC_EXCHANGE(bits, weak, true)                                                                     \
  TL_ATOMIC_UPDATE(bits, add)                                                                              \
  TL_ATOMIC_UPDATE(bits, sub)                                                                              \
  TL_ATOMIC_UPDATE(bits, and)                                                                              \
  TL_ATOMIC_UPDATE(bits, or)                                                                               \
  TL_ATOMIC_UPDATE(bits, xor)                                                                              \
  TL_ATOMIC_UPDATE(bits, nand)
TL_ATOMIC(8)
TL_ATOMIC(16)
TL_ATOMIC(32)
TL_ATOMIC(64)
#undef TL_ATOMIC
#undef TL_ATOMIC_EXCHANGE
#undef TL_ATOMIC_UPDATE

void __tsan_atomic_thread_fence(int order) { observe_fence(Scope::device, order); }
void __tsan_atomic_signal_fence(int order) { observe_fence(Scope::block, order); }

void tl_sim_end_of_scope(void*) {}  // see watched_text.h

// tilelang/simulator/watched_text.py puts the calls into loops.
void tl_sim_iteration(int depth, int line, int64_t value) {
  Thread* thread = self();
  if (Observer* observer = thread->block->observer) observer->iteration(*thread, depth, line, value);
}

// ---- -fsanitize=bounds ----

struct TypeDescriptor {
  uint16_t kind, info;  // of integers: info bit 0 signed, above it log2 of the width
  char name[1];
};
struct OutOfBounds {
  const char* file;
  uint32_t line, column;
  const TypeDescriptor* array;
  const TypeDescriptor* index;
};

void __ubsan_handle_out_of_bounds(OutOfBounds* what, uintptr_t index) {
  Thread* thread = self();
  auto* checker = thread ? dynamic_cast<Checker*>(thread->block->observer) : nullptr;
  if (!checker) return;
  int unused = 64 - (1 << (what->index->info >> 1));
  auto value = static_cast<int64_t>(index);
  if (unused > 0 && (what->index->info & 1)) value = static_cast<int64_t>(static_cast<uint64_t>(index) << unused) >> unused;
  checker->local_index(*thread, value, what->array->name, site_of(static_cast<int>(what->line)));
}

}  // extern "C"
#pragma GCC diagnostic pop
#pragma GCC visibility pop
