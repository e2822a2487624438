// printf and the failing assertion, simulated.
#pragma once
#include <tl/backend.h>

extern "C" int printf(const char* format, ...);

namespace tl::detail {

inline void assertion_failed(const char* message, int site) { tl_sim_assertion_failed(message, site); }

}  // namespace tl::detail
