// mbarrier instructions of a GPU; <tl/mbarrier.h> says what they mean.
#pragma once
#include <tl/smem_address.h>

namespace tl::detail {

TL_FUNC void mbarrier_init(uint64_t* barrier, uint32_t count) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(smem_address(barrier)), "r"(count) : "memory");
}
TL_FUNC void mbarrier_invalidate(uint64_t* barrier) {
  asm volatile("mbarrier.inval.shared.b64 [%0];" ::"r"(smem_address(barrier)) : "memory");
}
TL_FUNC bool mbarrier_test_wait(uint64_t* barrier, uint32_t parity) {
  uint32_t done;
  asm volatile("{\n .reg .pred p;\n mbarrier.test_wait.parity.shared.b64 p, [%1], %2;\n selp.u32 %0, 1, 0, p;\n}"
               : "=r"(done)
               : "r"(smem_address(barrier)), "r"(parity)
               : "memory");
  return done != 0;
}
TL_FUNC void cp_async_arrive(uint64_t* barrier) {
  asm volatile("cp.async.mbarrier.arrive.shared.b64 [%0];" ::"r"(smem_address(barrier)) : "memory");
}
TL_FUNC void cp_async_arrive_noinc(uint64_t* barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(smem_address(barrier)) : "memory");
}

#if TL_HOPPER

TL_FUNC void mbarrier_arrive(uint64_t* barrier, uint32_t count) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0], %1;" ::"r"(smem_address(barrier)), "r"(count) : "memory");
}
TL_FUNC void mbarrier_arrive_expect(uint64_t* barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(smem_address(barrier)), "r"(bytes) : "memory");
}
TL_FUNC void mbarrier_expect(uint64_t* barrier, uint32_t bytes) {
  asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(smem_address(barrier)), "r"(bytes) : "memory");
}
TL_FUNC void mbarrier_complete(uint64_t* barrier, uint32_t bytes) {
  asm volatile("mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(smem_address(barrier)), "r"(bytes) : "memory");
}
TL_FUNC void mbarrier_arrive_remote(uint64_t* barrier, uint32_t rank, uint32_t count) {
  asm volatile(
      "{\n .reg .b32 remote;\n mapa.shared::cluster.u32 remote, %0, %1;\n"
      " mbarrier.arrive.shared::cluster.b64 _, [remote], %2;\n}" ::"r"(smem_address(barrier)),
      "r"(rank), "r"(count)
      : "memory");
}
TL_FUNC void mbarrier_arrive_expect_remote(uint64_t* barrier, uint32_t rank, uint32_t bytes) {
  asm volatile(
      "{\n .reg .b32 remote;\n mapa.shared::cluster.u32 remote, %0, %1;\n"
      " mbarrier.arrive.expect_tx.shared::cluster.b64 _, [remote], %2;\n}" ::"r"(smem_address(barrier)),
      "r"(rank), "r"(bytes)
      : "memory");
}
TL_FUNC bool mbarrier_try_wait(uint64_t* barrier, uint32_t parity) {
  uint32_t done;
  asm volatile("{\n .reg .pred p;\n mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n selp.u32 %0, 1, 0, p;\n}"
               : "=r"(done)
               : "r"(smem_address(barrier)), "r"(parity)
               : "memory");
  return done != 0;
}
TL_FUNC void mbarrier_wait(uint64_t* barrier, uint32_t parity) {
  while (!mbarrier_try_wait(barrier, parity)) {
  }
}
TL_FUNC void fence_mbarrier_init() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

#else

TL_FUNC void mbarrier_arrive(uint64_t* barrier, uint32_t) {
  asm volatile("{\n .reg .b64 state;\n mbarrier.arrive.shared.b64 state, [%0];\n}" ::"r"(smem_address(barrier)) : "memory");
}
TL_FUNC void mbarrier_wait(uint64_t* barrier, uint32_t parity) {
  while (!mbarrier_test_wait(barrier, parity)) {
  }
}

#endif

}  // namespace tl::detail
