// printf, and the assertion that ends a launch.
#pragma once
#include <stdio.h>
#include <tl/blocks.h>

#define blockIdx (tl::detail::this_block)
#define threadIdx (tl::detail::this_thread)

namespace tl {
namespace detail {
[[noreturn]] inline void assertion_failed(const char* message) { throw failure{message, {0, 0, 0}}; }
}  // namespace detail

// Where the following statements run, for messages.
TL_FUNC void set_block(int x, int y, int z) {
  detail::this_block = {x, y, z};
  detail::this_thread = {0, 0, 0};
}
TL_FUNC void set_thread(int x, int y, int z) { detail::this_thread = {x, y, z}; }

}  // namespace tl
