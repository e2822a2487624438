// L2 eviction policies for copies with a hint (PTX ISA 9.7.9.19 "createpolicy").
#pragma once
#include <tl/backend.h>

namespace tl {

#if TL_ON_GPU
#define TL_CACHE_POLICY(name)                                                              \
  TL_FUNC uint64_t l2_##name() {                                                           \
    uint64_t policy;                                                                       \
    asm volatile("createpolicy.fractional.L2::" #name ".b64 %0, 1.0;" : "=l"(policy));     \
    return policy;                                                                         \
  }
#else
#define TL_CACHE_POLICY(name) \
  TL_FUNC uint64_t l2_##name() { return 0; }  // results do not depend on it
#endif
TL_CACHE_POLICY(evict_first)
TL_CACHE_POLICY(evict_last)
TL_CACHE_POLICY(evict_unchanged)
#undef TL_CACHE_POLICY

}  // namespace tl
