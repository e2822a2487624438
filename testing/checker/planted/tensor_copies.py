"""TMA and bulk copies: waits, groups, alignment, extents, tensor maps."""

# ruff: noqa: E501 - lines of kernel text

from __future__ import annotations

import ctypes

import numpy as np

from testing.checker.defect import plant
from tilelang.simulator import TensorMap


def tiles(shape=(16, 32), box=(8, 32)):
    """A tensor map over float32, and an output of the box's elements."""

    def make():
        array = np.ones(shape, np.float32)
        tensor_map = TensorMap.of(array, box)
        tensor_map.array = array  # kept alive
        return [tensor_map, np.full(box[0] * box[1], np.nan, np.float32)]

    return make


_MAP = {"parameters": "const __grid_constant__ tl::tensor_map map, float* y", "arguments": tiles(), "shared": 2064}
_HEADERS = ["mbarrier", "tma", "bulk"]
_LOAD = """
float* s = reinterpret_cast<float*>(tl::dyn_smem());
uint64_t* bar = reinterpret_cast<uint64_t*>(tl::dyn_smem() + 2048);
const int i = threadIdx.x;
if (i == 0) {
  tl::mbarrier_init(bar, 1);
  tl::fence_mbarrier_init();
}
tl::sync_threads();
"""
_STORE = """
float* s = reinterpret_cast<float*>(tl::dyn_smem());
const int i = threadIdx.x;
for (int n = i; n < 256; n += 64) s[n] = n;
"""

plant(
    "TMA load that nobody waits for before the read",
    expected="race",
    at="y[n] = s[n]",
    also="tl::tma_load(s, &map, bar, 0, 8)",
    body=_LOAD
    + "if (i == 0) {\n  tl::mbarrier_arrive_expect_tx(bar, 1024);\n  tl::tma_load(s, &map, bar, 0, 8);\n}\n@\nfor (int n = i; n < 256; n += 64) y[n] = s[n];\ntl::mbarrier_wait(bar, 0);",
    defect="",
    fix="tl::mbarrier_wait(bar, 0);",
    headers=_HEADERS,
    **_MAP,
)
plant(
    "TMA load that one thread alone waits for",
    expected="race",
    at="y[n] = s[n]",
    body=_LOAD
    + "if (i == 0) {\n  tl::mbarrier_arrive_expect_tx(bar, 1024);\n  tl::tma_load(s, &map, bar, 0, 8);\n}\nif (@) tl::mbarrier_wait(bar, 0);\nfor (int n = i; n < 256; n += 64) y[n] = s[n];",
    defect="i == 0",
    fix="true",
    headers=_HEADERS,
    **_MAP,
)
plant(
    "TMA load over what is still read",
    expected="race",
    at="tl::tma_load(s, &map, bar, 0, 0)",
    also="y[n] = s[255 - n]",
    body=_LOAD
    + """for (int n = i; n < 256; n += 64) s[n] = n;
tl::fence_proxy_async();
tl::sync_threads();
for (int n = i; n < 256; n += 64) y[n] = s[255 - n];
@
if (i == 0) {
  tl::mbarrier_arrive_expect_tx(bar, 1024);
  tl::tma_load(s, &map, bar, 0, 0);
}
tl::mbarrier_wait(bar, 0);""",
    defect="",
    fix="tl::sync_threads();",
    headers=_HEADERS,
    **_MAP,
)
plant(
    "TMA load nobody waits for at all",
    expected="misuse",
    at="tl::tma_load(s, &map, bar, 0, 8)",
    body=_LOAD
    + "if (i == 0) {\n  tl::mbarrier_arrive_expect_tx(bar, 1024);\n  tl::tma_load(s, &map, bar, 0, 8);\n}\n@\ny[i] = 0;",
    defect="",
    fix="tl::mbarrier_wait(bar, 0);",
    headers=_HEADERS,
    **_MAP,
)
plant(
    "TMA target that is not aligned",
    expected="misuse",
    at="tl::tma_load(s +",
    body=_LOAD
    + "if (i == 0) {\n  tl::mbarrier_arrive_expect_tx(bar, 1024);\n  tl::tma_load(s + @, &map, bar, 0, 8);\n}\ntl::mbarrier_wait(bar, 0);\ny[i] = 0;",
    defect="16",
    fix="32",
    headers=_HEADERS,
    **_MAP,
)
plant(
    "TMA box past the end of shared memory",
    expected="bounds",
    at="tl::tma_load(s +",
    body=_LOAD
    + "if (i == 0) {\n  tl::mbarrier_arrive_expect_tx(bar, 1024);\n  tl::tma_load(s + @, &map, bar, 0, 8);\n}\ntl::mbarrier_wait(bar, 0);\ny[i] = 0;",
    defect="288",
    fix="256",
    headers=_HEADERS,
    **_MAP,
)
plant(
    "TMA with too few coordinates",
    expected="misuse",
    at="tl::tma_load(s, &map",
    body=_LOAD
    + "if (i == 0) {\n  tl::mbarrier_arrive_expect_tx(bar, 1024);\n  tl::tma_load(s, &map, bar, 0@);\n}\ntl::mbarrier_wait(bar, 0);\ny[i] = 0;",
    defect="",
    fix=", 0",
    headers=_HEADERS,
    **_MAP,
)


