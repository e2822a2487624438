// Warp collectives: the last of the lanes that take part does the work of all and wakes them.
#include "ldmatrix.h"
#include "mma_scaled.h"
#include "sparse.h"

namespace tl::sim {

namespace {

constexpr uint32_t all_lanes = 0xffffffff;

void execute_shuffle(Warp& warp, uint32_t group) {
  uint32_t before[lanes_per_warp][4];
  const Request& any = *warp.request[__builtin_ctz(group)];
  for (uint32_t left = group; left; left &= left - 1) {
    int lane = __builtin_ctz(left);
    __builtin_memcpy(before[lane], warp.request[lane]->data, any.count * 4);
  }
  for (uint32_t left = group; left; left &= left - 1) {
    int lane = __builtin_ctz(left);
    Request& request = *warp.request[lane];
    int source = 0;
    switch (request.mode) {
      case TL_SIM_SHUFFLE_INDEX: source = request.argument & 31; break;
      case TL_SIM_SHUFFLE_UP: source = lane - request.argument; break;
      case TL_SIM_SHUFFLE_DOWN: source = lane + request.argument; break;
      case TL_SIM_SHUFFLE_XOR: source = lane ^ request.argument; break;
    }
    if (source < 0 || source >= lanes_per_warp) source = lane;
    if (group >> source & 1) {
      __builtin_memcpy(request.data, before[source], any.count * 4);
    } else {
      __builtin_memset(request.data, 0xff, any.count * 4);  // an exited lane's value is undefined: let it show
    }
  }
}

void execute_ballot(Warp& warp, uint32_t group) {
  uint32_t votes = 0;
  for (uint32_t left = group; left; left &= left - 1) {
    int lane = __builtin_ctz(left);
    if (warp.request[lane]->argument) votes |= 1u << lane;
  }
  for (uint32_t left = group; left; left &= left - 1) warp.request[__builtin_ctz(left)]->result = votes;
}

// The lanes that wait in a collective of the same lanes.
uint32_t lanes_with(const Warp& warp, uint32_t mask) {
  if (!warp.mixed) return warp.mask == mask ? warp.arrived : 0;
  uint32_t group = 0;
  for (uint32_t left = warp.arrived; left; left &= left - 1) {
    int lane = __builtin_ctz(left);
    if (warp.request[lane]->mask == mask) group |= 1u << lane;
  }
  return group;
}

void complete(Warp& warp, Block& block, int warp_index, uint32_t group) {
  const Request& any = *warp.request[__builtin_ctz(group)];
  if (any.mask == all_lanes) execute_mma_log(warp);  // matrix instructions are the whole warp's
  switch (any.kind) {
    case Collective::sync:
      if (block.observer) block.observer->warp_sync(block, warp_index, group);
      break;
    case Collective::mma_ready:
    case Collective::tensor: break;
    case Collective::shuffle: execute_shuffle(warp, group); break;
    case Collective::ballot: execute_ballot(warp, group); break;
    case Collective::ldmatrix: execute_ldmatrix(warp); break;
    case Collective::stmatrix: execute_stmatrix(warp); break;
    case Collective::sparse_mma: execute_sparse_mma(warp, block); break;
    case Collective::scaled_mma: execute_scaled_mma(warp, any.site); break;
  }
  make_ready(block, warp_index, group);
  warp.arrived &= ~group;
}

}  // namespace

void rendezvous(Request& request) {
  Thread* thread = self();
  Block& block = *thread->block;
  Warp& warp = *thread->home;
  const uint32_t bit = 1u << thread->lane;
  if (!(request.mask & bit)) {
    fail(block, "a warp operation of the lanes 0x%08x, among which this thread's is not (line %d), %s", request.mask, request.site,
         name_thread(*thread).c_str());
  }
  if (const uint32_t waiting = lanes_with(warp, request.mask)) {
    const Request& other = *warp.request[__builtin_ctz(waiting)];
    if (other.kind != request.kind || other.count != request.count || other.mode != request.mode) {
      fail(block, "lanes of warp %d have come to different warp operations (lines %d and %d): all lanes must take part in the same one, %s",
           thread->warp, other.site, request.site, name_thread(*thread).c_str());
    }
  }
  if (!warp.arrived) {
    warp.mask = request.mask;
    warp.mixed = false;
  } else if (warp.mask != request.mask) {
    warp.mixed = true;
  }
  warp.request[thread->lane] = &request;
  warp.arrived |= bit;
  const uint32_t group = lanes_with(warp, request.mask);
  if (group == (request.mask & warp.live)) {
    complete(warp, block, thread->warp, group);
  } else {
    suspend(thread, Wait::warp, request.site);
  }
}

void collective_on_exit(Warp& warp, Block& block, int warp_index) {
  for (uint32_t left = warp.arrived; left;) {
    const uint32_t mask = warp.request[__builtin_ctz(left)]->mask, group = lanes_with(warp, mask);
    left &= ~group;
    if (group == (mask & warp.live)) complete(warp, block, warp_index, group);
  }
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_warp_sync(int site) { tl_sim_warp_sync_among(all_lanes, site); }

void tl_sim_warp_sync_among(uint32_t mask, int site) {
  Request request{Collective::sync, 0, 0, 0, nullptr, nullptr, site, 0, mask};
  rendezvous(request);
}

void tl_sim_shuffle(uint32_t* words, int count, int mode, int argument, int site) {
  tl_sim_shuffle_among(words, count, mode, argument, all_lanes, site);
}

void tl_sim_shuffle_among(uint32_t* words, int count, int mode, int argument, uint32_t mask, int site) {
  Thread* thread = self();
  if (Observer* observer = thread->block->observer) {
    observer->registers(*thread, words, static_cast<size_t>(count) * 4, Access::write, site_of(site));
  }
  Request request{Collective::shuffle, static_cast<uint8_t>(mode), static_cast<uint8_t>(count), argument, words, nullptr, site, 0, mask};
  rendezvous(request);
}

uint32_t tl_sim_ballot(int predicate, int site) { return tl_sim_ballot_among(predicate, all_lanes, site); }

uint32_t tl_sim_ballot_among(int predicate, uint32_t mask, int site) {
  Request request{Collective::ballot, 0, 0, predicate, nullptr, nullptr, site, 0, mask};
  rendezvous(request);
  return request.result;
}
