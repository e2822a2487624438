// Warp collectives: the last lane to arrive does the work of all and wakes them.
#include "ldmatrix.h"

namespace tl::sim {

namespace {

void execute_shuffle(Warp& warp) {
  uint32_t before[lanes_per_warp][4];
  const Request& any = *warp.request[__builtin_ctz(warp.arrived)];
  for (uint32_t left = warp.arrived; left; left &= left - 1) {
    int lane = __builtin_ctz(left);
    __builtin_memcpy(before[lane], warp.request[lane]->data, any.count * 4);
  }
  for (uint32_t left = warp.arrived; left; left &= left - 1) {
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
    if (warp.arrived >> source & 1) {
      __builtin_memcpy(request.data, before[source], any.count * 4);
    } else {
      __builtin_memset(request.data, 0xff, any.count * 4);  // an exited lane's value is undefined: let it show
    }
  }
}

void execute_ballot(Warp& warp) {
  uint32_t votes = 0;
  for (uint32_t left = warp.arrived; left; left &= left - 1) {
    int lane = __builtin_ctz(left);
    if (warp.request[lane]->argument) votes |= 1u << lane;
  }
  for (uint32_t left = warp.arrived; left; left &= left - 1) warp.request[__builtin_ctz(left)]->result = votes;
}

void complete(Warp& warp, Block& block, int warp_index) {
  execute_mma_log(warp);
  switch (warp.request[__builtin_ctz(warp.arrived)]->kind) {
    case Collective::sync:
      if (block.observer) block.observer->warp_sync(block, warp_index, warp.arrived);
      break;
    case Collective::mma_ready: break;
    case Collective::shuffle: execute_shuffle(warp); break;
    case Collective::ballot: execute_ballot(warp); break;
    case Collective::ldmatrix: execute_ldmatrix(warp); break;
    case Collective::stmatrix: execute_stmatrix(warp); break;
  }
  make_ready(block, warp_index, warp.arrived);
  warp.arrived = 0;
}

}  // namespace

void rendezvous(Request& request) {
  Thread* thread = self();
  Block& block = *thread->block;
  Warp& warp = *thread->home;
  if (warp.arrived) {
    const Request& other = *warp.request[__builtin_ctz(warp.arrived)];
    if (other.kind != request.kind || other.count != request.count || other.mode != request.mode) {
      fail(block, "lanes of warp %d have come to different warp operations (lines %d and %d): all lanes must take part in the same one, %s",
           thread->warp, other.site, request.site, name_thread(*thread).c_str());
    }
  }
  warp.request[thread->lane] = &request;
  warp.arrived |= 1u << thread->lane;
  if (warp.arrived == warp.live) {
    complete(warp, block, thread->warp);
  } else {
    suspend(thread, Wait::warp, request.site);
  }
}

void collective_on_exit(Warp& warp, Block& block, int warp_index) {
  if (warp.arrived && warp.arrived == warp.live) complete(warp, block, warp_index);
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_warp_sync(int site) {
  Request request{Collective::sync, 0, 0, 0, nullptr, nullptr, site, 0};
  rendezvous(request);
}

void tl_sim_shuffle(uint32_t* words, int count, int mode, int argument, int site) {
  Thread* thread = self();
  if (Observer* observer = thread->block->observer) {
    observer->registers(*thread, words, static_cast<size_t>(count) * 4, Access::write, site_of(site));
  }
  Request request{Collective::shuffle, static_cast<uint8_t>(mode), static_cast<uint8_t>(count), argument, words, nullptr, site, 0};
  rendezvous(request);
}

uint32_t tl_sim_ballot(int predicate, int site) {
  Request request{Collective::ballot, 0, 0, predicate, nullptr, nullptr, site, 0};
  rendezvous(request);
  return request.result;
}
