// Moves registers between the warps of a block (PTX ISA 9.7.19.5 "setmaxnreg"): every warp of a warpgroup executes the same
// one, first thing in its role's branch. `Count` is what each thread has afterwards: 24 to 256, a multiple of 8.
#pragma once
#include <tl/backend.h>

#if TL_HOPPER

namespace tl {

template <int Count>
TL_FUNC void set_max_registers_decrease(TL_SITE_PARAMETER_ALONE) {
  static_assert(Count >= 24 && Count <= 256 && Count % 8 == 0, "registers a thread: 24 to 256, a multiple of 8");
#if TL_ON_GPU
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count));
#else
  tl_sim_set_max_registers(Count, 0, tl_site);
#endif
}
template <int Count>
TL_FUNC void set_max_registers_increase(TL_SITE_PARAMETER_ALONE) {
  static_assert(Count >= 24 && Count <= 256 && Count % 8 == 0, "registers a thread: 24 to 256, a multiple of 8");
#if TL_ON_GPU
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count));
#else
  tl_sim_set_max_registers(Count, 1, tl_site);
#endif
}

}  // namespace tl

#endif
