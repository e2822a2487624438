// Included before kernel text that is compiled to be watched (the text itself is not changed).
#pragma once

// -fsanitize=thread skips local arrays whose address goes nowhere. Those that generated text declares as alignas(n) are given
// a clean-up function that receives their address, so that all their reads and writes are seen.
#ifdef __cplusplus
extern "C" {
#endif
void tl_sim_end_of_scope(void* array);
#ifdef __cplusplus
}
#endif
#define alignas(n) __attribute__((aligned(n), cleanup(tl_sim_end_of_scope)))
