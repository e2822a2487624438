// How a launch is to be simulated.
#pragma once
#include <cstdint>

#include "tl_sim_abi.h"

namespace tl::sim {

// When asynchronous operations take effect, within what the PTX ISA allows between issue and wait (8.9 "Memory
// Consistency Model": they are unordered with the issuing thread until a completion mechanism says otherwise).
enum class Time : uint8_t {
  early = TL_SIM_TIME_EARLY,    // at once, at issue
  late = TL_SIM_TIME_LATE,      // only when nothing else can go on and somebody waits for them
  random = TL_SIM_TIME_RANDOM,  // at any point, by seed
};

enum class Numerics : uint8_t {
  fast = TL_SIM_NUMERICS_FAST,          // single-precision sums in order of k
  hardware = TL_SIM_NUMERICS_HARDWARE,  // Hopper's fused, truncated sums
};

struct Options {
  Time time;
  Numerics numerics;
  uint64_t seed;
};

// A small generator: one per fiber set, so that a launch's schedule depends on its seed alone.
class Random {
 public:
  void seed(uint64_t seed) { state_ = (seed + 1) * 0x9e3779b97f4a7c15ull; }
  uint32_t next() {
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<uint32_t>(state_ >> 33);
  }
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(uint64_t{next()} * bound >> 31); }
  bool one_in(uint32_t count) { return below(count) == 0; }

 private:
  uint64_t state_ = 0;
};

}  // namespace tl::sim
