"""mbarriers, clusters, cooperative grids, registers, elections and spinning."""

from __future__ import annotations

import numpy as np
import pytest

from tilelang.errors import SimulationError
from tilelang.transform.register_file import PRODUCER_REGISTERS, WARPGROUP, consumer_registers

SCHEDULES = [("early", 0), ("late", 0), ("late", 3), ("random", 1)]
_HEAD = "".join(f"#include <tl/{h}.h>\n" for h in ("core", "mbarrier", "cp_async", "cluster", "registers", "shuffle", "atomic"))


def _kernel(signature: str, body: str) -> str:
    return f'{_HEAD}extern "C" __global__ void __launch_bounds__(384, 1) k({signature}) {{\n{body}\n}}\nTL_ENTRY(k)'


@pytest.mark.parametrize("time, seed", SCHEDULES)
def test_phases_alternate(build, time, seed):
    """A ring of one slot between a producer and three consumer warps, through many phases."""
    text = _kernel(
        "int32_t* y, int32_t n",
        """
  int32_t* slot = reinterpret_cast<int32_t*>(tl::dyn_smem());
  uint64_t* full = reinterpret_cast<uint64_t*>(slot + 2);
  uint64_t* empty = full + 1;
  if (threadIdx.x == 0) { tl::mbarrier_init(full, 1); tl::mbarrier_init(empty, 96); tl::fence_mbarrier_init(); }
  tl::sync_threads();
  if (threadIdx.x < 32) {
    for (int i = 0; i < n; ++i) {
      if (threadIdx.x == 0) { tl::mbarrier_wait(empty, i & 1 ^ 1); *slot = i * i; tl::mbarrier_arrive(full); }
    }
  } else {
    int sum = 0;
    for (int i = 0; i < n; ++i) {
      if (i % 2) tl::mbarrier_wait(full, i & 1);
      else while (!tl::mbarrier_try_wait(full, i & 1)) {}
      sum += *slot;
      tl::mbarrier_arrive(empty);
    }
    y[threadIdx.x - 32] = sum;
  }""",
    )
    y = np.zeros(96, np.int32)
    build(text, "k").launch("k", (1,), (128,), [y, 23], shared_bytes=24, time=time, seed=seed)
    assert np.all(y == sum(i * i for i in range(23)))


@pytest.mark.parametrize("time, seed", SCHEDULES)
@pytest.mark.parametrize("form", ["", "_noinc"])
def test_mbarrier_tracks_cp_async(build, time, seed, form):
    expected_arrivals = 32 if form else 1
    text = _kernel(
        "const int32_t* x, int32_t* y",
        f"""
  int32_t* data = reinterpret_cast<int32_t*>(tl::dyn_smem());
  uint64_t* bar = reinterpret_cast<uint64_t*>(data + 128);
  const int i = threadIdx.x;
  if (i == 0) tl::mbarrier_init(bar, {expected_arrivals});
  tl::sync_threads();
  tl::cp_async<16>(data + i * 4, x + i * 4);
  tl::cp_async_mbarrier_arrive{form}(bar);
  {"" if form else "tl::sync_threads(); if (i == 0) tl::mbarrier_arrive(bar);"}
  tl::mbarrier_wait(bar, 0);
  for (int j = 0; j < 4; ++j) y[i * 4 + j] = data[127 - i * 4 - j];""",
    )
    x, y = np.arange(128, dtype=np.int32), np.zeros(128, np.int32)
    build(text, "k").launch("k", (1,), (32,), [x, y], shared_bytes=520, time=time, seed=seed)
    assert np.array_equal(y, x[::-1])


