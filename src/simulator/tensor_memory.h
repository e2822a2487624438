// Tensor memory of a block and what works on it (PTX ISA 9.7.16 "tcgen05"): 128 lanes of 512 columns of 32 bits, allocated by columns.
#pragma once
#include <deque>

#include "block.h"

namespace tl::sim {

constexpr uint32_t tensor_lanes = 128, tensor_columns = 512;

// Columns [first, first + count) of lanes [lane, lane + lanes).
struct TensorPiece {
  uint32_t lane, lanes, first, count;
  bool meets(const TensorPiece& other) const {
    return count && other.count && first < other.first + other.count && other.first < first + count && lane < other.lane + other.lanes &&
           other.lane < lane + lanes;
  }
};

// A product, a copy from shared memory or a shift, issued and not executed.
struct TensorOperation {
  enum Kind : uint8_t { product, copy, shift };
  Thread* thread;
  uint64_t number;  // of its thread's operations, from 1
  Kind kind;
  tl_sim_tcgen05_product mma;
  uint32_t target;           // of a copy or a shift: address
  uint64_t source;           // of a copy: descriptor
  int site;
  TensorPiece written, read[3];  // in tensor memory of each block of its group; read: A, scales of A and of B
};

struct TensorAllocation {
  uint32_t first, count;
  int site, group;
};

struct TensorMemory {
  uint32_t cell[tensor_lanes][tensor_columns];
  std::vector<TensorAllocation> allocations;
  bool relinquished = false;
  int group = 0;  // of the first allocation: 1 or 2
  std::deque<std::unique_ptr<TensorOperation>> pending;
  // Who last touched a quarter of a column, for the rules on fences: a warp, or the tensor core.
  struct Touch {
    enum Kind : uint8_t { nobody, warp, core } kind;
    uint8_t number;
    uint32_t time;  // of a warp's operations, see Thread::tensor_time
  };
  Touch touched[4][tensor_columns];
  void clear();
};

TensorMemory& tensor_memory(Block& block);
// The other block of a pair, or null.
Block* partner_of(Block& block);
// Executes the operations of a thread up to a number.
void run_tensor_operations(Thread& thread, uint64_t number);
void execute_tensor_operation(TensorOperation& operation);
// The block has ended.
void finish_tensor_memory(Block& block);

// tensor_rules.cc: what is not allowed, told as failures of the run or as misuse
void require_allocated(Block& block, const TensorPiece& piece, const char* what, int site);
// Operations under way that write the piece (or read it, where this one writes) end the run.
void refuse_in_flight(Block& block, const TensorPiece& piece, bool writes, const char* what, int site);
void check_fences(Block& block, const TensorPiece& piece, TensorMemory::Touch::Kind who, const char* what, int site);
void observe_tensor(Thread& thread, Block& block, const TensorPiece& piece, Access access, uint32_t ticket, int site);  // ticket 0: done at once

}  // namespace tl::sim
