"""TMA and bulk copies against NumPy: ranks, swizzles, strides, fills, clipped stores, im2col, reductions, multicast."""

# ruff: noqa: E501 - lines of kernel text
from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest

from tilelang.errors import SimulationError
from tilelang.simulator import TensorMap

SCHEDULES = [("early", 0), ("late", 1), ("random", 2)]
_HEAD = "#include <tl/core.h>\n#include <tl/mbarrier.h>\n#include <tl/tma.h>\n#include <tl/bulk.h>\n#include <tl/cluster.h>\n"


def _load_text(rank: int, call: str = "tma_load", extra: int = 0) -> str:
    numbers = ", ".join(f"at[{i}]" for i in range(rank + extra))
    return (
        _HEAD
        + f"""extern "C" __global__ void k(const __grid_constant__ tl::tensor_map map, const int32_t* at, char* out, int32_t bytes) {{
  char* smem = tl::dyn_smem();
  uint64_t* bar = reinterpret_cast<uint64_t*>(smem + bytes);
  if (threadIdx.x == 0) {{
    tl::mbarrier_init(bar, 1);
    tl::fence_mbarrier_init();
    tl::mbarrier_arrive_expect_tx(bar, bytes);
    tl::{call}(smem, &map, bar, {numbers});
  }}
  tl::sync_threads();
  tl::mbarrier_wait(bar, 0);
  for (int i = threadIdx.x; i < bytes; i += 32) out[i] = smem[i];
}}
TL_ENTRY(k)"""
    )


def _load(build, text, map, at, bytes, **options):
    out = np.full(bytes, 0xA5, np.uint8)
    build(text, "k").launch("k", (1,), (32,), [map, np.array(at, np.int32), out, bytes], shared_bytes=bytes + 8, **options)
    return out


def _store(build, rank, map, at, data, statement="tma_store", **options):
    numbers = ", ".join(f"at[{i}]" for i in range(rank))
    text = (
        _HEAD
        + f"""extern "C" __global__ void k(const __grid_constant__ tl::tensor_map map, const int32_t* at, const char* in, int32_t bytes) {{
  char* smem = tl::dyn_smem();
  for (int i = threadIdx.x; i < bytes; i += 32) smem[i] = in[i];
  tl::fence_proxy_async();
  tl::sync_threads();
  if (threadIdx.x == 0) {{
    tl::{statement}(&map, smem, {numbers});
    tl::bulk_commit();
    tl::bulk_wait_read<0>();
    for (int i = 0; i < bytes; ++i) smem[i] = 0x77;  // the source has been read
    tl::bulk_wait<0>();
  }}
}}
TL_ENTRY(k)"""
    )
    raw = np.ascontiguousarray(data).view(np.uint8).reshape(-1)
    build(text, "k").launch("k", (1,), (32,), [map, np.array(at, np.int32), raw, raw.size], shared_bytes=raw.size, **options)


