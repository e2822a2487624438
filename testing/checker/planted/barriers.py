"""Barriers of a block: missing, too early, of too few threads."""

from __future__ import annotations

import numpy as np

from testing.checker.defect import plant

plant(
    "barrier missing between write and read",
    expected="race",
    at="y[i] = s[63 - i]",
    also="s[i] = x[i]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
s[i] = x[i];
@
y[i] = s[63 - i];
""",
    defect="",
    fix="tl::sync_threads();",
)
plant(
    "second barrier missing before reuse",
    expected="race",
    at="s[i] = x[i] + r",
    also="y[i] = s[63 - i]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
for (int r = 0; r < 3; ++r) {
  s[i] = x[i] + r;
  tl::sync_threads();
  y[i] = s[63 - i];
  @
}
""",
    defect="",
    fix="tl::sync_threads();",
)
plant(
    "two threads write one element",
    expected="race",
    at="s[i / 2] = x[i]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
@
tl::sync_threads();
y[i] = s[i / 2];
""",
    defect="s[i / 2] = x[i];",
    fix="if (i % 2) s[i / 2] = x[i];",
    arguments=lambda: [np.arange(64, dtype=np.float32), np.full(64, np.nan, np.float32)],
)
plant(  # one statement of one block that stores one value is none: every thread of a block may store its total
    "threads store different values in one element",
    expected="race",
    at="y[0] = x[i]",
    body="""
int i = threadIdx.x;
y[0] = @;
if (i) y[i] = 0;
""",
    defect="x[i]",
    fix="x[0]",
    arguments=lambda: [np.arange(64, dtype=np.float32), np.full(64, np.nan, np.float32)],
)
plant(
    "barrier before the write instead of after",
    expected="race",
    at="y[i] = s[(i + 1) % 64]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
@
y[i] = s[(i + 1) % 64];
""",
    defect="tl::sync_threads(); s[i] = x[i];",
    fix="s[i] = x[i]; tl::sync_threads();",
)
plant(
    "accumulator updated by every thread",
    expected="race",
    at="s[0] = s[0] + x[i]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
if (i == 0) s[0] = 0;
tl::sync_threads();
@
tl::sync_threads();
y[i] = s[0];
""",
    defect="s[0] = s[0] + x[i];",
    fix="tl::atomic_add(s, x[i]);",
    headers=["atomic"],
)
plant(
    "tree reduction without a barrier a step",
    expected="race",
    at="s[i] += s[i + step]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
s[i] = x[i];
tl::sync_threads();
for (int step = 32; step; step /= 2) {
  if (i < step) s[i] += s[i + step];
  @
}
if (i == 0) y[0] = s[0];
""",
    defect="",
    fix="tl::sync_threads();",
)
plant(
    "double buffer with one buffer too few",
    expected="race",
    at="s[i + r % STAGES * 64] = x[i]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
constexpr int STAGES = @;
for (int r = 0; r < 4; ++r) {
  s[i + r % STAGES * 64] = x[i];
  tl::sync_threads();
  y[i] = s[63 - i + r % STAGES * 64];
}
""",
    defect="1",
    fix="2",
)
plant(
    "warp 1 reads what warp 0 wrote behind a warp barrier",
    expected="race",
    at="y[i] = s[i ^ 32]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
s[i] = x[i];
@
y[i] = s[i ^ 32];
""",
    defect="tl::sync_warp();",
    fix="tl::sync_threads();",
)
plant(
    "write by one thread read by all",
    expected="race",
    at="y[i] = s[0]",
    also="if (i == 5) s[0] = x[0]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
if (i == 5) s[0] = x[0];
@
y[i] = s[0];
""",
    defect="",
    fix="tl::sync_threads();",
)
plant(
    "bytes of one word by two threads",
    expected="race",
    at="b[i + 1] = 1",
    body="""
char* b = tl::dyn_smem();
int i = threadIdx.x;
b[i] = 2;
@
b[i + 1] = 1;
tl::sync_threads();
y[i] = b[i];
""",
    defect="",
    fix="tl::sync_threads();",
)
plant(
    "vector store overlaps a scalar store",
    expected="race",
    at="s[i + 64] = 1",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
alignas(16) float v[4] = {1, 2, 3, 4};
tl::store<16>(s + i * 4, v);
@
s[i + 64] = 1;
tl::sync_threads();
y[i] = s[i];
""",
    defect="",
    fix="tl::sync_threads();",
)
