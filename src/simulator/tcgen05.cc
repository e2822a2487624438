// tcgen05.mma (PTX ISA 9.7.16.10 "tcgen05.mma instructions"): what it takes, reading the operands, where its sums are. The arithmetic is wgmma's, in halves of 64 rows; that Blackwell rounds its sums as Hopper does is an assumption.
#include <cstring>

#include "matrix_operand.h"
#include "team.h"
#include "tensor_operation.h"
#include "wgmma.h"

namespace tl::sim {

namespace {

constexpr int half_rows = 64, most_n = 256, accumulators = most_n / 2;

[[noreturn]] __attribute__((noinline, cold)) void refuse(const char* text, int site) {
  Thread* thread = self();
  fail(*thread->block, "tcgen05.mma: %s (line %d), %s", text, site, name_thread(*thread).c_str());
}

// The 32 bits of 9.7.16.4.2 "Instruction descriptor", table of .kind::tf32, f16, f8f6f4 and i8.
struct Instruction {
  bool negate_a, negate_b, transposed_a, transposed_b, illegal;
  bool scaled;
  uint32_t result, a_type, b_type, a_scale, b_scale;  // scales: which byte of a column
  int n, m;
  explicit Instruction(const tl_sim_tcgen05_product& mma) : Instruction(mma.instruction) {
    if (mma.kind != TL_SIM_TCGEN05_MXF8F6F4) return;  // table of .kind::mxf8f6f4
    const uint32_t bits = mma.instruction;
    illegal = (bits & 0xf) || (bits >> 6 & 1) || !(bits >> 23 & 1) || (bits >> 24 & 7) || bits >> 31;
    scaled = true, result = 1, a_scale = bits >> 29 & 3, b_scale = bits >> 4 & 3;
  }
  explicit Instruction(uint32_t bits)
      : negate_a(bits >> 13 & 1), negate_b(bits >> 14 & 1), transposed_a(bits >> 15 & 1), transposed_b(bits >> 16 & 1),
        illegal((bits & 0xf) || (bits >> 6 & 1) || (bits >> 23 & 1) || bits >> 29), scaled(false), result(bits >> 4 & 3),
        a_type(bits >> 7 & 7), b_type(bits >> 10 & 7), a_scale(0), b_scale(0), n(static_cast<int>(bits >> 17 & 63) * 8), m(static_cast<int>(bits >> 24 & 31) * 16) {}
};

int element_bytes(int kind) { return kind == TL_SIM_TCGEN05_F16 ? 2 : kind == TL_SIM_TCGEN05_TF32 ? 4 : 1; }

// The number of wgmma's arithmetic, or -1.
int arithmetic_of(int kind, const Instruction& in) {
  const uint32_t f16 = 0, f32 = 1, s32 = 2;
  switch (kind) {
    case TL_SIM_TCGEN05_F16:
      if (in.a_type != in.b_type || in.a_type > 1 || in.result > f32 || (in.a_type && in.result != f32)) return -1;
      return in.a_type ? TL_SIM_WGMMA_BF16 : in.result == f16 ? TL_SIM_WGMMA_F16_F16 : TL_SIM_WGMMA_F16_F32;
    case TL_SIM_TCGEN05_TF32: return in.a_type == 2 && in.b_type == 2 && in.result == f32 ? TL_SIM_WGMMA_TF32 : -1;
    case TL_SIM_TCGEN05_F8F6F4:
    case TL_SIM_TCGEN05_MXF8F6F4:
      if (in.a_type > 1 || in.b_type > 1 || in.result > f32) return -1;
      return (in.result == f16 ? TL_SIM_WGMMA_E4E4_F16 : TL_SIM_WGMMA_E4E4_F32) + static_cast<int>(in.a_type * 2 + in.b_type);
    case TL_SIM_TCGEN05_I8:
      if (in.a_type > 1 || in.b_type > 1 || in.result != s32) return -1;
      return TL_SIM_WGMMA_S8S8 + static_cast<int>((1 - in.a_type) * 2 + (1 - in.b_type));
  }
  return -1;
}

void gather(Block& block, const TensorOperation& operation, uint64_t bits, int rows, bool transposed, char name, char* target) {
  const int size = element_bytes(operation.mma.kind);
  walk_operand(MatrixDescriptor::of_tcgen05(bits), rows, operand_row_bytes, transposed, size, [&](int row, int part, uint32_t address) {
    const char* source = in_window(block, operation, address, name);
    if (!transposed) {
      memcpy(target + row * operand_row_bytes + part * 16, source, 16);
    } else {
      for (int e = 0; e < 16 / size; ++e) memcpy(target + (row + e) * operand_row_bytes + part * size, source + e * size, static_cast<size_t>(size));
    }
  });
}

// Where D has its elements: the lane of a row of one block's part, and the column at which column 0 lies (9.7.16.10.5 "Data path layout
// organization"). Layouts A and D have a row in each lane; F has 16 rows in each quarter; B (a pair) and E (.ws, M of 64) the columns'
// second half in the upper lanes; G (.ws, M of 32) a quarter of the columns in each quarter of the lanes.
struct Places {
  int rows;   // of one block
  int parts;  // of the columns, side by side in the lanes
  bool spread;  // 16 rows in each quarter
  uint32_t lane0;
  int n;
  int part(int column) const { return column / (n / parts); }
  uint32_t lane(int row, int column) const {
    if (spread) return lane0 + static_cast<uint32_t>(row / 16 * 32 + row % 16);
    return static_cast<uint32_t>(row + part(column) * rows);
  }
  uint32_t column(int column) const { return static_cast<uint32_t>(column % (n / parts)); }
  uint32_t columns() const { return static_cast<uint32_t>(n / parts); }
};

Places places_of(const tl_sim_tcgen05_product& mma, const Instruction& in) {
  const int rows = in.m / mma.group;
  const bool beside = mma.wide || (mma.group == 2 && rows == 64);
  return {rows, beside ? static_cast<int>(tensor_lanes) / rows : 1, !beside && rows == 64, mma.d >> 16, in.n};
}

// 64 rows of D, through the registers that a warpgroup would have for wgmma.
struct Half {
  alignas(64) char a[half_rows * operand_row_bytes];
  alignas(64) char b[most_n * operand_row_bytes];
  alignas(64) uint32_t c[warpgroup_threads][accumulators];
};

template <class Visit>
void each_accumulator(int n, Visit visit) {
  for (int thread = 0; thread < warpgroup_threads; ++thread) {
    for (int i = 0; i < n / 2; ++i) visit(thread, i, thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8, i / 4 * 8 + thread % 4 * 2 + i % 2);
  }
}

// float8_e8m0fnu: a power of two; 255 is NaN. Scales of row r: lane r % 32 of column r / 32.
float scale_at(const Block& block, uint32_t address, uint32_t row, uint32_t byte) {
  const uint32_t exponent = block.tensor->cell[row % 32][(address & 0xffff) + row / 32] >> (byte * 8) & 0xff;
  return exponent == 255 ? __builtin_nanf("") : __builtin_ldexpf(1, static_cast<int>(exponent) - 127);
}

// The products of 32 elements along k are summed, then scaled and added; in which precision hardware does so is not published.
void multiply_scaled(Block& block, const TensorOperation& operation, const Instruction& in, const Places& places, int first_row, Half& half) {
  const uint32_t d = operation.mma.d & 0xffff;
  void* c[warpgroup_threads];
  for (int thread = 0; thread < warpgroup_threads; ++thread) c[thread] = half.c[thread];
  const WgmmaOperands operands{half.a, half.b, nullptr, c, in.n, false, in.negate_a, in.negate_b};
  wgmma_kernel(block.team->options.numerics, arithmetic_of(operation.mma.kind, in))(operands);
  each_accumulator(in.n, [&](int thread, int i, int row, int column) {
    uint32_t& cell = block.tensor->cell[places.lane(first_row + row, column)][d + places.column(column)];
    float sum, before = 0;
    memcpy(&sum, &half.c[thread][i], 4);
    if (operation.mma.accumulate) memcpy(&before, &cell, 4);
    sum = before + sum * scale_at(block, operation.mma.scale_a, static_cast<uint32_t>(first_row + row), in.a_scale) *
                       scale_at(block, operation.mma.scale_b, static_cast<uint32_t>(column), in.b_scale);
    memcpy(&cell, &sum, 4);
  });
}

void multiply(Block& block, const TensorOperation& operation, const Instruction& in, const Places& places, int first_row, Half& half) {
  auto keeps = [&](int row, int column) {  // a row that the instruction has not, or a lane that it must not change
    if (first_row + row >= places.rows) return true;
    const uint32_t lane = places.lane(first_row + row, column);
    return (operation.mma.kept[lane / 32] >> lane % 32 & 1) != 0;
  };
  uint32_t(*cell)[tensor_columns] = block.tensor->cell;
  const uint32_t d = operation.mma.d & 0xffff;
  if (in.scaled) return multiply_scaled(block, operation, in, places, first_row, half);
  const bool packed = in.result == 0;  // to half: 16 bits in the lower half of a column, two to a register of the arithmetic
  auto at = [&](int row, int column) -> uint32_t& { return cell[places.lane(first_row + row, column)][d + places.column(column)]; };
  if (operation.mma.accumulate) {
    each_accumulator(in.n, [&](int thread, int i, int row, int column) {
      if (keeps(row, column)) return;
      if (packed) reinterpret_cast<uint16_t*>(half.c[thread])[i] = static_cast<uint16_t>(at(row, column));
      else half.c[thread][i] = at(row, column);
    });
  }
  void* c[warpgroup_threads];
  for (int thread = 0; thread < warpgroup_threads; ++thread) c[thread] = half.c[thread];
  const WgmmaOperands operands{half.a, half.b, nullptr, c, in.n, operation.mma.accumulate != 0, in.negate_a, in.negate_b};
  wgmma_kernel(block.team->options.numerics, arithmetic_of(operation.mma.kind, in))(operands);
  each_accumulator(in.n, [&](int thread, int i, int row, int column) {
    if (keeps(row, column)) return;
    at(row, column) = packed ? reinterpret_cast<uint16_t*>(half.c[thread])[i] : half.c[thread][i];
  });
}

void check(const tl_sim_tcgen05_product& mma, const Instruction& in, Block& block, int site) {
  if (in.illegal || arithmetic_of(mma.kind, in) < 0) refuse("an instruction descriptor of types that its kind does not have", site);
  if (mma.group == 2 && (!partner_of(block) || !partner_of(block)->live)) refuse("a pair of blocks needs a cluster of two that both run", site);
  if (tensor_memory(block).group && block.tensor->group != mma.group) refuse("another .cta_group than tensor memory was allocated with", site);
  const int rows = in.m / mma.group, step = mma.wide ? 64 : mma.group == 2 || rows == 128 ? 16 : 8;
  const bool fits = rows == 64 || rows == 128 || (mma.wide && rows == 32);
  if (!fits || in.n < step || in.n > most_n || in.n % step || (mma.wide && in.n == 192)) refuse("a shape that it does not have", site);
  if (in.scaled && rows != 128) refuse("block scales with other than 128 rows of each block", site);
  if (in.scaled && (mma.scale_a >> 16 || mma.scale_b >> 16)) refuse("scales that do not start at lane 0", site);
  if (mma.kind == TL_SIM_TCGEN05_TF32 && (in.transposed_a || in.transposed_b)) refuse("32-bit operands are K-major", site);
  if (mma.a_in_tensor_memory && (rows != 128 || in.transposed_a || mma.a >> 16)) refuse("A in tensor memory has 128 rows from lane 0, K-major", site);
  const uint32_t lane = mma.d >> 16;
  if (lane && !(rows == 64 && mma.group == 1 && !mma.wide && lane == 16)) refuse("D starts at lane 0, or at lane 16 where M is 64", site);
  for (uint64_t bits : {mma.a_in_tensor_memory ? mma.b : mma.a, mma.b}) {
    if ((bits >> 46 & 7) != 1) refuse("a shared memory descriptor whose bits 46 to 48 are not 0b001", site);
    if (bits >> 61 & 1) refuse("a shared memory descriptor with a swizzle mode that does not exist, or that the simulator has not", site);
    if (MatrixDescriptor(bits).base_offset) refuse("a descriptor with a base offset: the simulator takes tiles aligned to their swizzle pattern", site);
  }
}

void observe(TensorOperation& operation, const Instruction& in, const Places& places) {
  Thread& thread = *operation.thread;
  Observer* observer = thread.block->observer;
  if (!observer) return;
  const uint32_t ticket = thread.tensor_commits + 1;
  const Agent agent{AgentKind::tensor, static_cast<uint32_t>(thread.index), thread.block};
  const std::vector<Block*> blocks = blocks_of(operation);
  const int size = element_bytes(operation.mma.kind), share = in.n / static_cast<int>(blocks.size());
  for (Block* block : blocks) {
    auto reads = [&](uint64_t bits, int rows, bool transposed, char name) {
      const MatrixDescriptor descriptor = MatrixDescriptor::of_tcgen05(bits);
      walk_operand(descriptor, rows, operand_row_bytes, transposed, size, [&](int, int, uint32_t address) {
        observer->async_access(thread, agent, ticket, in_window(*block, operation, address, name), 16, Access::read, Proxy::async, site_of(operation.site));
      });
      if (descriptor.aligned()) return;
      observer->misuse(thread, "tcgen05 descriptor of a tile that is not aligned to its swizzle pattern",
                       "start addresses at multiples of 1024 (128B swizzle), 512 (64B) or 256 bytes (32B), beside an offset within a row",
                       site_of(operation.site));
    };
    if (!operation.mma.a_in_tensor_memory) reads(operation.mma.a, places.rows, in.transposed_a, 'A');
    reads(operation.mma.b, share, in.transposed_b, 'B');
    for (const TensorPiece& read : operation.read) observe_tensor(thread, *block, read, Access::read, ticket, operation.site);
    if (operation.mma.accumulate) observe_tensor(thread, *block, operation.written, Access::read, ticket, operation.site);
    observe_tensor(thread, *block, operation.written, Access::write, ticket, operation.site);
  }
  observer->work(thread, Work::gemm, static_cast<uint64_t>(in.m * in.n * (operand_row_bytes / size)), site_of(operation.site));
}

}  // namespace

void execute_product(const TensorOperation& operation) {
  static thread_local std::unique_ptr<Half> space;
  if (!space) space = std::make_unique<Half>();
  const Instruction in(operation.mma);
  const Places places = places_of(operation.mma, in);
  const std::vector<Block*> blocks = blocks_of(operation);
  const int share = in.n / static_cast<int>(blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i) {
    gather(*blocks[i], operation, operation.mma.b, share, in.transposed_b, 'B', space->b + static_cast<int>(i) * share * operand_row_bytes);
  }
  for (Block* block : blocks) {
    alignas(64) char a[2 * half_rows * operand_row_bytes] = {};
    if (!operation.mma.a_in_tensor_memory) {
      gather(*block, operation, operation.mma.a, places.rows, in.transposed_a, 'A', a);
    } else {
      for (int row = 0; row < places.rows; ++row) memcpy(a + row * operand_row_bytes, &block->tensor->cell[row][operation.mma.a & 0xffff], operand_row_bytes);
    }
    for (int row = 0; row < places.rows; row += half_rows) {
      memcpy(space->a, a + row * operand_row_bytes, sizeof space->a);
      multiply(*block, operation, in, places, row, *space);
    }
  }
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_tcgen05_mma(const struct tl_sim_tcgen05_product* mma, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  const Instruction in(*mma);
  check(*mma, in, block, site);
  const Places places = places_of(*mma, in);
  auto operation = std::make_unique<TensorOperation>();
  operation->thread = thread;
  operation->number = ++thread->tensor_issued;
  operation->mma = *mma;
  operation->site = site;
  operation->written = {0, tensor_lanes, mma->d & 0xffff, places.columns()};
  if (mma->a_in_tensor_memory) operation->read[0] = {0, tensor_lanes, static_cast<uint32_t>(mma->a & 0xffff), operand_row_bytes / 4};
  if (in.scaled) {
    operation->read[1] = {0, tensor_lanes, mma->scale_a & 0xffff, 4};
    operation->read[2] = {0, tensor_lanes, mma->scale_b & 0xffff, static_cast<uint32_t>(in.n + 31) / 32};
  }
  for (Block* each : blocks_of(*operation)) {
    require_allocated(*each, operation->written, "tcgen05.mma", site);
    for (const TensorPiece& read : operation->read) require_allocated(*each, read, "tcgen05.mma", site);
    for (const Thread& other : each->threads) {
      for (const TensorTransfer& load : other.tensor_loads) {
        if (operation->written.meets({load.lane, 1, load.column, static_cast<uint32_t>(load.columns)})) {
          fail(block, "tcgen05.mma at line %d overwrites columns that the tcgen05.ld of line %d may not have read: it needs tcgen05_wait_ld() first, %s", site,
               load.site, name_thread(other).c_str());
        }
      }
    }
    check_fences(*each, operation->written, TensorMemory::Touch::core, "tcgen05.mma", site);
    for (const TensorPiece& read : operation->read) check_fences(*each, read, TensorMemory::Touch::core, "tcgen05.mma", site);
  }
  observe(*operation, in, places);
  issue_tensor_operation(std::move(operation));
}
