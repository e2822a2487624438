// What every kernel text includes: types, casts, integer operations, memory access, barriers.
#pragma once
#include <tl/backend.h>
#include <tl/cast.h>
#include <tl/integer.h>
#include <tl/memory.h>
#include <tl/sync.h>

namespace tl {

// What the passes have proved, and what a C++ compiler could not find out.
TL_FUNC void known(bool condition) {
#ifdef __CUDACC__
  __builtin_assume(condition);
#else
  if (!condition) __builtin_trap();
#endif
}

}  // namespace tl
