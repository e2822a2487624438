// What the checker has found, and its text as JSON.
#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "../block.h"
#include "iterations.h"

namespace tl::sim {

// One side of a finding: who did what, where. `site` is a line of the kernel text, or with `site_is_offset` an offset in the
// kernel's object.
struct Party {
  std::string access;  // "read", "write", "atomic", "cp.async write", ...
  uint32_t site = 0;
  int thread = -1;     // -1: not of one thread
  uint32_t block[3] = {0, 0, 0};
  Iterations iterations = {};
};

struct Finding {
  std::string check;   // race, bounds, init, deadlock, misuse
  std::string kind;    // a few words: "read of unsynchronised write"
  std::string missing;  // the order that is missing, or what else would be right
  std::string space;   // shared, global, local
  std::string region;  // name of the tensor
  int64_t offset = 0;  // in bytes, from the start of the region or of shared memory
  uint64_t bytes = 0;
  std::vector<Party> parties;  // the access that was found at fault, then the one that it conflicts with
  std::vector<std::string> notes;
  uint64_t count = 1;
};

// Findings of one kind at one pair of sites are counted, not repeated.
class Findings {
 public:
  // Whether there is one under this key already; counts it if so.
  bool seen(uint64_t key);
  void add(uint64_t key, Finding finding);
  bool full() const { return list_.size() >= 64; }
  bool empty() const { return list_.empty(); }
  std::string to_json() const;  // a JSON array

 private:
  std::vector<Finding> list_;
  std::unordered_map<uint64_t, size_t> index_;
};

std::string json_string(const std::string& text);

// Sites in 32 bits: a line, or an offset in the kernel's object with the highest bit set.
constexpr uint32_t site_is_offset = 1u << 31;

}  // namespace tl::sim
