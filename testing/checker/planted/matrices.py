"""ldmatrix, stmatrix and mma."""

from __future__ import annotations

from testing.checker.defect import plant

plant(
    "ldmatrix of rows that another warp writes",
    expected="race",
    at="tl::ldmatrix_x4",
    body="""
tl::half_t* s = reinterpret_cast<tl::half_t*>(tl::dyn_smem());
int i = threadIdx.x;
alignas(16) tl::half_t v[8];
for (int e = 0; e < 8; ++e) s[i * 8 + e] = tl::half_t(1.0f);
@
tl::ldmatrix_x4(v, s + (63 - i) * 8);
y[i] = tl::cast<float>(v[0]);
""",
    defect="",
    fix="tl::sync_threads();",
    headers=["ldmatrix"],
)
plant(
    "stmatrix over rows that are still read",
    expected="race",
    at="tl::stmatrix_x4",
    body="""
tl::half_t* s = reinterpret_cast<tl::half_t*>(tl::dyn_smem());
int i = threadIdx.x;
alignas(16) tl::half_t v[8] = {};
for (int e = 0; e < 8; ++e) s[i * 8 + e] = tl::half_t(1.0f);
tl::sync_threads();
y[i] = tl::cast<float>(s[(63 - i) * 8]);
@
tl::stmatrix_x4(s + i * 8, v);
""",
    defect="",
    fix="tl::sync_threads();",
    headers=["ldmatrix"],
)
plant(
    "ldmatrix row that is not aligned",
    expected="misuse",
    at="tl::ldmatrix_x1",
    body="""
tl::half_t* s = reinterpret_cast<tl::half_t*>(tl::dyn_smem());
int i = threadIdx.x;
alignas(16) tl::half_t v[2];
for (int e = 0; e < 8; ++e) s[i * 8 + e] = tl::half_t(1.0f);
tl::sync_threads();
tl::ldmatrix_x1(v, s + i % 8 * 8 + @);
y[i] = 0;
""",
    defect="1",
    fix="0",
    headers=["ldmatrix"],
)
plant(
    "mma in half a warp",
    expected="misuse",
    at="tl::mma",
    body="""
int i = threadIdx.x;
alignas(16) tl::half_t a[8] = {}, b[4] = {};
alignas(16) float c[4] = {};
if (i < @) tl::mma_m16n8k16(c, a, b);
tl::mma_ready();
tl::sync_warp();
y[i] = c[0];
""",
    defect="48",
    fix="64",
    headers=["mma"],
)
plant(
    "mma accumulates into what nothing cleared",
    expected="init",
    at="tl::mma_m16n8k16",
    body="""
int i = threadIdx.x;
alignas(16) tl::half_t a[8] = {}, b[4] = {};
alignas(16) float c[4];
@
tl::mma_m16n8k16(c, a, b);
tl::mma_ready();
y[i] = c[0];
""",
    defect="",
    fix="for (int e = 0; e < 4; ++e) c[e] = 0;",
    headers=["mma"],
)
