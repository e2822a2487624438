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
#define TL_SIM_ABI_VERSION 4
int tl_sim_abi_version(void);

/* Runs every block of `grid`. Returns 0, or non-zero with a NUL-terminated text in `report` (cut to `report_capacity`):
 * 1 the kernel went wrong (deadlock, memory fault, failed assertion, misuse), 2 the launch itself is not possible. */
int tl_sim_launch(void (*entry)(void** arguments), void** arguments, const uint32_t grid[3], const uint32_t block[3],
                  uint32_t shared_bytes, char* report, uint64_t report_capacity);

/* When asynchronous operations take effect: at issue; only when a wait forces them; or at a random time between. */
enum tl_sim_time { TL_SIM_TIME_EARLY, TL_SIM_TIME_LATE, TL_SIM_TIME_RANDOM };
/* Sums of matrix instructions: in single precision; or as Hopper's tensor cores do (fused and truncated). */
enum tl_sim_numerics { TL_SIM_NUMERICS_FAST, TL_SIM_NUMERICS_HARDWARE };

/* A launch with everything that may be said of it. Fields that are -1 take the default: the environment variables
 * TILELANG_SIMULATOR_TIME (early, late, random), TILELANG_SIMULATOR_NUMERICS (fast, hardware) and TILELANG_SIMULATOR_SEED,
 * else late, fast and 0. A seed orders threads and, with random time, operations; equal seeds give equal runs. */
struct tl_sim_launch_options {
  uint32_t size; /* sizeof(struct tl_sim_launch_options) */
  uint32_t grid[3], block[3], cluster[3];
  uint32_t shared_bytes;
  int32_t cooperative; /* all blocks of the grid run together and may meet in tl_sim_grid_sync */
  int32_t time, numerics;
  int64_t seed;
};
int tl_sim_launch_with(void (*entry)(void** arguments), void** arguments, const struct tl_sim_launch_options* options, char* report,
                       uint64_t report_capacity);

/* How many OS threads run blocks; 0 (the default): as many as the machine has processors, or TILELANG_SIMULATOR_THREADS. */
void tl_sim_set_threads(int count);

/* Non-zero: matrix instructions run on code for any processor, even where faster code could. Results are the same. */
void tl_sim_set_portable(int portable);

/* ---- tensor maps: 128 bytes, aligned to 64, passed to kernels by value ---- */
enum tl_sim_type { /* numbers of CUtensorMapDataType */
  TL_SIM_TYPE_U8,
  TL_SIM_TYPE_U16,
  TL_SIM_TYPE_U32,
  TL_SIM_TYPE_S32,
  TL_SIM_TYPE_U64,
  TL_SIM_TYPE_S64,
  TL_SIM_TYPE_F16,
  TL_SIM_TYPE_F32,
  TL_SIM_TYPE_F64,
  TL_SIM_TYPE_BF16,
  TL_SIM_TYPE_F32_FTZ,
  TL_SIM_TYPE_TF32,
  TL_SIM_TYPE_TF32_FTZ,
  TL_SIM_TYPE_COUNT
};
struct tl_sim_tensor { /* what cuTensorMapEncodeTiled and ...Im2col have in common, dimension 0 innermost */
  int32_t type, rank, interleave, swizzle, fill_nan;
  void* address;
  const uint64_t* extent;         /* rank elements */
  const uint64_t* byte_stride;    /* rank - 1, of dimensions 1 and up */
  const uint32_t* element_stride; /* rank */
};
/* 0, or non-zero with a text in `report` where the driver would answer CUDA_ERROR_INVALID_VALUE. */
int tl_sim_encode_tiled(void* map, const struct tl_sim_tensor* tensor, const uint32_t* box, char* report, uint64_t capacity);
int tl_sim_encode_im2col(void* map, const struct tl_sim_tensor* tensor, const int32_t* lower, const int32_t* upper, uint32_t channels,
                         uint32_t pixels, char* report, uint64_t capacity);

/* ---- what a kernel thread sees of itself ---- */
struct tl_sim_dim3 {
  uint32_t x, y, z;
};
struct tl_sim_thread {
  struct tl_sim_dim3 thread_index, block_index, block_extent, grid_extent, cluster_extent;
  char* shared_memory;
  uint32_t cluster_rank, elected_lane; /* of its block in its cluster; of elect.sync in its warp */
};
#ifdef __cplusplus
extern __thread struct tl_sim_thread* tl_sim_self __attribute__((tls_model("initial-exec")));
#endif

/* ---- barriers: count 0 means all threads of the block that have not exited ---- */
void tl_sim_barrier(int id, uint32_t count, int arrive_only, int site);
int tl_sim_barrier_count(int predicate, int site); /* barrier 0 of all threads: how many came with a true predicate */

