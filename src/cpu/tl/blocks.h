// Blocks over threads: OpenMP shares out the grid, a failed assertion ends the launch.
#pragma once
#include <tl/backend.h>

extern "C" int omp_get_max_threads(void) noexcept;

namespace tl {

// Thrown by an assertion of the kernel's author; `message` is a constant of the text.
struct failure {
  const char* message;
  int block[3];
};

namespace detail {
// Which block this thread runs: for messages.
struct place {
  int x, y, z;
};
inline thread_local place this_block{0, 0, 0}, this_thread{0, 0, 0};
}  // namespace detail

// How many threads share the blocks; OpenMP's own number (OMP_NUM_THREADS) unless the compiler object says otherwise.
inline int num_threads() {
#ifdef TL_NUM_THREADS
  return TL_NUM_THREADS;
#else
  return omp_get_max_threads();
#endif
}

// Calls block(bx, by, bz) for every block of the grid. Blocks are handed out in runs of neighbours (x fastest), several for each
// thread, so that blocks of unequal work even out and neighbours share a cache.
template <class Block>
inline void for_each_block(tl_grid grid, Block block) {
  const int64_t total = int64_t(grid.x) * grid.y * grid.z;
  const int64_t run = total / (int64_t(num_threads()) * 8) + 1;
  bool failed = false;
  failure first{};
#pragma omp parallel for schedule(dynamic, run) num_threads(num_threads()) if (total > 1)
  for (int64_t b = 0; b < total; ++b) {
    const int x = int(b % grid.x), y = int(b / grid.x % grid.y), z = int(b / grid.x / grid.y);
    if (__atomic_load_n(&failed, __ATOMIC_RELAXED)) continue;
    try {
      block(x, y, z);
    } catch (const failure& reason) {
#pragma omp critical(tl_failure)
      if (!failed) {
        first = failure{reason.message, {x, y, z}};
        __atomic_store_n(&failed, true, __ATOMIC_RELAXED);
      }
    }
  }
  if (failed) throw first;
}

// Runs a launch and puts a failure into words.
template <class Launch>
inline int run_blocks(char* report, uint64_t capacity, Launch launch) {
  try {
    launch();
    return 0;
  } catch (const failure& reason) {
    __builtin_snprintf(report, capacity, "assertion failed in block (%d, %d, %d): %s", reason.block[0], reason.block[1],
                       reason.block[2], reason.message);
    return 1;
  }
}

}  // namespace tl
