// The ground under generated text on a CPU (targets c and llvm): one thread runs a block, blocks are shared out over the cores.
// Stands before src/simulator/include and src/device on the include path; what it does not replace is theirs.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define TL_FUNC inline __attribute__((always_inline))
#define TL_ON_GPU 0
#define TL_HOPPER 0
#define TL_BLACKWELL 0
#define TL_SITE_PARAMETER
#define TL_SITE_PARAMETER_ALONE
#define TL_SITE_ARGUMENT
#define TL_SITE_ARGUMENT_ALONE

// Blocks along x, y, z, as the launcher counted them.
struct tl_grid {
  uint32_t x, y, z;
};

namespace tl::detail {

template <class... Parameters>
struct block_call {
  block_call(void (*kernel)(tl_grid, Parameters...), tl_grid grid, Parameters... arguments) { kernel(grid, arguments...); }
};

// Unpacks the launcher's argument array by the kernel's own parameter types; braces fix the order of evaluation.
template <class... Parameters>
inline void call_kernel(void (*kernel)(tl_grid, Parameters...), tl_grid grid, [[maybe_unused]] void** next) {
  block_call<Parameters...>{kernel, grid, *static_cast<Parameters*>(*next++)...};
}

}  // namespace tl::detail

// What the launcher calls (src/runtime/cpu_backend.cc): 0, or 1 with the reason in `report`.
#define TL_ENTRY(name)                                                                                    \
  extern "C" __attribute__((visibility("default"))) int name##__cpu(void** arguments, const uint32_t* grid, \
                                                                    char* report, uint64_t capacity) {      \
    return tl::run_blocks(report, capacity, [&] {                                                         \
      tl::detail::call_kernel(name, tl_grid{grid[0], grid[1], grid[2]}, arguments);                       \
    });                                                                                                   \
  }