/* ---- warp collectives: complete when all lanes of the warp that have not exited have called ---- */
void tl_sim_warp_sync(int site);
enum { TL_SIM_SHUFFLE_INDEX, TL_SIM_SHUFFLE_UP, TL_SIM_SHUFFLE_DOWN, TL_SIM_SHUFFLE_XOR };
void tl_sim_shuffle(uint32_t* words, int count, int mode, int argument, int site);
uint32_t tl_sim_ballot(int predicate, int site);
/* The same among the lanes of `mask`, which includes the caller's. */
void tl_sim_warp_sync_among(uint32_t mask, int site);
void tl_sim_shuffle_among(uint32_t* words, int count, int mode, int argument, uint32_t mask, int site);
uint32_t tl_sim_ballot_among(int predicate, uint32_t mask, int site);
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
/* mma.sp: an operation of tl_sim_wgmma_op; b is 16 bytes, K twice that of the dense instruction. Executed at once. */
void tl_sim_mma_sp(int op, void* c, const void* a, const void* b, uint32_t metadata, int selector, int site);
/* mma with block scales: the bytes of a scale word are those of the lane's blocks along K, lowest first. Executed at once. */
enum tl_sim_mma_scaled_op {
  TL_SIM_MMA_SCALED_NVF4,
  TL_SIM_MMA_SCALED_MXF4,
  TL_SIM_MMA_SCALED_E4E4,
  TL_SIM_MMA_SCALED_E4E5,
  TL_SIM_MMA_SCALED_E5E4,
  TL_SIM_MMA_SCALED_E5E5,
  TL_SIM_MMA_SCALED_COUNT
};
void tl_sim_mma_scaled(int op, void* c, const void* a, const void* b, uint32_t scale_a, uint32_t scale_b, int site);

/* ---- cp.async ---- */
void tl_sim_cp_async(void* shared, const void* global, int bytes, int source_bytes, int site);
void tl_sim_cp_async_commit(void);
void tl_sim_cp_async_wait(int pending);
void tl_sim_cp_async_mbarrier_arrive(void* barrier, int no_increment, int site);

/* ---- mbarriers: `cta` is a rank in the cluster, -1 the own block ---- */
void tl_sim_mbarrier_init(void* barrier, uint32_t count, int site);
void tl_sim_mbarrier_invalidate(void* barrier, int site);
void tl_sim_mbarrier_arrive(void* barrier, int cta, uint32_t count, uint32_t expected_bytes, int site);
void tl_sim_mbarrier_expect(void* barrier, int cta, uint32_t bytes, int site);
void tl_sim_mbarrier_complete(void* barrier, int cta, uint32_t bytes, int site);
int tl_sim_mbarrier_test(void* barrier, uint32_t parity, int may_wait, int site); /* test_wait, try_wait */
void tl_sim_mbarrier_wait(void* barrier, uint32_t parity, int site);

/* ---- TMA and bulk copies; targets: mask of cluster ranks, 0 the own block ---- */
enum tl_sim_bulk_op { TL_SIM_BULK_ADD, TL_SIM_BULK_MIN, TL_SIM_BULK_MAX, TL_SIM_BULK_INC, TL_SIM_BULK_DEC, TL_SIM_BULK_AND, TL_SIM_BULK_OR, TL_SIM_BULK_XOR };
void tl_sim_tensor_load(void* shared, const void* map, void* barrier, int rank, const int32_t* coordinates, const int32_t* offsets,
                        uint32_t targets, int site); /* offsets: im2col, else null */
void tl_sim_tensor_store(const void* map, const void* shared, int rank, const int32_t* coordinates, int operation, int im2col,
                         int site); /* operation -1: a plain store */
/* four rows: column, then row numbers */
void tl_sim_tensor_gather(void* shared, const void* map, void* barrier, const int32_t* coordinates, int site);
void tl_sim_tensor_scatter(const void* map, const void* shared, const int32_t* coordinates, int site);
void tl_sim_tensor_prefetch(const void* map, int rank, int site);
void tl_sim_bulk_load(void* shared, const void* global, uint32_t bytes, void* barrier, uint32_t targets, int site);
void tl_sim_bulk_store(void* global, const void* shared, uint32_t bytes, int operation, int type, int site);
void tl_sim_bulk_copy(void* target, const void* source, uint32_t bytes, void* barrier, int cta, int operation, int type, int site);
void tl_sim_bulk_commit(void);
void tl_sim_bulk_wait(int pending, int read_only, int site);