@pytest.mark.parametrize("time, seed", SCHEDULES)
def test_transactions_and_counts(build, time, seed):
    text = _kernel(
        "int32_t* y",
        """
  uint64_t* bar = reinterpret_cast<uint64_t*>(tl::dyn_smem());
  tl::mbarrier_init(bar, 5);
  tl::mbarrier_complete_tx(bar, 100);  // data may be ahead of expect_tx
  tl::mbarrier_expect_tx(bar, 60);
  tl::mbarrier_arrive_count(bar, 4);
  y[0] = tl::mbarrier_test_wait(bar, 0);
  y[1] = tl::mbarrier_test_wait(bar, 1);
  tl::mbarrier_arrive_expect_tx(bar, 40);
  y[2] = tl::mbarrier_test_wait(bar, 0);
  tl::mbarrier_arrive_count(bar, 5);
  y[3] = tl::mbarrier_test_wait(bar, 0);
  y[4] = tl::mbarrier_test_wait(bar, 1);
  tl::mbarrier_invalidate(bar);
  tl::mbarrier_init(bar, 1);
  y[5] = tl::mbarrier_test_wait(bar, 1);""",
    )
    y = np.full(6, -1, np.int32)
    build(text, "k").launch("k", (1,), (1,), [y], shared_bytes=8, time=time, seed=seed)
    assert y.tolist() == [0, 1, 1, 0, 1, 1]


@pytest.mark.parametrize("statement, match", [
    ("tl::mbarrier_arrive(bar + 1);", "where no mbarrier was initialised"),
    ("tl::mbarrier_init(bar, 2);", "which holds the mbarrier initialised at line"),
    ("tl::mbarrier_init(bar + 1, 0);", "with a count of 0"),
    ("tl::mbarrier_expect_tx(bar, 16); tl::mbarrier_arrive(bar); tl::mbarrier_arrive(bar);", "lacks 0 of 1"),
    ("*reinterpret_cast<int32_t*>(bar) = 1; tl::mbarrier_arrive(bar);", "overwritten since its initialisation"),
    ("tl::mbarrier_expect_tx(bar, 1 << 20);", "must stay within"),
    ("tl::mbarrier_arrive_remote(bar, 1);", "rank 1 in a cluster of 1"),
    ("tl::mbarrier_wait(bar, 0);", "deadlock"),
    ("while (!tl::mbarrier_try_wait(bar, 0)) {}", "deadlock"),
    ("while (tl::atomic_load(y) == 0) {}", "deadlock"),
    ("tl::grid_sync(nullptr);", "not cooperative"),
    ("tl::set_max_registers_decrease<40>(); tl::set_max_registers_decrease<80>();", "setmaxnreg.dec to 80 while the warp has 40"),
    ("tl::cluster_arrive(); tl::cluster_arrive();", "a second cluster_arrive"),
], ids=range(13))  # fmt: skip
def test_misuse_is_reported(build, statement, match):
    text = _kernel(
        "int32_t* y",
        f"""
  uint64_t* bar = reinterpret_cast<uint64_t*>(tl::dyn_smem());
  tl::mbarrier_init(bar, 1);
  {statement}""",
    )
    with pytest.raises(SimulationError) as caught:
        build(text, "k").launch("k", (1,), (1,), [np.zeros(1, np.int32)], shared_bytes=16)
    assert match in caught.value.message, caught.value.message


@pytest.mark.parametrize("time, seed", SCHEDULES)
def test_cooperative_grid(build, time, seed):
    text = _kernel(
        "int32_t* x, int32_t* y, uint32_t* counter, int32_t steps",
        """
  const int n = gridDim.x * blockDim.x, i = blockIdx.x * blockDim.x + threadIdx.x;
  for (int s = 0; s < steps; ++s) {
    int32_t* from = s % 2 ? y : x;
    int32_t* to = s % 2 ? x : y;
    to[i] = from[(i + 33) % n] + 1;
    tl::grid_sync(counter);
  }""",
    )
    x = np.arange(7 * 64, dtype=np.int32)
    y, counter = np.zeros_like(x), np.zeros(1, np.uint32)
    expected = np.roll(x, -33 * 6) + 6
    build(text, "k").launch("k", (7,), (64,), [x, y, counter, 6], cooperative=True, time=time, seed=seed)
    assert np.array_equal(x, expected)