def _map_in_memory():
    array = np.ones((16, 32), np.float32)
    tensor_map = TensorMap.of(array, (8, 32))
    raw = np.zeros(448, np.uint8)
    start = -raw.ctypes.data % 64
    for at in (start, start + 160):
        raw[at : at + 128] = np.frombuffer(ctypes.string_at(ctypes.addressof(tensor_map.storage), 128), np.uint8)
    return [raw[start:], np.full(64, np.nan, np.float32), array]


plant(
    "tensor map that is not aligned to 64 bytes",
    expected="misuse",
    at="tl::tma_load(s, map",
    body=_LOAD
    + "const auto* map = reinterpret_cast<const tl::tensor_map*>(maps + @);\nif (i == 0) {\n  tl::mbarrier_arrive_expect_tx(bar, 1024);\n  tl::tma_load(s, map, bar, 0, 0);\n}\ntl::mbarrier_wait(bar, 0);\ny[i] = 0;",
    defect="160",
    fix="0",
    headers=_HEADERS,
    parameters="const char* maps, float* y, float* tensor",
    arguments=_map_in_memory,
    shared=2064,
)
plant(
    "TMA store issued before the others have written",
    expected="race",
    at="tl::tma_store(&map, s, 0, 8)",
    also="s[n] = n",
    body=_STORE
    + "tl::fence_proxy_async();\n@\nif (i == 0) {\n  tl::tma_store(&map, s, 0, 8);\n  tl::bulk_commit();\n  tl::bulk_wait<0>();\n}\ny[i] = 0;",
    defect="",
    fix="tl::sync_threads();",
    headers=_HEADERS,
    **_MAP,
)
plant(
    "source of a TMA store written again too early",
    expected="race",
    at="s[n] = 0",
    also="tl::tma_store(&map, s, 0, 8)",
    body=_STORE
    + "tl::fence_proxy_async();\ntl::sync_threads();\nif (i == 0) {\n  tl::tma_store(&map, s, 0, 8);\n  tl::bulk_commit();\n  @\n}\ntl::sync_threads();\nfor (int n = i; n < 256; n += 64) s[n] = 0;\nif (i == 0) tl::bulk_wait<0>();\ny[i] = 0;",
    defect="",
    fix="tl::bulk_wait_read<0>();",
    headers=_HEADERS,
    **_MAP,
)
plant(
    "source of a TMA store written again by who did not wait",
    expected="race",
    at="s[n] = 0",
    body=_STORE
    + "tl::fence_proxy_async();\ntl::sync_threads();\nif (i == 0) {\n  tl::tma_store(&map, s, 0, 8);\n  tl::bulk_commit();\n  tl::bulk_wait_read<0>();\n}\n@\nfor (int n = i; n < 256; n += 64) s[n] = 0;\nif (i == 0) tl::bulk_wait<0>();\ny[i] = 0;",
    defect="",
    fix="tl::sync_threads();",
    headers=_HEADERS,
    **_MAP,
)
plant(
    "TMA store in flight at the end of the block",
    expected="misuse",
    at="tl::tma_store(&map, s, 0, 8)",
    body=_STORE
    + "tl::fence_proxy_async();\ntl::sync_threads();\nif (i == 0) {\n  tl::tma_store(&map, s, 0, 8);\n  tl::bulk_commit();\n  @\n}\ny[i] = 0;",
    defect="",
    fix="tl::bulk_wait_read<0>();",
    headers=_HEADERS,
    **_MAP,
)
plant(
    "TMA store that is not in the group waited for",
    expected="misuse",
    at="tl::tma_store(&map, s, 0, 8)",
    body=_STORE
    + "tl::fence_proxy_async();\ntl::sync_threads();\nif (i == 0) {\n  tl::tma_store(&map, s, 0, 8);\n  @\n  tl::bulk_wait<0>();\n}\ny[i] = 0;",
    defect="",
    fix="tl::bulk_commit();",
    headers=_HEADERS,
    **_MAP,
)
plant(
    "what a bulk store writes read after bulk_wait_read",
    expected="race",
    at="z[i] = y[63 - i]",
    also="tl::bulk_store(y, s, 256)",
    body=_STORE
    + "tl::fence_proxy_async();\ntl::sync_threads();\nif (i == 0) {\n  tl::bulk_store(y, s, 256);\n  tl::bulk_commit();\n  tl::bulk_wait@<0>();\n}\ntl::sync_threads();\nz[i] = y[63 - i];",
    defect="_read",
    fix="",
    headers=_HEADERS,
    parameters="float* y, float* z",
)
plant(
    "sum of a bulk reduction read before it is done",
    expected="race",
    at="z[i] = y[63 - i]",
    body=_STORE
    + "tl::fence_proxy_async();\ntl::sync_threads();\nif (i == 0) {\n  tl::bulk_reduce<tl::bulk_op::add>(y, s, 256);\n  tl::bulk_commit();\n  @\n}\ntl::sync_threads();\nz[i] = y[63 - i];\nif (i == 0) tl::bulk_wait<0>();",
    defect="",
    fix="tl::bulk_wait<0>();",
    headers=_HEADERS,
    parameters="float* y, float* z",
)
plant(
    "two blocks store overlapping boxes",
    expected="race",
    at="tl::tma_store(&map, s, 0,",
    body=_STORE
    + "tl::fence_proxy_async();\ntl::sync_threads();\nif (i == 0) {\n  tl::tma_store(&map, s, 0, blockIdx.x * @);\n  tl::bulk_commit();\n  tl::bulk_wait<0>();\n}",
    defect="7",
    fix="8",
    headers=_HEADERS,
    grid=2,
    **_MAP,
)
_BULK = (
    _LOAD
    + "if (i == 0) {\n  tl::mbarrier_arrive_expect_tx(bar, %s);\n  tl::bulk_load(%s, bar);\n}\ntl::mbarrier_wait(bar, 0);\ny[i] = s[0];"
)
plant(
    "bulk copy of a size that is no multiple of 16",
    expected="misuse",
    at="tl::bulk_load(s, x",
    body=_BULK % ("@", "s, x, @"),
    defect="200",
    fix="192",
    headers=_HEADERS,
    shared=2064,
)
plant(
    "bulk copy from an address that is not aligned",
    expected="misuse",
    at="tl::bulk_load(s, x +",
    body=_BULK % ("128", "s, x + @, 128"),
    defect="1",
    fix="4",
    headers=_HEADERS,
    shared=2064,
)
plant(
    "bulk copy past the end of a tensor",
    expected="bounds",
    at="tl::bulk_load(s, x +",
    body=_BULK % ("128", "s, x + @, 128"),
    defect="36",
    fix="32",
    headers=_HEADERS,
    shared=2064,
)
plant(
    "bulk copy to an address that is not aligned",
    expected="misuse",
    at="tl::bulk_load(s +",
    body=_BULK % ("128", "s + @, x, 128"),
    defect="2",
    fix="0",
    headers=_HEADERS,
    shared=2064,
)