/* ---- wgmma; a null `a`: both operands by descriptor ---- */
enum tl_sim_wgmma_flag { TL_SIM_WGMMA_ACCUMULATE = 1, TL_SIM_WGMMA_NEGATE_A = 2, TL_SIM_WGMMA_NEGATE_B = 4, TL_SIM_WGMMA_TRANS_A = 8, TL_SIM_WGMMA_TRANS_B = 16 };
enum tl_sim_wgmma_op { /* half accumulators are packed in pairs */
  TL_SIM_WGMMA_F16_F32,
  TL_SIM_WGMMA_F16_F16,
  TL_SIM_WGMMA_BF16,
  TL_SIM_WGMMA_TF32,
  TL_SIM_WGMMA_E4E4_F32,
  TL_SIM_WGMMA_E4E5_F32,
  TL_SIM_WGMMA_E5E4_F32,
  TL_SIM_WGMMA_E5E5_F32,
  TL_SIM_WGMMA_E4E4_F16,
  TL_SIM_WGMMA_E4E5_F16,
  TL_SIM_WGMMA_E5E4_F16,
  TL_SIM_WGMMA_E5E5_F16,
  TL_SIM_WGMMA_S8S8,
  TL_SIM_WGMMA_S8U8,
  TL_SIM_WGMMA_U8S8,
  TL_SIM_WGMMA_U8U8,
  TL_SIM_WGMMA_COUNT
};
void tl_sim_wgmma(int op, int n, void* c, const void* a, uint64_t a_descriptor, uint64_t b_descriptor, int flags, int site);
/* The sparse one: `metadata` and `selector` as in PTX. */
void tl_sim_wgmma_sp(int op, int n, void* c, const void* a, uint64_t a_descriptor, uint64_t b_descriptor, uint32_t metadata, int selector,
                     int flags, int site);
void tl_sim_wgmma_fence(int site);
void tl_sim_wgmma_commit(int site);
void tl_sim_wgmma_wait(int pending, int site);

/* ---- tensor memory and tcgen05; addresses are lane << 16 | column, `group` is 1 or 2 blocks ---- */
enum tl_sim_tcgen05_kind { TL_SIM_TCGEN05_F16, TL_SIM_TCGEN05_TF32, TL_SIM_TCGEN05_F8F6F4, TL_SIM_TCGEN05_I8, TL_SIM_TCGEN05_MXF8F6F4 };
struct tl_sim_tcgen05_product {
  int32_t kind, group, accumulate, a_in_tensor_memory;
  uint32_t d, instruction; /* address; instruction descriptor */
  uint64_t a, b;           /* descriptors, or the address of A */
  uint32_t scale_a, scale_b; /* addresses, of MXF8F6F4 */
  uint32_t kept[4];          /* lanes whose D stays, a bit each */
  int32_t wide;              /* .ws */
};
void tl_sim_tcgen05_alloc(uint32_t* slot, uint32_t columns, int group, int site);
void tl_sim_tcgen05_dealloc(uint32_t address, uint32_t columns, int group, int site);
void tl_sim_tcgen05_relinquish(int group, int site);
/* Shapes of loads and stores; `offset`: of the second half of 16X32BX2. */
enum tl_sim_tcgen05_shape { TL_SIM_TCGEN05_32X32B, TL_SIM_TCGEN05_16X64B, TL_SIM_TCGEN05_16X128B, TL_SIM_TCGEN05_16X256B, TL_SIM_TCGEN05_16X32BX2 };
void tl_sim_tcgen05_ld(void* registers, uint32_t address, int count, int shape, int offset, int site);
void tl_sim_tcgen05_st(uint32_t address, const void* registers, int count, int shape, int offset, int site);
void tl_sim_tcgen05_shift(uint32_t address, int group, int site); /* .down */
void tl_sim_tcgen05_wait(int stores, int site);
void tl_sim_tcgen05_fence(int after, int site);
void tl_sim_tcgen05_mma(const struct tl_sim_tcgen05_product* operation, int site);
void tl_sim_tcgen05_cp(uint32_t address, uint64_t rows, int group, int site); /* .32x128b.warpx4 */
void tl_sim_tcgen05_commit(void* barrier, int group, uint32_t blocks, int site); /* blocks: mask of cluster ranks, 0 the own */

/* ---- cluster launch control ---- */
void tl_sim_try_cancel(void* answer, void* barrier, int multicast, int site);
int32_t tl_sim_query_cancel(const void* answer, int axis, int site); /* axis -1: is_canceled */

/* ---- clusters, grids, registers, fences, spinning ---- */
void tl_sim_cluster_arrive(int release, int site);
void tl_sim_cluster_wait(int site);
void* tl_sim_map_shared(const void* pointer, uint32_t rank, int site);
void tl_sim_grid_sync(int site);
void tl_sim_set_max_registers(int count, int increase, int site);
void tl_sim_fence_proxy_async(int global, int site); /* of shared or of global memory */
void tl_sim_fence_mbarrier_init(int site);
void tl_sim_atomic_load_done(void); /* a relaxed load may be part of a spin loop: others get their turn */

/* ---- watched text: an iteration of a loop begins; `depth` counts such loops around it ---- */
void tl_sim_iteration(int depth, int line, int64_t value);

/* ---- ends of the kernel ---- */
void tl_sim_misaligned(const void* pointer, int bytes, const char* access, int site) __attribute__((noreturn));
void tl_sim_assertion_failed(const char* message, int site) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
