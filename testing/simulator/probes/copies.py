"""cp.async, TMA and bulk copies, mbarriers."""

# ruff: noqa: E501 - lines of kernel text
from __future__ import annotations

import numpy as np

from testing.simulator.probes.probe import Probe, Tile, dtype_of, kernel, random_values

_HEADERS = ("mbarrier", "tma", "bulk", "cluster", "cp_async")
_BARRIER = """
  char* smem = tl::dyn_smem();
  uint64_t* bar = reinterpret_cast<uint64_t*>(smem + bytes);
  if (threadIdx.x == 0) {
    tl::mbarrier_init(bar, 1);
    tl::fence_mbarrier_init();
  }
  tl::sync_threads();
"""
_OUT = "  for (int i = threadIdx.x; i < bytes; i += 32) out[i] = smem[i];"


def _poison(count: int) -> np.ndarray:
    return np.full(count, 0xA5, np.uint8)


def _load(name: str, tile, start, *, call="tma_load", count=None) -> Probe:
    """`tile(rng)`: the tensor map; `start`: coordinates, innermost first, which on a multiple of 16 bytes."""
    sample = tile(np.random.default_rng(0))
    steps = sample.element_strides or [1] * len(sample.box)
    count = count or int(np.prod([-(-b // s) for b, s in zip(sample.box, steps)])) * sample.array.itemsize
    numbers = ", ".join(f"at[{i}]" for i in range(len(start)))
    body = (
        _BARRIER
        + f"  if (threadIdx.x == 0) {{\n    tl::mbarrier_arrive_expect_tx(bar, bytes);\n    tl::{call}(smem, &map, bar, {numbers});\n  }}\n  tl::mbarrier_wait(bar, 0);\n"
        + _OUT
    )
    text = kernel(name, "const __grid_constant__ tl::tensor_map map, const int32_t* at, char* out, int32_t bytes", body)
    return Probe(
        name, text, _HEADERS, lambda rng: [tile(rng), np.array(start, np.int32), _poison(count), count], (2,), shared=count + 8
    )


def _store(name: str, tile, start, *, call="tma_store", values=None) -> Probe:
    sample = tile(np.random.default_rng(0))
    count = int(np.prod(sample.box)) * sample.array.itemsize
    numbers = ", ".join(f"at[{i}]" for i in range(len(start)))
    body = f"""
  char* smem = tl::dyn_smem();
  for (int i = threadIdx.x; i < bytes; i += 32) smem[i] = in[i];
  tl::fence_proxy_async();
  tl::sync_threads();
  if (threadIdx.x == 0) {{
    tl::{call}(&map, smem, {numbers});
    tl::bulk_commit();
    tl::bulk_wait<0>();
  }}"""
    text = kernel(
        name, "const __grid_constant__ tl::tensor_map map, const int32_t* at, const char* in, int32_t bytes, char* tensor", body
    )

    def make(rng):
        target = tile(rng)
        data = values(rng, target) if values else random_values(rng, sample.array.dtype.name, sample.box)
        return [target, np.array(start, np.int32), data.view(np.uint8).reshape(-1), count, target.array]

    return Probe(name, text, _HEADERS, make, (4,), shared=count)


_SHAPE, _BOX = (3, 4, 5, 6, 64), (2, 3, 2, 3, 32)


def _tensor_maps() -> list[Probe]:
    probes = []

    def of(shape, box, dtype="float32", **options):
        return lambda rng: Tile(random_values(rng, dtype, shape), box, **options)

    for rank in range(1, 6):
        tile = of(_SHAPE[-rank:], _BOX[-rank:])
        beyond = [60, *(s - 1 for s in _SHAPE[-rank:-1][::-1])]
        for label, start in (("inside", [0] * rank), ("below", [-4] + [-1] * (rank - 1)), ("beyond", beyond)):
            probes.append(_load(f"tma_load_{rank}d_{label}", tile, start))
            if label != "below":  # a stored box must not start below 0
                probes.append(_store(f"tma_store_{rank}d_{label}", tile, start))
    ragged = of((61,), (32,))  # ends between two 16-byte chunks
    probes += [_load("tma_load_ragged", ragged, [48]), _store("tma_store_ragged", ragged, [48])]
    for dtype in ("uint8", "uint16", "uint32", "int32", "uint64", "int64", "float16", "bfloat16", "float64"):
        probes += [
            _load(f"tma_load_{dtype}", of((20, 96), (8, 32), dtype), (80, 16)),
            _store(f"tma_store_{dtype}", of((20, 96), (8, 32), dtype), (80, 16)),
        ]
    for swizzle in (32, 64, 128):
        for dtype in ("float16", "float32"):
            tile = of((70, 3 * swizzle), (32, swizzle // dtype_of(dtype).itemsize), dtype, swizzle=swizzle)
            probes += [
                _load(f"tma_load_swizzle{swizzle}_{dtype}", tile, (8, 50)),
                _store(f"tma_store_swizzle{swizzle}_{dtype}", tile, (8, 50)),
            ]
    for dtype in ("float16", "bfloat16", "float32"):
        probes.append(_load(f"tma_load_nan_{dtype}", of((8, 16), (8, 16), dtype, fill_nan=True), (8, 4)))
    probes.append(_load("tma_load_element_strides", of((40, 9, 32), (7, 5, 16), element_strides=(3, 2, 1)), (4, 3, 20)))
    corners = ((-1, -1), (-1, -1))
    image = lambda rng: Tile(random_values(rng, "float16", (2, 5, 6, 16)), (8, 32), im2col=corners)  # noqa: E731
    for label, at in (("corner", (0, -1, -1, 0, 0, 0)), ("offset", (8, 2, 1, 0, 1, 2)), ("wraps", (0, 3, 3, 1, 2, 2))):
        probes.append(_load(f"tma_im2col_{label}", image, at, call="tma_load_im2col", count=32 * 8 * 2))
    for op in ("add", "min", "max", "bit_and", "bit_or", "bit_xor", "inc", "dec"):
        types = {"inc": ("uint32",), "dec": ("uint32",)}.get(op, ("uint32", "int32", "uint64"))
        types += ("float16", "bfloat16") if op in ("add", "min", "max") else ()
        types += ("float32",) if op == "add" else ()
        for dtype in types:

            def small(rng, dtype=dtype):
                return Tile(rng.integers(0, 50, (6, 32)).astype(dtype_of(dtype)), (4, 16))

            def data(rng, tile):
                return rng.integers(0, 50, tile.box).astype(tile.array.dtype)

            probes.append(_store(f"tma_reduce_{op}_{dtype}", small, (16, 3), call=f"tma_reduce<tl::bulk_op::{op}>", values=data))
    return probes


def _linear() -> list[Probe]:
    probes = []
    for count in (16, 128, 1024):
        name = f"bulk_load_{count}"
        body = (
            _BARRIER
            + "  if (threadIdx.x == 0) {\n    tl::mbarrier_arrive_expect_tx(bar, bytes);\n    tl::bulk_load(smem, in, bytes, bar);\n  }\n  tl::mbarrier_wait(bar, 0);\n"
            + _OUT
        )
        text = kernel(name, "const char* in, char* out, int32_t bytes", body)
        probes.append(
            Probe(
                name, text, _HEADERS, lambda rng, n=count: [random_values(rng, "uint8", n), _poison(n), n], (1,), shared=count + 8
            )
        )
        name = f"bulk_store_{count}"
        body = "  char* smem = tl::dyn_smem();\n  for (int i = threadIdx.x; i < bytes; i += 32) smem[i] = in[i];\n  tl::fence_proxy_async();\n  tl::sync_threads();\n  if (threadIdx.x == 0) {\n    tl::bulk_store(out, smem, bytes);\n    tl::bulk_commit();\n    tl::bulk_wait<0>();\n  }"
        text = kernel(name, "const char* in, char* out, int32_t bytes", body)
        probes.append(
            Probe(name, text, _HEADERS, lambda rng, n=count: [random_values(rng, "uint8", n), _poison(n), n], (1,), shared=count)
        )
    for op in ("add", "min", "max"):
        for dtype, cpp in (("int32", "int32_t"), ("uint32", "uint32_t"), ("uint64", "uint64_t")):
            name = f"bulk_reduce_{op}_{dtype}"
            body = f"  {cpp}* s = reinterpret_cast<{cpp}*>(tl::dyn_smem());\n  s[threadIdx.x] = in[threadIdx.x];\n  tl::fence_proxy_async();\n  tl::sync_threads();\n  if (threadIdx.x == 0) {{\n    tl::bulk_reduce<tl::bulk_op::{op}>(out, s, 32 * sizeof({cpp}));\n    tl::bulk_commit();\n    tl::bulk_wait<0>();\n  }}"
            text = kernel(name, f"const {cpp}* in, {cpp}* out", body)
            probes.append(
                Probe(
                    name,
                    text,
                    _HEADERS,
                    lambda rng, t=dtype: [random_values(rng, t, 32), random_values(rng, t, 32)],
                    (1,),
                    shared=256,
                )
            )
    for size in (4, 8, 16):
        for label, predicate in (("", ""), ("_predicated", ", threadIdx.x % 3 != 0")):
            name = f"cp_async_{size}{label}"
            body = f"  char* smem = tl::dyn_smem();\n  tl::cp_async<{size}>(smem + threadIdx.x * {size}, in + threadIdx.x * {size}{predicate});\n  tl::cp_async_commit();\n  tl::cp_async_wait<0>();\n  tl::sync_threads();\n  for (int i = threadIdx.x; i < {32 * size}; i += 32) out[i] = smem[{32 * size - 1} - i];"
            text = kernel(name, "const char* in, char* out", body)
            probes.append(
                Probe(
                    name,
                    text,
                    _HEADERS,
                    lambda rng, n=size: [random_values(rng, "uint8", 32 * n), _poison(32 * n)],
                    (1,),
                    shared=512,
                )
            )
    return probes


_WORDS = "  uint32_t* s = reinterpret_cast<uint32_t*>(tl::dyn_smem());\n  uint64_t* bar = reinterpret_cast<uint64_t*>(tl::dyn_smem() + 1024);\n  const uint32_t i = threadIdx.x;\n"
_SIGNALS = {  # (initial count, what every thread does, whether bulk groups of clusters take part)
    "arrive": ("32", "s[i] = in[i];\n  tl::mbarrier_arrive(bar);\n  tl::mbarrier_wait(bar, 0);"),
    "arrive_count": ("64", "s[i] = in[i];\n  tl::mbarrier_arrive_count(bar, 2);\n  tl::mbarrier_wait(bar, 0);"),
    "test_wait": ("32", "s[i] = in[i];\n  tl::mbarrier_arrive(bar);\n  while (!tl::mbarrier_test_wait(bar, 0)) {\n  }"),
    "try_wait": ("32", "s[i] = in[i];\n  tl::mbarrier_arrive(bar);\n  while (!tl::mbarrier_try_wait(bar, 0)) {\n  }"),
    "passed_phase": ("32", "tl::mbarrier_wait(bar, 1);\n  s[i] = in[i];\n  tl::mbarrier_arrive(bar);\n  tl::mbarrier_wait(bar, 0);"),
    "two_phases": ("32", "s[i ^ 5] = in[i ^ 5];\n  tl::mbarrier_arrive(bar);\n  tl::mbarrier_wait(bar, 0);\n  s[i] = s[i] + 1;\n  tl::mbarrier_arrive(bar);\n  tl::mbarrier_wait(bar, 1);"),
    "complete_tx": ("32", "s[i] = in[i];\n  if (i == 0) tl::mbarrier_expect_tx(bar, 64);\n  tl::mbarrier_arrive(bar);\n  if (i == 0) tl::mbarrier_complete_tx(bar, 64);\n  tl::mbarrier_wait(bar, 0);"),
    "tracks_cp_async": ("32", "tl::cp_async<4>(s + i, in + i);\n  tl::cp_async_mbarrier_arrive_noinc(bar);\n  tl::mbarrier_wait(bar, 0);"),
    "tracks_cp_async_more": ("32", "tl::cp_async<4>(s + i, in + i);\n  tl::cp_async_mbarrier_arrive(bar);\n  tl::mbarrier_arrive(bar);\n  tl::mbarrier_wait(bar, 0);"),
}  # fmt: skip


def _mbarriers() -> list[Probe]:
    probes = []

    def make(rng):
        return [random_values(rng, "uint32", 64), np.full(64, 7, np.uint32)]

    for name, (count, statements) in _SIGNALS.items():
        body = (
            _WORDS
            + f"  if (i == 0) tl::mbarrier_init(bar, {count});\n  tl::sync_threads();\n  {statements}\n  out[i] = s[31 - i];"
        )
        probes.append(
            Probe(
                f"mbarrier_{name}",
                kernel(f"mbarrier_{name}", "const uint32_t* in, uint32_t* out", body),
                _HEADERS,
                make,
                (1,),
                shared=1032,
            )
        )
    pairs = {
        "arrive_remote": ("32", "*tl::map_shared_rank(s + i, peer) = in[32 * rank + i];\n  tl::cluster_sync();\n  tl::mbarrier_arrive_remote(bar, peer);\n  tl::mbarrier_wait(bar, 0);"),
        "arrive_expect_tx_remote": ("33", "tl::fence_proxy_async();\n  if (i == 0) tl::mbarrier_arrive_expect_tx_remote(bar, peer, 128);\n  tl::mbarrier_arrive(bar);\n  if (i == 0) tl::bulk_load(s, in + 32 * rank, 128, bar);\n  tl::mbarrier_wait(bar, 0);"),
        "copy_to_rank": ("1", "s[64 + i] = in[32 * rank + i];\n  tl::fence_proxy_async();\n  tl::sync_threads();\n  if (i == 0) {\n    tl::mbarrier_arrive_expect_tx(bar, 128);\n    tl::bulk_copy_to_rank(s, s + 64, 128, bar, peer);\n  }\n  tl::mbarrier_wait(bar, 0);"),
        "multicast": ("1", "if (i == 0) {\n    tl::mbarrier_arrive_expect_tx(bar, 128);\n    tl::bulk_load_multicast(s + 16 * rank, in + 16 * rank, 64, bar, 3);\n  }\n  tl::mbarrier_wait(bar, 0);"),
        "distributed": ("1", "s[64 + i] = in[32 * rank + i];\n  tl::cluster_sync();\n  s[i] = *tl::map_shared_rank(s + 64 + i, peer);"),
    }  # fmt: skip
    for name, (count, statements) in pairs.items():
        body = (
            _WORDS
            + f"  const uint32_t rank = tl::cluster_rank(), peer = rank ^ 1;\n  if (i == 0) {{\n    tl::mbarrier_init(bar, {count});\n    tl::fence_mbarrier_init();\n  }}\n  tl::cluster_sync();\n  {statements}\n  tl::sync_warp();\n  out[32 * rank + i] = s[31 - i];\n  tl::cluster_sync();"
        )
        text = kernel(f"cluster_{name}", "const uint32_t* in, uint32_t* out", body, before="__cluster_dims__(2, 1, 1)")
        probes.append(Probe(f"cluster_{name}", text, _HEADERS, make, (1,), grid=(2,), cluster=(2,), shared=1032))
    return probes


PROBES = [*_tensor_maps(), *_linear(), *_mbarriers()]
