// Which bytes of the threads' local arrays have been written: one bit a byte of each stack.
//
// A byte counts as unwritten only if it also still has the pattern that the compiler gave it (-ftrivial-auto-var-init), so
// that a write which nobody reported does no harm.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../fiber.h"

namespace tl::sim {

class RegisterShadow {
 public:
  RegisterShadow() = default;
  RegisterShadow(const RegisterShadow&) = delete;
  ~RegisterShadow();
  // For a block of `threads` on these stacks, nothing written; false if the system refuses memory.
  bool begin(const StackPool& stacks, size_t threads);
  bool holds(const void* address) const {
    return static_cast<size_t>(static_cast<const char*>(address) - base_) < bytes_;
  }
  void written(const void* address, size_t bytes);
  // Whether a byte there is unwritten.
  bool unwritten(const void* address, size_t bytes) const;

 private:
  static constexpr unsigned char pattern = 0xfe;
  const char* base_ = nullptr;
  size_t bytes_ = 0, mapped_ = 0;
  unsigned char* bits_ = nullptr;
  std::vector<size_t> lowest_;  // by stack: offset of the lowest written byte
};

}  // namespace tl::sim
