"""Lanes of one warp."""

from __future__ import annotations

from testing.checker.defect import floats, plant

plant(
    "lanes exchange through memory without sync_warp",
    expected="race",
    at="y[i] = s[i ^ 1]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
s[i] = x[i];
@
y[i] = s[i ^ 1];
""",
    defect="",
    fix="tl::sync_warp();",
)
plant(
    "a shuffle is no barrier",
    expected="race",
    at="y[i] = s[i ^ 1] + v",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
s[i] = x[i];
float v = tl::shfl_xor(x[i], 1);
@
y[i] = s[i ^ 1] + v;
""",
    defect="",
    fix="tl::sync_warp();",
    headers=["shuffle"],
)
plant(
    "different warp operations in two branches",
    expected="misuse",
    at="tl::",
    body="""
int i = threadIdx.x;
float v = 0;
if (i % 2) {
  v = tl::shfl_xor(x[i], 2);
} else {
  @
}
y[i] = v;
""",
    defect="tl::sync_warp();",
    fix="v = tl::shfl_xor(x[i], 2);",
    headers=["shuffle"],
    block=32,
    arguments=floats(32, 32),
)
