// Integer expressions of a launch plan over its symbols.
#pragma once

#include <tvm/ffi/any.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tilelang::runtime {

// A scalar of a call: 64-bit integer, or double for floating parameters.
union Scalar {
  int64_t integer;
  double floating;
};

struct Symbol {
  std::string name;
  std::string dtype;
};

class Expression {
 public:
  Expression() = default;

  // `tree`: an int, a symbol's name, or [op, a, b].
  static Expression Parse(const tvm::ffi::Any& tree, const std::vector<Symbol>& symbols);

  bool is_constant() const { return code_.empty(); }
  int64_t constant() const { return constant_; }
  // The index of the symbol when the expression is nothing else; -1 otherwise.
  int plain_symbol() const { return plain_symbol_; }

  int64_t Evaluate(const Scalar* values) const {
    if (code_.empty()) return constant_;
    if (plain_symbol_ >= 0) return values[plain_symbol_].integer;
    return Run(values);
  }

  // A symbol of the expression without a value yet; -1 when it can be evaluated.
  int Unknown(const uint8_t* known) const;

  // factor * symbol + offset; the symbol is -1 for a number.
  struct Line {
    int symbol;
    int64_t factor;
    int64_t offset;
  };
  // The expression as a line over the one symbol that has no value yet; false when it is none.
  bool AsLine(const Scalar* values, const uint8_t* known, Line* line) const;

  const std::string& text() const { return text_; }

 private:
  enum class Op : uint8_t { kConstant, kSymbol, kAdd, kSub, kMul, kFloorDiv, kCeilDiv, kFloorMod, kMin, kMax };
  struct Instruction {
    Op op;
    int64_t value;
  };

  void Emit(const tvm::ffi::Any& tree, const std::vector<Symbol>& symbols, int depth);
  int64_t Run(const Scalar* values) const;

  static constexpr int kMaxDepth = 64;

  std::vector<Instruction> code_;  // postfix; empty for a constant
  int64_t constant_ = 0;
  int plain_symbol_ = -1;
  std::string text_;
};

}  // namespace tilelang::runtime
