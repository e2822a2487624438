// Cluster launch control of a GPU; <tl/clc.h> says what it means.
#pragma once
#include <tl/smem_address.h>

#if TL_BLACKWELL

namespace tl::detail {

TL_FUNC void clc_try_cancel(void* answer, uint64_t* barrier) {
  asm volatile("clusterlaunchcontrol.try_cancel.async.shared::cta.mbarrier::complete_tx::bytes.b128 [%0], [%1];" ::"r"(smem_address(answer)),
               "r"(smem_address(barrier))
               : "memory");
}
TL_FUNC void clc_try_cancel_multicast(void* answer, uint64_t* barrier) {
  asm volatile(
      "clusterlaunchcontrol.try_cancel.async.shared::cta.mbarrier::complete_tx::bytes.multicast::cluster::all.b128 [%0], [%1];" ::"r"(
          smem_address(answer)),
      "r"(smem_address(barrier))
      : "memory");
}

#define TL_CLC_ANSWER " .reg .b128 answer;\n ld.shared.b128 answer, [%1];\n clusterlaunchcontrol.query_cancel."
TL_FUNC bool clc_is_canceled(const void* answer) {
  uint32_t yes;
  asm volatile("{\n .reg .pred p;\n" TL_CLC_ANSWER "is_canceled.pred.b128 p, answer;\n selp.u32 %0, 1, 0, p;\n}"
               : "=r"(yes)
               : "r"(smem_address(answer))
               : "memory");
  return yes != 0;
}
template <int Axis>
TL_FUNC int32_t clc_first_ctaid(const void* answer) {
  int32_t index;
#define TL_CLC_AXIS(axis) \
  asm volatile("{\n" TL_CLC_ANSWER "get_first_ctaid::" axis ".b32.b128 %0, answer;\n}" : "=r"(index) : "r"(smem_address(answer)) : "memory")
  if constexpr (Axis == 0) TL_CLC_AXIS("x");
  else if constexpr (Axis == 1) TL_CLC_AXIS("y");
  else TL_CLC_AXIS("z");
#undef TL_CLC_AXIS
  return index;
}
#undef TL_CLC_ANSWER

}  // namespace tl::detail

#endif
