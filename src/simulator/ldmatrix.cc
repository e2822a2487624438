// ldmatrix and stmatrix (PTX ISA 9.7.14.5.15 and .16): lane 8*i + r brings the address of row r of matrix i. Register i
// of a lane holds the elements (lane/4, 2*(lane%4)) and the next of matrix i; (2*(lane%4) and the next, lane/4) transposed.
#include "ldmatrix.h"

#include <cstring>
#include <utility>

namespace tl::sim {

namespace {

[[noreturn]] __attribute__((noinline, cold)) void refuse_row(const void* row, const char* what, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  if (in_shared_memory(block, row, 16)) tl_sim_misaligned(row, 16, what, site);
  fail(block, "%s of 16 bytes at shared memory offset %ld of %u (line %d), %s", what,
       static_cast<long>(static_cast<const char*>(row) - block.shared), block.shared_bytes, site, name_thread(*thread).c_str());
}

[[noreturn]] __attribute__((noinline, cold)) void refuse_partial_warp(const char* what, int site) {
  Thread* thread = self();
  fail(*thread->block, "%s in warp %d of which only %d lanes are alive (line %d): it needs all 32, %s", what, thread->warp,
       __builtin_popcount(thread->home->live), site, name_thread(*thread).c_str());
}

void check(const void* row, int matrices, const char* what, int site) {
  Thread* thread = self();
  if (thread->home->live != ~0u) refuse_partial_warp(what, site);
  if (thread->lane >= matrices * 8) return;  // other lanes' addresses are ignored
  if (!in_shared_memory(*thread->block, row, 16) || reinterpret_cast<uintptr_t>(row) % 16) refuse_row(row, what, site);
}

template <int Matrices, bool Transposed>
void load(Request* const* requests) {
  uint16_t element[Matrices * 8][8];
  for (int row = 0; row < Matrices * 8; ++row) memcpy(element[row], requests[row]->source, 16);
  for (int lane = 0; lane < lanes_per_warp; ++lane) {
    uint16_t registers[Matrices][2];
    for (int i = 0; i < Matrices; ++i) {
      for (int e = 0; e < 2; ++e) {
        int row = lane / 4, column = lane % 4 * 2 + e;
        registers[i][e] = Transposed ? element[i * 8 + column][row] : element[i * 8 + row][column];
      }
    }
    memcpy(requests[lane]->data, registers, sizeof registers);
  }
}

}  // namespace

void execute_ldmatrix(Warp& warp) {
  const Request& any = *warp.request[0];
  switch (any.count * 2 + any.mode) {
    case 2: load<1, false>(warp.request); break;
    case 3: load<1, true>(warp.request); break;
    case 4: load<2, false>(warp.request); break;
    case 5: load<2, true>(warp.request); break;
    case 8: load<4, false>(warp.request); break;
    case 9: load<4, true>(warp.request); break;
  }
}

void execute_stmatrix(Warp& warp) {
  const Request& any = *warp.request[0];
  for (int i = 0; i < any.count; ++i) {
    for (int lane = 0; lane < lanes_per_warp; ++lane) {
      for (int e = 0; e < 2; ++e) {
        int row = lane / 4, column = lane % 4 * 2 + e;
        if (any.mode) std::swap(row, column);
        memcpy(static_cast<char*>(warp.request[i * 8 + row]->data) + column * 2,
               static_cast<const char*>(warp.request[lane]->source) + i * 4 + e * 2, 2);
      }
    }
  }
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_ldmatrix(void* registers, const void* row, int matrices, int transposed, int site) {
  check(row, matrices, "ldmatrix", site);
  Thread* thread = self();
  if (Observer* observer = thread->block->observer) {
    if (thread->lane < matrices * 8) observer->access(*thread, row, 16, Access::read, site_of(site));
    observer->registers(*thread, registers, static_cast<size_t>(matrices) * 4, Access::write, site_of(site));
  }
  Request request{Collective::ldmatrix, static_cast<uint8_t>(transposed), static_cast<uint8_t>(matrices), 0, registers, row, site, 0};
  rendezvous(request);
}

void tl_sim_stmatrix(void* row, const void* registers, int matrices, int transposed, int site) {
  check(row, matrices, "stmatrix", site);
  Thread* thread = self();
  if (Observer* observer = thread->block->observer) {
    observer->registers(*thread, registers, static_cast<size_t>(matrices) * 4, Access::read, site_of(site));
    if (thread->lane < matrices * 8) observer->access(*thread, row, 16, Access::write, site_of(site));
  }
  Request request{Collective::stmatrix, static_cast<uint8_t>(transposed), static_cast<uint8_t>(matrices), 0, row, registers, site, 0};
  rendezvous(request);
}
