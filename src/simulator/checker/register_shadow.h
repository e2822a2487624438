// Which bytes of the threads' local arrays have been written, one bit a byte of each stack; and which have been written since
// the thread's last wgmma.fence.
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
  // Whether a byte there is unwritten; and which, a bit for each of up to 64.
  bool unwritten(const void* address, size_t bytes) const;
  uint64_t unwritten_bytes(const void* address, size_t bytes) const;
  // Ordinary writes since the last fence of the thread. Few, mostly runs: kept as a short list of ranges, which may grow
  // together where they are next to each other and is given up (nothing is known) where it becomes long.
  void changed(const void* address, size_t bytes, size_t thread);
  bool is_changed(const void* address, size_t bytes, size_t thread) const;
  void fence(size_t thread) { changes_[thread].count = 0; }

 private:
  struct Changes {
    static constexpr int most = 24;
    struct Range {
      const char *low, *high;
    } range[most];
    int count = 0;
    int next = 0;  // the range to give up when there are too many
    int last = 0;  // the range that grew last
  };
  static constexpr unsigned char pattern = 0xfe;
  const char* base_ = nullptr;
  size_t bytes_ = 0, mapped_ = 0;
  unsigned char* bits_ = nullptr;
  std::vector<size_t> lowest_;    // by stack: offset of the lowest written byte
  std::vector<Changes> changes_;  // by thread
};

}  // namespace tl::sim
