// setmaxnreg (PTX ISA 9.7.19.5): a warp releases registers to its block's pool or takes them from it, "blocks execution
// until enough registers are available in the per-CTA-register pool". The count is 24 to 256, a multiple of 8.
#include "team.h"

namespace tl::sim {

namespace {
constexpr int registers_of_block = 65536;
}

// A launch gives each thread what the block's share allows; ptxas caps at 255, allocated as 256. It caps at the largest count
// that the kernel asks for, too (65536 / 256 threads is 256, but "Used 232" with setmaxnreg.inc 232), which is not known here: an
// increase to fewer registers than a warp has here finds exactly what it asks for there, and changes nothing.
void reset_registers(Block& block) {
  int warps = (block.thread_count + warpgroup_threads - 1) / warpgroup_threads * (warpgroup_threads / lanes_per_warp);
  int each = registers_of_block / (warps * lanes_per_warp) / 8 * 8;
  if (each > 256) each = 256;
  for (int& count : block.registers) count = each;
  block.free_registers = 0;  // what the division leaves of the file is not the block's: an H100 waits for it for ever
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_set_max_registers(int count, int increase, int site) {
  tl_sim_warp_sync(site);  // .sync.aligned: all lanes come together
  Thread* thread = self();
  Block& block = *thread->block;
  if (thread->lane == __builtin_ctz(thread->home->live)) {  // one lane acts for the warp
    int& now = block.registers[thread->warp];
    if (!increase && count > now) {
      fail(block, "setmaxnreg.dec to %d while the warp has %d registers a thread (line %d), %s", count, now, site,
           name_thread(*thread).c_str());
    }
    if (increase && count < now) count = now;
    int change = (count - now) * lanes_per_warp;
    while (change > block.free_registers) {
      thread->wait_value = static_cast<uint64_t>(change);
      suspend(thread, Wait::registers, site);
    }
    block.free_registers -= change;
    now = count;
    for (int i = 0; change < 0 && i < block.thread_count; ++i) {
      if (block.threads[i].wait == Wait::registers) make_ready(block.threads[i]);
    }
  }
  tl_sim_warp_sync(site);
}
