"""Blocks of one launch, which run in no order."""

from __future__ import annotations

import numpy as np

from testing.checker.defect import floats, plant

plant(
    "two blocks store overlapping tiles",
    expected="race",
    at="y[b] = x[i]",
    body="""
int i = threadIdx.x, b = blockIdx.x * @ + i;
y[b] = x[i];
""",
    defect="60",
    fix="64",
    grid=3,
    arguments=floats(64, 192),
)
plant(
    "a block reads what another block writes",
    expected="race",
    at="y[b] = z[b ^ 64]",
    body="""
int b = blockIdx.x * 64 + threadIdx.x;
z[b] = 1;
tl::sync_threads();
@
""",
    defect="y[b] = z[b ^ 64];",
    fix="y[b] = z[b ^ 1];",
    parameters="float* z, float* y",
    grid=2,
    arguments=floats(128, 128),
)
plant(
    "in-place stencil over block borders",
    expected="race",
    at="z[b + 1] = v",
    body="""
int b = blockIdx.x * 64 + threadIdx.x;
float v = z[b] + (threadIdx.x < 63 ? z[b + 1] : 0);
tl::sync_threads();
@
""",
    defect="z[b + 1] = v;",
    fix="z[b] = v;",
    parameters="float* z, float* y",
    grid=2,
    arguments=floats(129, 1),
)
plant(
    "split sum without atomics",
    expected="race",
    at="y[0] = y[0] + x[blockIdx.x]",
    body="""
if (threadIdx.x == 0) {
  @
}
""",
    defect="y[0] = y[0] + x[blockIdx.x];",
    fix="tl::atomic_add(y, x[blockIdx.x]);",
    headers=["atomic"],
    grid=4,
)
plant(
    "last block counts without release and acquire",
    expected="race",
    at="y[i] = z[i] + z[64 + i]",
    body="""
int i = threadIdx.x;
z[blockIdx.x * 64 + i] = 1;
tl::sync_threads();
int* flag = reinterpret_cast<int*>(tl::dyn_smem());
if (i == 0) {
  @
}
tl::sync_threads();
if (*flag == 3) y[i] = z[i] + z[64 + i];
""",
    defect="*flag = tl::atomic_add(count, 1);",
    fix="*flag = tl::atomic_add<tl::memory_order::acq_rel>(count, 1);",
    headers=["atomic"],
    parameters="float* z, float* y, int* count",
    grid=4,
    arguments=lambda: [np.zeros(256, np.float32), np.zeros(64, np.float32), np.zeros(1, np.int32)],
)
plant(
    "plain read of an atomic counter",
    expected="race",
    at="y[i] = count[0]",
    body="""
int i = threadIdx.x;
tl::atomic_add(count, 1);
@
y[i] = count[0];
""",
    defect="",
    fix="tl::sync_threads();",
    headers=["atomic"],
    parameters="int* count, float* y",
    arguments=lambda: [np.zeros(1, np.int32), np.zeros(64, np.float32)],
)
