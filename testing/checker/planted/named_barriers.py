"""Named barriers: counts, roles, cycles."""

from __future__ import annotations

from testing.checker.defect import floats, plant

plant(
    "named barrier with a count that never comes",
    expected="deadlock",
    at="tl::bar_sync<1>",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
if (i < 64) {
  s[i] = x[i];
  tl::bar_sync<1>(@);
  y[i] = s[i ^ 32];
}
""",
    defect="96",
    fix="64",
    block=96,
    arguments=floats(96, 96),
)
plant(
    "named barrier counts one warp instead of two",
    expected="race",
    at="y[i] = s[i ^ 32]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
s[i] = x[i];
tl::bar_sync<1>(@);
y[i] = s[i ^ 32];
""",
    defect="32",
    fix="64",
)
plant(
    "named barrier with two counts",
    expected="misuse",
    at="tl::bar_sync<1>",
    body="""
int i = threadIdx.x;
tl::bar_sync<1>(i < 32 ? @ : 96);
y[i] = x[i];
""",
    defect="64",
    fix="96",
    block=96,
    arguments=floats(96, 96),
)
plant(
    "named barrier with a count that is no multiple of 32",
    expected="misuse",
    at="tl::bar_sync<2>",
    body="""
int i = threadIdx.x;
tl::bar_sync<2>(@);
y[i] = x[i];
""",
    defect="48",
    fix="64",
)
plant(
    "producer arrives before it writes",
    expected="race",
    at="y[i - 32] = s[i - 32]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
if (i < 32) {
  @
} else {
  tl::bar_sync<1>(64);
  y[i - 32] = s[i - 32];
}
""",
    defect="tl::bar_arrive<1>(64); s[i] = x[i];",
    fix="s[i] = x[i]; tl::bar_arrive<1>(64);",
)
plant(
    "consumer does not wait",
    expected="race",
    at="y[i - 32] = s[i - 32]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
if (i < 32) {
  s[i] = x[i];
  tl::bar_arrive<1>(64);
} else {
  @
  y[i - 32] = s[i - 32];
}
""",
    defect="tl::bar_arrive<1>(64);",
    fix="tl::bar_sync<1>(64);",
)
plant(
    "producer does not wait for the consumer",
    expected="deadlock",
    at="tl::bar_sync<1>",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
for (int r = 0; r < 2; ++r) {
  if (i < 32) {
    s[i] = x[i] + r;
    tl::bar_arrive<1>(64);
    @
  } else {
    tl::bar_sync<1>(64);
    y[i - 32] = s[i - 32];
    tl::bar_arrive<2>(64);
  }
}
""",
    defect="tl::bar_arrive<2>(64);",
    fix="tl::bar_sync<2>(64);",
)
plant(
    "consumer releases the buffer before it has read",
    expected="race",
    at="s[i] = x[i] + r",
    also="y[i - 32] = s[i - 32]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
for (int r = 0; r < 2; ++r) {
  if (i < 32) {
    s[i] = x[i] + r;
    tl::bar_arrive<1>(64);
    tl::bar_sync<2>(64);
  } else {
    tl::bar_sync<1>(64);
    @
  }
}
""",
    defect="""tl::bar_arrive<2>(64);
      y[i - 32] = s[i - 32];""",
    fix="""y[i - 32] = s[i - 32];
      tl::bar_arrive<2>(64);""",
)
plant(
    "two groups wait for each other at different barriers",
    expected="deadlock",
    at="tl::bar_sync",
    body="""
int i = threadIdx.x;
if (i < 32) {
  tl::bar_sync<1>(64);
  tl::bar_sync<2>(64);
} else {
  @
}
y[i] = x[i];
""",
    defect="""tl::bar_sync<2>(64);
    tl::bar_sync<1>(64);""",
    fix="""tl::bar_sync<1>(64);
    tl::bar_sync<2>(64);""",
)
plant(
    "divergent barrier",
    expected="deadlock",
    at="tl::bar_sync<3>",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
if (i % 2) tl::bar_sync<3>(@);
y[i] = x[i];
""",
    defect="64",
    fix="32",
)