def _swizzle(image: np.ndarray, span: int) -> np.ndarray:
    """image[address] of a box that is stored plainly -> swizzled by `span` bytes."""
    if not span:
        return image
    address = np.arange(image.size)
    out = np.empty_like(image)
    out[address ^ ((address >> 7 & (span // 16 - 1)) << 4)] = image
    return out


def _expected_box(array, start, box, steps, fill):
    """Slice [start : start + box : steps] of each axis (array order), `fill` outside."""
    axes = [np.arange(s, s + b, t) for s, b, t in zip(start, box, steps, strict=True)]
    clipped = np.ix_(*[np.clip(a, 0, n - 1) for a, n in zip(axes, array.shape, strict=True)])
    mask = np.ones([len(a) for a in axes], bool)
    for d, (a, n) in enumerate(zip(axes, array.shape, strict=True)):
        mask &= ((a >= 0) & (a < n)).reshape([-1 if i == d else 1 for i in range(len(axes))])
    return np.where(mask, array[clipped], np.array(fill, array.dtype))


@pytest.mark.parametrize("time, seed", SCHEDULES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64], ids=lambda t: np.dtype(t).name)
@pytest.mark.parametrize("rank", range(1, 6))
def test_load_of_every_rank(build, rng, rank, dtype, time, seed):
    shape = (3, 4, 5, 6, 64)[-rank:]
    box = (2, 3, 2, 3, 32)[-rank:]
    array = rng.integers(0, 100, shape).astype(dtype)
    step = 16 // array.itemsize
    for start in ([0] * rank, [-1] * (rank - 1) + [-step], [s - 1 for s in shape[:-1]] + [64 - step]):
        expected = _expected_box(array, start, box, [1] * rank, 0)
        got = _load(build, _load_text(rank), TensorMap.of(array, box), start[::-1], expected.nbytes, time=time, seed=seed)
        assert np.array_equal(got.view(dtype).reshape(expected.shape), expected)


@pytest.mark.parametrize("swizzle", [0, 32, 64, 128])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_swizzles(build, rng, swizzle, dtype):
    width = (swizzle or 128) // np.dtype(dtype).itemsize
    array = rng.integers(0, 2000, (70, 3 * width)).astype(dtype)
    for start in ((0, 0), (40, width), (60, 2 * width + 8)):
        expected = _swizzle(_expected_box(array, start, (32, width), (1, 1), 0).view(np.uint8).reshape(-1), swizzle)
        map = TensorMap.of(array, (32, width), swizzle=swizzle)
        assert np.array_equal(_load(build, _load_text(2), map, start[::-1], expected.size), expected)
    back = np.full_like(array, -1)
    data = rng.integers(0, 2000, (32, width)).astype(dtype)
    _store(
        build,
        2,
        TensorMap.of(back, (32, width), swizzle=swizzle),
        (width, 50),
        _swizzle(data.view(np.uint8).reshape(-1), swizzle),
    )
    expected = np.full_like(array, -1)
    expected[50:70, width : 2 * width] = data[:20]
    assert np.array_equal(back, expected)


# PTX ISA 5.5.7 "Swizzling modes": where the 16-byte chunks of each row of a pattern go; the pattern repeats.
_PATTERNS = {
    0: ["01234567"],
    32: ["01", "01", "01", "01", "10", "10", "10", "10"],
    64: ["0123", "0123", "1032", "1032", "2301", "2301", "3210", "3210"],
    128: ["01234567", "10325476", "23016745", "32107654", "45670123", "54761032", "67452301", "76543210"],
}


@pytest.mark.parametrize("swizzle", _PATTERNS)
def test_every_chunk_of_every_swizzle(build, swizzle):
    """Boxes at all addresses that are allowed: the pattern belongs to the address, not to the box."""
    pattern, width = _PATTERNS[swizzle], swizzle or 128
    chunks = width // 16
    array = np.arange(64 * width // 2, dtype=np.uint16).reshape(64, width // 2)
    text = _load_text(2).replace("smem, &map", "smem + offset, &map").replace("bytes) {", "bytes, int32_t offset) {")
    text = text.replace("smem + bytes)", "smem + bytes + 1024)").replace("smem[i]", "smem[offset + i]")
    module = build(text, "k")
    for offset in range(0, 1024, 128):
        out = np.zeros(array.nbytes, np.uint8)
        arguments = [TensorMap.of(array, array.shape, swizzle=swizzle), np.zeros(2, np.int32), out, array.nbytes, offset]
        module.launch("k", (1,), (32,), arguments, shared_bytes=array.nbytes + 1024 + 8)
        got = out.view(np.uint16).reshape(-1, chunks, 8)
        first = offset // width  # rows of the shared window before the box
        for row in range(64):
            line = pattern[(first + row) % len(pattern)]
            for place, chunk in enumerate(line):
                assert np.array_equal(got[row, place], array[row].reshape(chunks, 8)[int(chunk)]), (offset, row, place)


def test_element_strides(build, rng):
    array = rng.integers(0, 200, (40, 9, 32)).astype(np.float32)
    map = TensorMap.of(array, (7, 5, 16), element_strides=(1, 2, 3))
    expected = _expected_box(array, (20, 3, 4), (7, 5, 16), (3, 2, 1), 0)
    got = _load(build, _load_text(3), map, (4, 3, 20), expected.nbytes)
    assert np.array_equal(got.view(np.float32).reshape(expected.shape), expected)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32])
def test_fill_with_nan(build, rng, dtype):
    array = rng.integers(0, 100, (8, 16)).astype(dtype)
    got = (
        _load(build, _load_text(2), TensorMap.of(array, (8, 16), fill_nan=True), (8, 4), 8 * 16 * array.itemsize)
        .view(dtype)
        .reshape(8, 16)
    )
    assert np.array_equal(got[:4, :8], array[4:, 8:])
    assert np.all(np.isnan(got[4:].astype(np.float32))) and np.all(np.isnan(got[:, 8:].astype(np.float32)))


@pytest.mark.parametrize("time, seed", SCHEDULES)
@pytest.mark.parametrize("rank", range(1, 6))
def test_clipped_store(build, rng, rank, time, seed):
    shape = (3, 4, 5, 6, 64)[-rank:]
    box = (2, 3, 2, 3, 32)[-rank:]
    data = rng.integers(0, 100, box).astype(np.int32)
    for start in ([0] * rank, [1] * (rank - 1) + [4], [s - 1 for s in shape[:-1]] + [60]):
        array = np.full(shape, -7, np.int32)
        expected = array.copy()
        for index in itertools.product(*map(range, box)):
            place = tuple(s + i for s, i in zip(start, index, strict=True))
            if all(0 <= p < n for p, n in zip(place, shape, strict=True)):
                expected[place] = data[index]
        _store(build, rank, TensorMap.of(array, box), start[::-1], data, time=time, seed=seed)
        assert np.array_equal(array, expected)


@pytest.mark.parametrize("op, dtype", [
    *[(op, t) for op in ("add", "min", "max") for t in (np.uint32, np.int32, np.uint64, np.float16)],
    ("add", np.float32), *[(op, t) for op in ("bit_and", "bit_or", "bit_xor") for t in (np.uint32, np.int64)], ("inc", np.uint32), ("dec", np.uint32),
])  # fmt: skip
def test_reductions(build, rng, op, dtype):
    array = rng.integers(0, 50, (6, 32)).astype(dtype)
    data = rng.integers(0, 50, (4, 16)).astype(dtype)
    expected = array.copy()
    functions = {
        "add": np.add, "min": np.minimum, "max": np.maximum, "bit_and": np.bitwise_and, "bit_or": np.bitwise_or, "bit_xor": np.bitwise_xor,
        "inc": lambda a, b: np.where(a >= b, 0, a + 1), "dec": lambda a, b: np.where((a == 0) | (a > b), b, a - 1),
    }  # fmt: skip
    expected[3:6, 16:32] = functions[op](expected[3:6, 16:32], data[:3])
    _store(build, 2, TensorMap.of(array, (4, 16)), (16, 3), data, f"tma_reduce<tl::bulk_op::{op}>")
    assert np.array_equal(array, expected)


def test_im2col_of_images(build, rng):
    """3x3 filters with padding 1: every pixel column that a convolution's block would load."""
    n, h, w, c = 2, 5, 6, 16
    image = rng.integers(0, 100, (n, h, w, c)).astype(np.float16)
    padded = np.pad(image, ((0, 1), (1, 1), (1, 1), (0, 0)))
    pixels = 32
    strides = [int(s) for s in image.strides[::-1]][1:]
    map = TensorMap(image.ctypes.data, "float16", (c, w, h, n), strides, (8, pixels), im2col=((-1, -1), (-1, -1)))
    text = _load_text(4, "tma_load_im2col", 2)
    order = list(itertools.product(range(n + 1), range(h), range(w)))  # bases, W fastest, then the next image
    for first, (dy, dx), c0 in itertools.product((0, 17, 40), ((0, 0), (1, 2), (2, 2)), (0, 8)):
        image_index, y, x = order[first]
        at = (c0, x - 1, y - 1, image_index, dx, dy)
        expected = np.zeros((pixels, 8), np.float16)
        for i in range(pixels):
            if first + i < len(order):
                b, yy, xx = order[first + i]
                expected[i] = padded[b, yy + dy, xx + dx, c0 : c0 + 8]
        got = _load(build, text, map, at, expected.nbytes).view(np.float16).reshape(expected.shape)
        assert np.array_equal(got, expected), at


@pytest.mark.parametrize("time, seed", SCHEDULES)
def test_multicast_and_remote_copies(build, rng, time, seed):
    text = (
        _HEAD
        + """extern "C" __global__ void k(const __grid_constant__ tl::tensor_map map, const float* linear, float* out) {
  float* smem = reinterpret_cast<float*>(tl::dyn_smem());  // [0, 256) multicast, [256, 320) from the neighbour, [320, 384) own
  uint64_t* bar = reinterpret_cast<uint64_t*>(smem + 512);
  const int tid = threadIdx.x;
  const uint32_t rank = tl::cluster_rank(), next = (rank + 1) % 4;
  for (int i = tid; i < 64; i += 32) smem[320 + i] = rank * 1000 + i;
  if (tid == 0) {
    tl::mbarrier_init(bar, 1);
    tl::fence_mbarrier_init();
  }
  tl::fence_proxy_async();
  tl::cluster_sync();
  if (tid == 0) {
    tl::mbarrier_arrive_expect_tx(bar, 1024 + 256 + 128);
    tl::tma_load_multicast(smem + rank * 64, &map, bar, 15, 0, static_cast<int>(rank) * 4);
    tl::bulk_copy_to_rank(smem + 256, smem + 320, 256, bar, next);
    tl::bulk_load(smem + 384, linear, 128, bar);
  }
  tl::mbarrier_wait(bar, 0);
  for (int i = tid; i < 320; i += 32) out[rank * 512 + i] = smem[i];
  for (int i = tid; i < 32; i += 32) out[rank * 512 + 320 + i] = smem[384 + i];
  out[rank * 512 + 400 + tid] = *tl::map_shared_rank(smem + 320 + tid, next);
  tl::sync_warp();
  tl::cluster_sync();
}
TL_ENTRY(k)"""
    )
    array = rng.standard_normal((16, 16)).astype(np.float32)
    linear = rng.standard_normal(32).astype(np.float32)
    out = np.full((2, 4, 512), np.nan, np.float32)
    for half in range(2):
        build(text, "k").launch(
            "k",
            (4,),
            (32,),
            [TensorMap.of(array, (4, 16)), linear, out[half]],
            shared_bytes=2056,
            cluster=(4,),
            time=time,
            seed=seed,
        )
    for rank in range(4):
        assert np.array_equal(out[0, rank, :256], array.reshape(-1))
        assert np.array_equal(out[0, rank, 256:320], (rank - 1) % 4 * 1000 + np.arange(64))
        assert np.array_equal(out[0, rank, 320:352], linear)
        assert np.array_equal(out[0, rank, 400:432], (rank + 1) % 4 * 1000 + np.arange(32))
    assert np.array_equal(out[0], out[1], equal_nan=True)


@pytest.mark.parametrize("time, seed", SCHEDULES)
def test_bulk_store_and_reduction(build, rng, time, seed):
    text = (
        _HEAD
        + """extern "C" __global__ void k(float* copy, float* sum) {
  float* smem = reinterpret_cast<float*>(tl::dyn_smem());
  smem[threadIdx.x] = threadIdx.x + 1;
  tl::fence_proxy_async();
  tl::sync_threads();
  if (threadIdx.x == 0) {
    tl::bulk_store(copy, smem, 128);
    tl::bulk_commit();
    tl::bulk_reduce<tl::bulk_op::add>(sum, smem, 128);
    tl::bulk_commit();
    tl::bulk_wait<0>();
  }
}
TL_ENTRY(k)"""
    )
    copy, total = np.zeros(32, np.float32), np.zeros(32, np.float32)
    build(text, "k").launch("k", (10,), (32,), [copy, total], shared_bytes=128, time=time, seed=seed)
    assert np.array_equal(copy, np.arange(1, 33)) and np.array_equal(total, 10 * np.arange(1, 33))


def test_refused_maps():
    array = np.zeros((8, 64), np.float16)
    refusals = [
        (dict(box=(8, 512)), "box extent 512"), (dict(box=(8, 4)), "multiple of 16"), (dict(box=(8, 64), swizzle=64), "swizzling spans 64"),
        (dict(box=(8, 64), element_strides=(1, 9)), "element stride 9"),
    ]  # fmt: skip
    for arguments, text in refusals:
        with pytest.raises(SimulationError, match=text):
            TensorMap.of(array, **arguments)
    with pytest.raises(SimulationError, match="aligned to 16 bytes"):
        TensorMap(array.ctypes.data + 8, "float16", (64, 8), (128,), (64, 8))
    with pytest.raises(SimulationError, match="NaN"):
        TensorMap.of(np.zeros((8, 64), np.int32), (8, 16), fill_nan=True)


def test_where_a_box_may_start(build):
    """16 bytes apart along a row; a stored box not below 0: an H100 answers others with "illegal instruction"."""
    array = np.zeros((16, 32), np.float16)
    map = TensorMap.of(array, (16, 16))
    with pytest.raises(SimulationError, match="TMA load: coordinate -4 of dimension 0 is -8 bytes into the row"):
        _load(build, _load_text(2), map, (-4, 0), 512)
    data = np.zeros((16, 16), np.float16)
    with pytest.raises(SimulationError, match="TMA store: coordinate 9 of dimension 0 is 18 bytes into the row"):
        _store(build, 2, map, (9, 0), data)
    with pytest.raises(SimulationError, match="coordinate -1 of dimension 1: the corner of a stored box must not be negative"):
        _store(build, 2, map, (8, -1), data)


def test_a_tensor_may_end_between_chunks(build, rng):
    array = rng.standard_normal(61).astype(np.float32)
    got = _load(build, _load_text(1), TensorMap.of(array, (32,)), (48,), 128).view(np.float32)
    assert np.array_equal(got, np.concatenate([array[48:], np.zeros(19, np.float32)]))
    whole, data = np.full(64, -7, np.float32), rng.standard_normal(32).astype(np.float32)
    _store(build, 1, TensorMap.of(whole[:61], (32,)), (48,), data)
    assert np.array_equal(whole, np.concatenate([np.full(48, -7), data[:13], np.full(3, -7)]).astype(np.float32))


def test_misuse_is_reported(build):
    text = (
        _HEAD
        + """extern "C" __global__ void k(const __grid_constant__ tl::tensor_map map, int32_t mode) {
  char* smem = tl::dyn_smem();
  uint64_t* bar = reinterpret_cast<uint64_t*>(smem + 2048);
  tl::mbarrier_init(bar, 1);
  tl::mbarrier_arrive_expect_tx(bar, mode == 2 ? 512 : 1024);
  tl::tma_load(smem + (mode == 0 ? 64 : mode == 1 ? 1920 : 0), &map, bar, 0, 0);
  if (mode == 2) tl::tma_load(smem + 1024, &map, bar, 0, 0);
  if (mode != 3) tl::mbarrier_wait(bar, 0);
  if (mode == 4) { tl::tma_store(&map, smem, 0, 0); tl::bulk_commit(); }
}
TL_ENTRY(k)"""
    )
    array = np.zeros((16, 32), np.float16)
    texts = [
        "not aligned to 128",
        "offset 1920",
        "deadlock|still in flight",
        "in flight: nobody waited",
        "may still read its shared memory",
    ]
    for mode, match in enumerate(texts):
        with pytest.raises(SimulationError, match=match):
            build(text, "k").launch("k", (1,), (1,), [TensorMap.of(array, (16, 32)), mode], shared_bytes=2056, time="late")
