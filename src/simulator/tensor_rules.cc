// What tcgen05 operations must respect (PTX ISA 9.7.16.6 "Memory Consistency Model for 5th generation of TensorCore operations").
#include "team.h"
#include "tensor_operation.h"

namespace tl::sim {

namespace {

std::string name_piece(const TensorPiece& piece) {
  return "columns " + std::to_string(piece.first) + " to " + std::to_string(piece.first + piece.count - 1);
}

template <class Visit>
void each_quarter(const TensorPiece& piece, Visit visit) {
  for (uint32_t quarter = piece.lane / 32; quarter < (piece.lane + piece.lanes + 31) / 32; ++quarter) {
    for (uint32_t column = piece.first; column < piece.first + piece.count; ++column) visit(quarter, column);
  }
}

void refuse_of(Block& queue_owner, Block& block, const TensorPiece& piece, bool writes, const char* what, int site) {
  if (!queue_owner.tensor) return;
  for (const auto& operation : queue_owner.tensor->pending) {
    if (&queue_owner != &block && operation->mma.group != 2) continue;
    bool meets = operation->written.meets(piece);
    for (const TensorPiece& read : operation->read) meets |= writes && read.meets(piece);
    if (!meets) continue;
    fail(block, "%s at line %d touches %s while the %s of line %d on them is under way: wait on the mbarrier of a tcgen05_commit that follows it, %s",
         what, site, name_piece(piece).c_str(), name_of(*operation), operation->site, name_thread(*self()).c_str());
  }
}

}  // namespace

void require_allocated(Block& block, const TensorPiece& piece, const char* what, int site) {
  if (!piece.count) return;
  const TensorMemory& memory = tensor_memory(block);
  uint32_t inside = 0;
  for (const TensorAllocation& held : memory.allocations) {
    const uint32_t first = std::max(held.first, piece.first), end = std::min(held.first + held.count, piece.first + piece.count);
    if (first < end) inside += end - first;
  }
  if (inside == piece.count && piece.lane + piece.lanes <= tensor_lanes) return;
  fail(block, "%s of %s, lanes %u to %u: the block has not allocated them (line %d), %s", what, name_piece(piece).c_str(), piece.lane,
       piece.lane + piece.lanes - 1, site, name_thread(*self()).c_str());
}

void refuse_in_flight(Block& block, const TensorPiece& piece, bool writes, const char* what, int site) {
  refuse_of(block, block, piece, writes, what, site);
  if (Block* partner = partner_of(block)) refuse_of(*partner, block, piece, writes, what, site);
}

// Threads order their tcgen05 operations among each other by a fence before the barrier here, and one behind it there; the arrival of a
// commit includes the first (9.7.16.6.3 "Specialized Inter-thread Synchronization", 9.7.16.6.4 "Canonical synchronization patterns").
void check_fences(Block& block, const TensorPiece& piece, TensorMemory::Touch::Kind who, const char* what, int site) {
  using Touch = TensorMemory::Touch;
  Thread& thread = *self();
  if (thread.lane == __builtin_ctz(thread.home->live) && who == Touch::warp) {
    for (uint32_t left = thread.home->live; left; left &= left - 1) ++block.threads[thread.warp * lanes_per_warp + __builtin_ctz(left)].tensor_time;
  }
  TensorMemory& memory = *block.tensor;
  bool after = false, before = false;
  each_quarter(piece, [&](uint32_t quarter, uint32_t column) {
    Touch& last = memory.touched[quarter][column];
    const bool own = last.kind == Touch::warp && last.number == thread.warp;
    if (last.kind != Touch::nobody && !own && !(last.kind == Touch::core && who == Touch::core)) {
      after |= thread.fenced_syncs != thread.syncs;
      if (last.kind == Touch::warp) before |= block.threads[last.number * lanes_per_warp].tensor_fenced < last.time;
    }
    last = {who, static_cast<uint8_t>(thread.warp), thread.tensor_time};
  });
  if (!block.observer) return;
  const std::string text(what);
  if (after) {
    block.observer->misuse(thread, (text + " without a fence behind the barrier that orders it").c_str(),
                           "tcgen05_fence_after() between a barrier and the tcgen05 operations that it orders behind others", site_of(site));
  }
  if (before) {
    block.observer->misuse(thread, (text + " of columns that another warp used without a fence before the barrier").c_str(),
                           "tcgen05_fence_before() between tcgen05 operations and the barrier that orders others behind them", site_of(site));
  }
}

void observe_tensor(Thread& thread, Block& block, const TensorPiece& piece, Access access, uint32_t ticket, int site) {
  Observer* observer = block.observer;
  if (!observer || !piece.count) return;
  const Agent agent{AgentKind::tensor, static_cast<uint32_t>(thread.index), thread.block};
  for (uint32_t lane = piece.lane; lane < piece.lane + piece.lanes; ++lane) {
    const void* place = &block.tensor->cell[lane][piece.first];
    if (!ticket) observer->access(thread, place, piece.count * 4, access, site_of(site));
    else observer->async_access(thread, agent, ticket, place, piece.count * 4, access, Proxy::generic, site_of(site));
  }
}

}  // namespace tl::sim
