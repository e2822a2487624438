// ldmatrix and stmatrix (PTX ISA 9.7.14.5.15 and .16): lane 8*i + r brings the address of row r of matrix i.
#include "ldmatrix.h"

#include <cstring>
#include <utility>

namespace tl::sim {

namespace {

// Register `i` of `lane` holds two elements: (lane/4, 2*(lane%4) + e), swapped when transposed.
template <class Move>
void for_each_element(const Request& any, Move move) {
  for (int i = 0; i < any.count; ++i) {
    for (int lane = 0; lane < lanes_per_warp; ++lane) {
      for (int e = 0; e < 2; ++e) {
        int row = lane / 4, column = lane % 4 * 2 + e;
        if (any.mode) std::swap(row, column);
        move(i, lane, e, i * 8 + row, column);
      }
    }
  }
}

void check_row(const void* row, int lanes, const char* what, int site) {
  Thread* thread = self();
  if (thread->lane >= lanes) return;  // other lanes' addresses are ignored
  Block& block = *thread->block;
  if (!in_shared_memory(block, row, 16)) {
    fail(block, "%s of 16 bytes at shared memory offset %ld of %u (line %d), %s", what,
         static_cast<long>(static_cast<const char*>(row) - block.shared), block.shared_bytes, site, name_thread(*thread).c_str());
  }
  if (reinterpret_cast<uintptr_t>(row) % 16) tl_sim_misaligned(row, 16, what, site);
}

void check_full_warp(const Warp& warp, const char* what, int site) {
  if (warp.live == ~0u) return;
  Thread* thread = self();
  fail(*thread->block, "%s in warp %d of which only %d lanes are alive (line %d): it needs all 32, %s", what, thread->warp,
       __builtin_popcount(warp.live), site, name_thread(*thread).c_str());
}

}  // namespace

void execute_ldmatrix(Warp& warp) {
  const Request& any = *warp.request[0];
  if (!any.mode) {  // rows go out in 4-byte pieces
    for (int i = 0; i < any.count; ++i) {
      for (int lane = 0; lane < lanes_per_warp; ++lane) {
        memcpy(static_cast<char*>(warp.request[lane]->data) + i * 4,
               static_cast<const char*>(warp.request[i * 8 + lane / 4]->source) + lane % 4 * 4, 4);
      }
    }
    return;
  }
  for_each_element(any, [&](int i, int lane, int e, int row, int column) {
    memcpy(static_cast<char*>(warp.request[lane]->data) + i * 4 + e * 2,
           static_cast<const char*>(warp.request[row]->source) + column * 2, 2);
  });
}

void execute_stmatrix(Warp& warp) {
  for_each_element(*warp.request[0], [&](int i, int lane, int e, int row, int column) {
    memcpy(static_cast<char*>(warp.request[row]->data) + column * 2,
           static_cast<const char*>(warp.request[lane]->source) + i * 4 + e * 2, 2);
  });
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_ldmatrix(void* registers, const void* row, int matrices, int transposed, int site) {
  Thread* thread = self();
  check_full_warp(thread->block->warps[thread->warp], "ldmatrix", site);
  check_row(row, matrices * 8, "ldmatrix", site);
  Request request{Collective::ldmatrix, static_cast<uint8_t>(transposed), static_cast<uint8_t>(matrices), 0, registers, row, site, 0};
  rendezvous(request);
}

void tl_sim_stmatrix(void* row, const void* registers, int matrices, int transposed, int site) {
  Thread* thread = self();
  check_full_warp(thread->block->warps[thread->warp], "stmatrix", site);
  check_row(row, matrices * 8, "stmatrix", site);
  Request request{Collective::stmatrix, static_cast<uint8_t>(transposed), static_cast<uint8_t>(matrices), 0, row, registers, site, 0};
  rendezvous(request);
}
