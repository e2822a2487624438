"""Hand-written kernels with launch plans, run by a few lines that stand for the simulator."""

from __future__ import annotations

import subprocess

import pytest

from tilelang.runtime import Binary

# The launch ABI of the simulator: one call per thread, in order, without barriers.
SHIM = r"""
#include <cstdint>
#include <cstring>
#include <cstddef>
struct Index { unsigned x, y, z; };
extern "C" {
thread_local Index shim_thread, shim_block, shim_block_dim;
int shim_launches = 0;
struct Options { uint32_t size, grid[3], block[3], cluster[3], shared_bytes; };
int tl_sim_launch_with(void (*entry)(void**), void** args, const Options* options, char* report, uint64_t cap) {
  const uint32_t *grid = options->grid, *block = options->block;
  ++shim_launches;
  shim_block_dim = {block[0], block[1], block[2]};
  for (unsigned b = 0; b < grid[0] * grid[1] * grid[2]; ++b)
    for (unsigned t = 0; t < block[0]; ++t) {
      shim_block = {b % grid[0], b / grid[0] % grid[1], b / grid[0] / grid[1]};
      shim_thread = {t, 0, 0};
      entry(args);
    }
  if (block[1] == 13) { strncpy(report, "out of bounds at kernel.cu:3", cap); return 1; }
  return 0;
}
}
"""

KERNELS = r"""
#include <cstdint>
struct Index { unsigned x, y, z; };
extern "C" thread_local Index shim_thread, shim_block, shim_block_dim;
template <typename T> T arg(void** args, int i) { return *static_cast<T*>(args[i]); }
static int64_t index() { return int64_t(shim_block.x) * shim_block_dim.x + shim_thread.x; }
extern "C" void add__sim(void** args) {
  const float* a = arg<const float*>(args, 0); const float* b = arg<const float*>(args, 1); float* c = arg<float*>(args, 2);
  if (index() < arg<int32_t>(args, 3)) c[index()] = a[index()] + b[index()];
}
extern "C" void scale__sim(void** args) {  // rows of stride s: y[i, j] = x[i, j] * alpha + beta
  const float* x = arg<const float*>(args, 0); float* y = arg<float*>(args, 1);
  int32_t m = arg<int32_t>(args, 2); int64_t n = arg<int64_t>(args, 3), s = arg<int64_t>(args, 4);
  float alpha = arg<float>(args, 5); int32_t beta = arg<int32_t>(args, 6);
  if (index() < m * n) y[index()] = x[index() / n * s + index() % n] * alpha + beta;
}
extern "C" void fail__sim(void**) {}
extern "C" void iota__sim(void** args) { if (index() < arg<int32_t>(args, 1)) arg<int32_t*>(args, 0)[index()] = index(); }
"""


def compile_shared(directory, name: str, text: str) -> str:
    source, library = directory / f"{name}.cc", directory / f"lib{name}.so"
    source.write_text(text)
    subprocess.run(["g++", "-O1", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return str(library)


@pytest.fixture(scope="session")
def shim_binary(tmp_path_factory) -> Binary:
    directory = tmp_path_factory.mktemp("shim")
    return Binary.simulator(compile_shared(directory, "kernels", KERNELS), runtime=compile_shared(directory, "shim", SHIM))