def test_ranks_of_a_cluster(build):
    text = _kernel(
        "int32_t* y",
        """
  int32_t* own = reinterpret_cast<int32_t*>(tl::dyn_smem());
  const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  *own = block;
  tl::cluster_sync();
  y[block * 2] = tl::cluster_rank();
  y[block * 2 + 1] = *tl::map_shared_rank(own, tl::cluster_size() - 1);
  tl::cluster_sync();""",
    )
    y = np.full((2, 4, 6, 2), -1, np.int32)
    build(text, "k").launch("k", (6, 4, 2), (1,), [y], shared_bytes=16, cluster=(3, 2, 1))
    bz, by, bx = np.indices((2, 4, 6))
    assert np.array_equal(y[..., 0], bx % 3 + by % 2 * 3)
    assert np.array_equal(y[..., 1], (bz * 4 + by // 2 * 2 + 1) * 6 + bx // 3 * 3 + 2)
    with pytest.raises(SimulationError, match="not a multiple of the cluster's 3"):
        build(text, "k").launch("k", (7, 4, 2), (1,), [y], shared_bytes=16, cluster=(3, 2, 1))


def test_registers_move_between_warpgroups(build):
    body = """
  if (threadIdx.x < 128) tl::set_max_registers_decrease<{low}>();
  else tl::set_max_registers_increase<240>();
  y[threadIdx.x] = 1;"""
    y = np.zeros(384, np.int32)
    build(_kernel("int32_t* y", body.format(low=24)), "k").launch("k", (1,), (384,), [y], seed=1)
    assert y.all()
    with pytest.raises(SimulationError, match="deadlock"):
        build(_kernel("int32_t* y", body.format(low=40)), "k").launch("k", (1,), (384,), [y])


@pytest.mark.parametrize("groups", range(2, 7))
def test_a_block_has_the_registers_it_was_launched_with(build, groups):
    """And consumers take no more: 640 threads of 96 registers hold no 4 x 128 x 120 beside 128 x 24."""
    consumers = groups * WARPGROUP
    y = np.zeros(consumers + WARPGROUP, np.int32)
    most = consumer_registers(consumers)
    for count in (most, most + 8):
        body = f"""
  if (threadIdx.x >= {consumers}) tl::set_max_registers_decrease<{PRODUCER_REGISTERS}>();
  else tl::set_max_registers_increase<{count}>();
  y[threadIdx.x] = 1;"""
        kernel = build(_kernel("int32_t* y", body), "k")
        if count == most:
            kernel.launch("k", (1,), (y.size,), [y], seed=1)
            assert y.all()
        else:
            with pytest.raises(SimulationError, match="deadlock"):
                kernel.launch("k", (1,), (y.size,), [y])


def test_election_is_by_seed_and_steady(build):
    text = _kernel(
        "int32_t* y", "  for (int i = 0; i < 3; ++i) if (tl::elect_one()) y[threadIdx.x / 32] += threadIdx.x % 32 + 1000;"
    )
    seen = set()
    for seed in range(8):
        y = np.zeros(2, np.int32)
        build(text, "k").launch("k", (1,), (64,), [y], seed=seed)
        assert y[0] == y[1] and y[0] // 1000 == 3 and y[0] % 3 == 0
        seen.add(int(y[0]))
    assert len(seen) > 1 and seen & {3000}


def test_blocks_that_spin_on_each_other(build):
    text = _kernel(
        "int32_t* flags",
        """
  if (blockIdx.x > 0) while (tl::atomic_load<tl::memory_order::acquire>(flags + blockIdx.x - 1) == 0) {}
  if (threadIdx.x == 0) tl::atomic_store<tl::memory_order::release>(flags + blockIdx.x, 1);""",
    )
    flags = np.zeros(20, np.int32)
    build(text, "k").launch("k", (20,), (32,), [flags])
    assert flags.all()
