/* The C interface of the simulator's runtime library. Plain C, no other header needed.
 *
 * Launching (for a host program)
 *   A kernel compiled for the simulator is a shared object that exports, for every TL_ENTRY(name) in its text,
 *       void name__sim(void** arguments);
 *   where arguments[i] points to the value of the i-th parameter, as in cuLaunchKernel. Load the runtime library first,
 *   with its symbols global (dlopen RTLD_NOW | RTLD_GLOBAL), then the kernel's object, look the entry up and pass it to
 *   tl_sim_launch. Launches are synchronous. Any number of host threads may launch at once.
 *
 * The rest of this file is what compiled kernels call; its users are the headers in include/tl.
 * `site` is the line of the call in the kernel text.
 */
#ifndef TL_SIM_ABI_H
#define TL_SIM_ABI_H

#include <stdint.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* Bumped with every incompatible change; part of a cache key for compiled kernels. */
#define TL_SIM_ABI_VERSION 1
int tl_sim_abi_version(void);

/* Runs every block of `grid`. Returns 0, or non-zero with a NUL-terminated text in `report` (cut to `report_capacity`):
 * 1 the kernel went wrong (deadlock, memory fault, failed assertion, misuse), 2 the launch itself is not possible. */
int tl_sim_launch(void (*entry)(void** arguments), void** arguments, const uint32_t grid[3], const uint32_t block[3],
                  uint32_t shared_bytes, char* report, uint64_t report_capacity);

/* How many OS threads run blocks; 0 (the default): as many as the machine has processors, or TILELANG_SIMULATOR_THREADS. */
void tl_sim_set_threads(int count);

/* Non-zero: matrix instructions run on code for any processor, even where faster code could. Results are the same. */
void tl_sim_set_portable(int portable);

/* ---- what a kernel thread sees of itself ---- */
struct tl_sim_dim3 {
  uint32_t x, y, z;
};
struct tl_sim_thread {
  struct tl_sim_dim3 thread_index, block_index, block_extent, grid_extent;
  char* shared_memory;
};
#ifdef __cplusplus
extern __thread struct tl_sim_thread* tl_sim_self __attribute__((tls_model("initial-exec")));
#endif

/* ---- barriers: count 0 means all threads of the block that have not exited ---- */
void tl_sim_barrier(int id, uint32_t count, int arrive_only, int site);

/* ---- warp collectives: complete when all lanes of the warp that have not exited have called ---- */
void tl_sim_warp_sync(int site);
enum { TL_SIM_SHUFFLE_INDEX, TL_SIM_SHUFFLE_UP, TL_SIM_SHUFFLE_DOWN, TL_SIM_SHUFFLE_XOR };
void tl_sim_shuffle(uint32_t* words, int count, int mode, int argument, int site);
uint32_t tl_sim_ballot(int predicate, int site);
void tl_sim_ldmatrix(void* registers, const void* row, int matrices, int transposed, int site);
void tl_sim_stmatrix(void* row, const void* registers, int matrices, int transposed, int site);

/* ---- matrix instructions: logged, executed at the warp's next collective ---- */
enum tl_sim_mma_op {
  TL_SIM_MMA_F16_F32,
  TL_SIM_MMA_F16_F16,
  TL_SIM_MMA_BF16,
  TL_SIM_MMA_TF32,
  TL_SIM_MMA_S8S8,
  TL_SIM_MMA_S8U8,
  TL_SIM_MMA_U8S8,
  TL_SIM_MMA_U8U8,
  TL_SIM_MMA_E4E4,
  TL_SIM_MMA_E4E5,
  TL_SIM_MMA_E5E4,
  TL_SIM_MMA_E5E5,
  TL_SIM_MMA_F64,
  TL_SIM_MMA_COUNT
};
void tl_sim_mma(int op, void* c, const void* a, const void* b, int site);
void tl_sim_mma_ready(int site);

/* ---- cp.async: executed when a wait covers the group ---- */
void tl_sim_cp_async(void* shared, const void* global, int bytes, int source_bytes, int site);
void tl_sim_cp_async_commit(void);
void tl_sim_cp_async_wait(int pending);

/* ---- ends of the kernel ---- */
void tl_sim_misaligned(const void* pointer, int bytes, const char* access, int site) __attribute__((noreturn));
void tl_sim_assertion_failed(const char* message, int site) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
