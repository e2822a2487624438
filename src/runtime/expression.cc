#include "expression.h"

#include <tvm/ffi/container/array.h>
#include <tvm/ffi/string.h>

#include <algorithm>

#include "error.h"

namespace tilelang::runtime {

namespace ffi = tvm::ffi;

namespace {

int64_t FloorDiv(int64_t a, int64_t b) {
  int64_t quotient = a / b;
  return (a % b != 0 && ((a < 0) != (b < 0))) ? quotient - 1 : quotient;
}

// a + sign * b as a line over at most one symbol; false when there are two, or a number leaves 64 bits.
bool AddLines(const Expression::Line& a, const Expression::Line& b, int64_t sign, Expression::Line* sum) {
  if (a.symbol >= 0 && b.symbol >= 0 && a.symbol != b.symbol) return false;
  int64_t factor, offset;
  if (__builtin_mul_overflow(b.factor, sign, &factor) || __builtin_mul_overflow(b.offset, sign, &offset)) return false;
  sum->symbol = std::max(a.symbol, b.symbol);
  return !__builtin_add_overflow(a.factor, factor, &sum->factor) && !__builtin_add_overflow(a.offset, offset, &sum->offset);
}

bool ScaleLine(const Expression::Line& a, int64_t by, Expression::Line* product) {
  product->symbol = a.symbol;
  return !__builtin_mul_overflow(a.factor, by, &product->factor) && !__builtin_mul_overflow(a.offset, by, &product->offset);
}

}  // namespace

Expression Expression::Parse(const ffi::Any& tree, const std::vector<Symbol>& symbols) {
  Expression result;
  result.Emit(tree, symbols, 0);
  if (result.code_.size() == 1 && result.code_[0].op == Op::kSymbol) {
    result.plain_symbol_ = static_cast<int>(result.code_[0].value);
  }
  bool constant = std::none_of(result.code_.begin(), result.code_.end(), [](const Instruction& i) { return i.op == Op::kSymbol; });
  if (constant) {
    result.constant_ = result.Run(nullptr);
    result.code_.clear();
    result.text_ = std::to_string(result.constant_);
  }
  return result;
}

void Expression::Emit(const ffi::Any& tree, const std::vector<Symbol>& symbols, int depth) {
  if (depth > kMaxDepth) Raise(kDefect, -1, "an expression of the launch plan is nested too deeply");
  if (auto value = tree.try_cast<int64_t>()) {
    code_.push_back({Op::kConstant, *value});
    text_ += std::to_string(*value);
    return;
  }
  if (auto name = tree.try_cast<ffi::String>()) {
    std::string wanted(name->data(), name->size());
    for (size_t i = 0; i < symbols.size(); ++i) {
      if (symbols[i].name == wanted) {
        code_.push_back({Op::kSymbol, static_cast<int64_t>(i)});
        text_ += wanted;
        return;
      }
    }
    Raise(kDefect, -1, Text("the launch plan uses the symbol `", wanted, "`, which it does not declare"));
  }
  auto node = tree.try_cast<ffi::Array<ffi::Any>>();
  if (!node || node->size() != 3) Raise(kDefect, -1, "an expression of the launch plan is neither an int, a name nor [op, a, b]");
  std::string name = (*node)[0].cast<ffi::String>();
  static constexpr struct {
    const char* name;
    Op op;
    bool infix;
  } kOps[] = {{"+", Op::kAdd, true},          {"-", Op::kSub, true},           {"*", Op::kMul, true},
              {"floordiv", Op::kFloorDiv, false}, {"ceildiv", Op::kCeilDiv, false}, {"floormod", Op::kFloorMod, false},
              {"min", Op::kMin, false},       {"max", Op::kMax, false}};
  for (const auto& entry : kOps) {
    if (name != entry.name) continue;
    text_ += entry.infix ? "(" : name + "(";
    Emit((*node)[1], symbols, depth + 1);
    text_ += entry.infix ? " " + name + " " : ", ";
    Emit((*node)[2], symbols, depth + 1);
    text_ += ")";
    code_.push_back({entry.op, 0});
    return;
  }
  Raise(kDefect, -1, Text("the launch plan uses the operator `", name, "`, which the launcher does not know"));
}

int64_t Expression::Run(const Scalar* values) const {
  int64_t stack[2 * kMaxDepth];
  int top = 0;
  for (const Instruction& instruction : code_) {
    if (instruction.op == Op::kConstant) {
      stack[top++] = instruction.value;
      continue;
    }
    if (instruction.op == Op::kSymbol) {
      stack[top++] = values[instruction.value].integer;
      continue;
    }
    int64_t b = stack[--top];
    int64_t a = stack[--top];
    int64_t result = 0;
    bool overflow = false;
    bool divides = instruction.op == Op::kFloorDiv || instruction.op == Op::kCeilDiv || instruction.op == Op::kFloorMod;
    if (divides && b == 0) Raise(kArgument, -1, Text("`", text_, "` divides by zero for these arguments"));
    if (divides && b == -1 && a == INT64_MIN) overflow = true;
    if (!overflow) {
      switch (instruction.op) {
        case Op::kAdd: overflow = __builtin_add_overflow(a, b, &result); break;
        case Op::kSub: overflow = __builtin_sub_overflow(a, b, &result); break;
        case Op::kMul: overflow = __builtin_mul_overflow(a, b, &result); break;
        case Op::kFloorDiv: result = FloorDiv(a, b); break;
        case Op::kCeilDiv: result = FloorDiv(a, b) + (a % b != 0); break;
        case Op::kFloorMod: result = a - FloorDiv(a, b) * b; break;
        case Op::kMin: result = std::min(a, b); break;
        default: result = std::max(a, b); break;
      }
    }
    if (overflow) Raise(kArgument, -1, Text("`", text_, "` does not fit into 64 bits for these arguments"));
    stack[top++] = result;
  }
  return stack[0];
}

bool Expression::AsLine(const Scalar* values, const uint8_t* known, Line* line) const {
  Line stack[2 * kMaxDepth];
  int top = 0;
  for (const Instruction& instruction : code_) {
    if (instruction.op == Op::kConstant) {
      stack[top++] = {-1, 0, instruction.value};
      continue;
    }
    if (instruction.op == Op::kSymbol) {
      int symbol = static_cast<int>(instruction.value);
      stack[top++] = known[symbol] ? Line{-1, 0, values[symbol].integer} : Line{symbol, 1, 0};
      continue;
    }
    const Line b = stack[--top];
    const Line a = stack[--top];
    Line result{-1, 0, 0};
    bool is_line = false;
    switch (instruction.op) {
      case Op::kAdd: is_line = AddLines(a, b, 1, &result); break;
      case Op::kSub: is_line = AddLines(a, b, -1, &result); break;
      case Op::kMul: is_line = a.symbol < 0 ? ScaleLine(b, a.offset, &result) : b.symbol < 0 && ScaleLine(a, b.offset, &result); break;
      case Op::kMin: is_line = a.symbol < 0 && b.symbol < 0; result.offset = std::min(a.offset, b.offset); break;
      case Op::kMax: is_line = a.symbol < 0 && b.symbol < 0; result.offset = std::max(a.offset, b.offset); break;
      default:  // rounding divisions of numbers
        is_line = a.symbol < 0 && b.symbol < 0 && b.offset > 0;
        if (!is_line) break;
        result.offset = FloorDiv(a.offset, b.offset);
        if (instruction.op == Op::kCeilDiv) result.offset += a.offset % b.offset != 0;
        if (instruction.op == Op::kFloorMod) result.offset = a.offset - result.offset * b.offset;
        break;
    }
    if (!is_line) return false;
    stack[top++] = result;
  }
  *line = stack[0];
  return top == 1 && line->symbol >= 0 && line->factor != 0;
}

int Expression::Unknown(const uint8_t* known) const {
  for (const Instruction& instruction : code_) {
    if (instruction.op == Op::kSymbol && !known[instruction.value]) return static_cast<int>(instruction.value);
  }
  return -1;
}

}  // namespace tilelang::runtime
