"""Fences between the generic and the async proxy."""

# ruff: noqa: E501 - lines of kernel text

from __future__ import annotations

from testing.checker.defect import plant
from testing.checker.planted.tensor_copies import tiles

_HEADERS = ["mbarrier", "tma", "bulk"]
_MAP = {"parameters": "const __grid_constant__ tl::tensor_map map, float* y", "arguments": tiles(), "shared": 2064}
_WRITE = """
float* s = reinterpret_cast<float*>(tl::dyn_smem());
uint64_t* bar = reinterpret_cast<uint64_t*>(tl::dyn_smem() + 2048);
const int i = threadIdx.x;
for (int n = i; n < 256; n += 64) s[n] = n;
"""
_TMA_STORE = "if (i == 0) {\n  tl::tma_store(&map, s, 0, 8);\n  tl::bulk_commit();\n  tl::bulk_wait<0>();\n}\ny[i] = 0;"

for _name, _defect in (
    ("proxy fence missing before a TMA store", "tl::sync_threads();"),
    ("proxy fence by the issuing thread alone", "if (i == 0) tl::fence_proxy_async();\ntl::sync_threads();"),
    ("proxy fence of global memory instead of shared", "tl::fence_proxy_async_global();\ntl::sync_threads();"),
):
    plant(
        _name,
        expected="race",
        at="tl::tma_store(&map, s, 0, 8)",
        also="s[n] = n",
        body=_WRITE + "@\n" + _TMA_STORE,
        defect=_defect,
        fix="tl::fence_proxy_async();\ntl::sync_threads();",
        headers=_HEADERS,
        **_MAP,
    )
plant(
    "proxy fence before the writes instead of after",
    expected="race",
    at="tl::tma_store(&map, s, 0, 8)",
    body="float* s = reinterpret_cast<float*>(tl::dyn_smem());\nconst int i = threadIdx.x;\n@\ntl::sync_threads();\n"
    + _TMA_STORE,
    defect="tl::fence_proxy_async(); for (int n = i; n < 256; n += 64) s[n] = n;",
    fix="for (int n = i; n < 256; n += 64) s[n] = n; tl::fence_proxy_async();",
    headers=_HEADERS,
    **_MAP,
)
plant(
    "proxy fence missing before a bulk store",
    expected="race",
    at="tl::bulk_store(y, s, 256)",
    body=_WRITE
    + "@\ntl::sync_threads();\nif (i == 0) {\n  tl::bulk_store(y, s, 256);\n  tl::bulk_commit();\n  tl::bulk_wait<0>();\n}",
    defect="",
    fix="tl::fence_proxy_async();",
    headers=_HEADERS,
    shared=2064,
)
plant(
    "proxy fence missing before a TMA load over written bytes",
    expected="race",
    at="tl::tma_load(s, &map, bar, 0, 8)",
    also="s[n] = n",
    body=_WRITE
    + "if (i == 0) {\n  tl::mbarrier_init(bar, 1);\n  tl::fence_mbarrier_init();\n}\n@\ntl::sync_threads();\nif (i == 0) {\n  tl::mbarrier_arrive_expect_tx(bar, 1024);\n  tl::tma_load(s, &map, bar, 0, 8);\n}\ntl::mbarrier_wait(bar, 0);\ny[i] = s[i];",
    defect="",
    fix="tl::fence_proxy_async();",
    headers=_HEADERS,
    **_MAP,
)
plant(
    "initialised mbarrier not fenced for the copy engine",
    expected="misuse",
    at="tl::bulk_load(s, x, 256, bar)",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
uint64_t* bar = reinterpret_cast<uint64_t*>(tl::dyn_smem() + 512);
const int i = threadIdx.x;
if (i == 0) {
  tl::mbarrier_init(bar, 1);
  @
}
tl::sync_threads();
if (i == 0) {
  tl::mbarrier_arrive_expect_tx(bar, 256);
  tl::bulk_load(s, x, 256, bar);
}
tl::mbarrier_wait(bar, 0);
y[i] = s[i];
""",
    defect="",
    fix="tl::fence_mbarrier_init();",
    headers=_HEADERS,
)
plant(
    "proxy fence missing before global memory is loaded by the copy engine",
    expected="race",
    at="tl::bulk_load(s, z, 256, bar)",
    also="z[i] = i",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
uint64_t* bar = reinterpret_cast<uint64_t*>(tl::dyn_smem() + 512);
const int i = threadIdx.x;
if (i == 0) {
  tl::mbarrier_init(bar, 1);
  tl::fence_mbarrier_init();
}
z[i] = i;
@
tl::sync_threads();
if (i == 0) {
  tl::mbarrier_arrive_expect_tx(bar, 256);
  tl::bulk_load(s, z, 256, bar);
}
tl::mbarrier_wait(bar, 0);
y[i] = s[i];
""",
    defect="tl::fence_proxy_async();",
    fix="tl::fence_proxy_async_global();",
    headers=_HEADERS,
    parameters="float* z, float* y",
)
