// Asynchronous copies, simulated: nothing moves before a wait covers the group, so that a missing wait shows.
#pragma once
#include <tl/traits.h>

namespace tl {

template <int Bytes>
inline void cp_async(void* smem, const void* gmem, detail::call_site site = __builtin_LINE()) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "cp.async copies 4, 8 or 16 bytes");
  tl_sim_cp_async(smem, gmem, Bytes, Bytes, site.line);
}
template <int Bytes>
inline void cp_async(void* smem, const void* gmem, bool predicate, int site = __builtin_LINE()) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "cp.async copies 4, 8 or 16 bytes");
  tl_sim_cp_async(smem, gmem, Bytes, predicate ? Bytes : 0, site);
}

inline void cp_async_commit() { tl_sim_cp_async_commit(); }
template <int Pending>
inline void cp_async_wait() {
  tl_sim_cp_async_wait(Pending);
}

}  // namespace tl
