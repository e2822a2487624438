"""tcgen05.ld and .st of 16 lanes, tcgen05.shift: layouts as remembered from the PTX ISA, as in src; no figure was compared, no GPU has run them."""

# ruff: noqa: E501 - lines of kernel text
from __future__ import annotations

import numpy as np
import pytest

from tilelang.errors import SimulationError
from tilelang.simulator import SimulatedModule, compile_kernel
from tilelang.simulator.check import check_device_text
from tilelang.toolchain.nvrtc import compile_text

HEAD = "#include <tl/core.h>\n#include <tl/mbarrier.h>\n#include <tl/tcgen05_shapes.h>\n"
OFFSET = 24  # of the second half of .16x32bx2


def place(shape: str, lane: int, register: int) -> tuple[int, int]:
    """Row and column of a register, PTX ISA, "Matrix fragments for shape"."""
    i = register
    return {
        "16x64b": (lane >> 2 | (lane >> 1 & 1) << 3, 2 * i + (lane & 1)),
        "16x128b": (lane // 4 + 8 * (i % 2), 4 * (i // 2) + lane % 4),
        "16x256b": (lane // 4 + 8 * (i // 2 % 2), 8 * (i // 4) + 2 * (lane % 4) + i % 2),
        "16x32bx2": (lane % 16, i + OFFSET * (lane // 16)),
    }[shape]


def transfer(way: str, shape: str, count: int) -> str:
    """A kernel that loads (all tensor memory came from X) or stores (all of it goes to X) by a shape, from lane 16 of each warp on."""
    extra = f", {OFFSET}" if shape == "16x32bx2" else ""
    name = f"{way}_{shape}_{count}"
    whole = "tl::tcgen05_st<64>(mine, r); tl::tcgen05_wait_st();" if way == "ld" else ""
    part = (
        f"tl::tcgen05_ld_{shape}<{count}{extra}>(f, mine + (16u << 16)); tl::tcgen05_wait_ld(); tl::tcgen05_pin<{count}>(f);"
        if way == "ld"
        else f"tl::tcgen05_st<64>(mine, r); tl::tcgen05_wait_st(); tl::tcgen05_st_{shape}<{count}{extra}>(mine + (16u << 16), f); tl::tcgen05_wait_st();"
        " tl::tcgen05_ld<64>(r, mine); tl::tcgen05_wait_ld(); tl::tcgen05_pin<64>(r);"
    )
    return f"""
extern "C" __global__ void {name}(uint32_t* X, uint32_t* F) {{
  uint32_t* slot = reinterpret_cast<uint32_t*>(tl::dyn_smem());
  const int i = threadIdx.x;
  if (i < 32) {{ tl::tcgen05_alloc<64>(slot); tl::tcgen05_relinquish(); }}
  tl::tcgen05_fence_before(); tl::sync_threads(); tl::tcgen05_fence_after();
  const uint32_t d = *slot, mine = d + (static_cast<uint32_t>(i / 32) << 21);
  uint32_t r[64], f[{count}];
  for (int j = 0; j < 64; ++j) r[j] = X[i * 64 + j];
  for (int j = 0; j < {count}; ++j) f[j] = F[i * {count} + j];
  {whole}
  {part}
  for (int j = 0; j < 64; ++j) X[i * 64 + j] = r[j];
  for (int j = 0; j < {count}; ++j) F[i * {count} + j] = f[j];
  tl::tcgen05_fence_before(); tl::sync_threads(); tl::tcgen05_fence_after();
  if (i < 32) tl::tcgen05_dealloc<64>(d);
}}
TL_ENTRY({name})
"""


CASES = [
    (way, shape, count)
    for way in ("ld", "st")
    for shape, counts in (("16x64b", (1, 4, 32)), ("16x128b", (2, 8, 32)), ("16x256b", (4, 8, 32)), ("16x32bx2", (1, 8)))
    for count in counts
]

SHIFT = """
extern "C" __global__ void shift(uint32_t* X) {
  char* smem = tl::dyn_smem();
  uint64_t* bar = reinterpret_cast<uint64_t*>(smem);
  uint32_t* slot = reinterpret_cast<uint32_t*>(smem + 8);
  const int i = threadIdx.x;
  if (i < 32) { tl::tcgen05_alloc<32>(slot); tl::tcgen05_relinquish(); }
  if (i == 0) { tl::mbarrier_init(bar, 1); tl::fence_mbarrier_init(); }
  tl::tcgen05_fence_before(); tl::sync_threads(); tl::tcgen05_fence_after();
  const uint32_t d = *slot, mine = d + (static_cast<uint32_t>(i / 32) << 21);
  uint32_t r[16];
  for (int j = 0; j < 16; ++j) r[j] = X[i * 16 + j];
  tl::tcgen05_st<16>(mine, r); tl::tcgen05_wait_st();
  tl::tcgen05_fence_before(); tl::sync_threads();
  if (i == 0) { tl::tcgen05_fence_after(); tl::tcgen05_shift(d + LANE + 4); tl::tcgen05_commit(bar); }
  tl::mbarrier_wait(bar, 0);
  tl::tcgen05_fence_after();
  tl::tcgen05_ld<16>(r, mine); tl::tcgen05_wait_ld(); tl::tcgen05_pin<16>(r);
  for (int j = 0; j < 16; ++j) X[i * 16 + j] = r[j];
  tl::tcgen05_fence_before(); tl::sync_threads(); tl::tcgen05_fence_after();
  if (i < 32) tl::tcgen05_dealloc<32>(d);
}
TL_ENTRY(shift)
"""


@pytest.fixture(scope="module")
def module():
    names = [f"{way}_{shape}_{count}" for way, shape, count in CASES]
    return SimulatedModule(compile_kernel(HEAD + "".join(transfer(*case) for case in CASES), names))


@pytest.mark.parametrize("way, shape, count", CASES)
def test_shapes_of_16_lanes(module, rng, way, shape, count):
    memory = rng.integers(0, 2**32, (128, 64), dtype=np.uint32)
    held = rng.integers(0, 2**32, (128, count), dtype=np.uint32)
    x, f = memory.copy(), held.copy()
    module.launch(f"{way}_{shape}_{count}", (1,), (128,), [x, f], shared_bytes=16)
    for thread in range(128):
        for register in range(count):
            row, column = place(shape, thread % 32, register)
            at = thread // 32 * 32 + 16 + row, column
            if way == "st":
                memory[at] = held[thread, register]
            else:
                held[thread, register] = memory[at]
    assert np.array_equal(x, memory) and np.array_equal(f, held)


@pytest.mark.parametrize("way, shape, count", [("ld", "16x256b", 8), ("st", "16x64b", 4), ("st", "16x128b", 8)])
def test_lanes_of_a_warp_move_together(way, shape, count):
    """What one lane stored another one loads after the warp's wait; another warp's lanes it does not reach."""
    name, text = f"{way}_{shape}_{count}", HEAD + transfer(way, shape, count)
    arrays = [np.zeros((128, 64), np.uint32), np.zeros((128, count), np.uint32)]
    assert not check_device_text(text, name, (1,), (128,), arrays, shared_bytes=16).findings


def test_warps_need_a_barrier_between_them():
    """Warp 4 loads what warp 0 stores: only a barrier orders them."""
    body = """
extern "C" __global__ void k(uint32_t* X) {
  uint32_t* slot = reinterpret_cast<uint32_t*>(tl::dyn_smem());
  const int i = threadIdx.x;
  if (i < 32) { tl::tcgen05_alloc<32>(slot); tl::tcgen05_relinquish(); }
  tl::tcgen05_fence_before(); tl::sync_threads(); tl::tcgen05_fence_after();
  uint32_t r[1] = {X[i]};
  if (i < 32) { tl::tcgen05_st<1>(*slot, r); tl::tcgen05_wait_st(); }
  BETWEEN
  if (i >= 128) { tl::tcgen05_ld<1>(r, *slot); tl::tcgen05_wait_ld(); tl::tcgen05_pin<1>(r); X[i] = r[0]; }
  tl::tcgen05_fence_before(); tl::sync_threads(); tl::tcgen05_fence_after();
  if (i < 32) tl::tcgen05_dealloc<32>(*slot);
}
TL_ENTRY(k)
"""
    ordered = "tl::tcgen05_fence_before(); tl::sync_threads(); tl::tcgen05_fence_after();"
    for between, races in ((ordered, False), ("", True)):
        text = HEAD + body.replace("BETWEEN", between)
        report = check_device_text(text, "k", (1,), (160,), [np.zeros(160, np.uint32)], shared_bytes=16)
        assert ("race" in {f.check for f in report.findings}) == races == bool(report.findings), str(report)


def test_every_element_has_one_register():
    for shape, least in (("16x64b", 1), ("16x128b", 2), ("16x256b", 4)):
        places = {place(shape, lane, i) for lane in range(32) for i in range(least * 4)}
        assert places == {(row, column) for row in range(16) for column in range(8 * least)}


@pytest.mark.parametrize("lane", [0, 64])
def test_shift_moves_rows_down(rng, lane):
    x = rng.integers(0, 2**32, (128, 16), dtype=np.uint32)
    expected = x.copy()
    expected[lane + 1 : lane + 32, 4:12] = x[lane : lane + 31, 4:12]
    text = HEAD + SHIFT.replace("LANE", f"({lane}u << 16)")
    SimulatedModule(compile_kernel(text, ["shift"])).launch("shift", (1,), (128,), [x], shared_bytes=16)
    assert np.array_equal(x, expected)


def test_shift_from_another_lane():
    with pytest.raises(SimulationError, match="multiple of 32"):
        text = HEAD + SHIFT.replace("LANE", "(16u << 16)")
        SimulatedModule(compile_kernel(text, ["shift"])).launch(
            "shift", (1,), (128,), [np.zeros((128, 16), np.uint32)], shared_bytes=16
        )


def test_a_shape_beyond_the_warps_lanes():
    text = HEAD + transfer("ld", "16x64b", 4).replace("mine + (16u << 16)", "d + (48u << 16)")
    with pytest.raises(SimulationError, match=r"tcgen05.ld of warp \d starts at lane 48: it reaches lanes"):
        arrays = [np.zeros((128, 64), np.uint32), np.zeros((128, 4), np.uint32)]
        SimulatedModule(compile_kernel(text, ["ld_16x64b_4"])).launch("ld_16x64b_4", (1,), (128,), arrays, shared_bytes=16)


def test_ptxas_takes_the_text():
    text = HEAD + "".join(transfer(way, shape, count) for way, shape, count in CASES) + SHIFT.replace("LANE", "0u")
    cubin, log = compile_text(text, "sm_100a", form="cubin", name="shapes", options=[], verbose=False)
    assert cubin and "for 'sm_100a'" in log
