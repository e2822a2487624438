"""Indices and addresses outside what they mean."""

from __future__ import annotations

from testing.checker.defect import floats, plant

plant(
    "index past a tensor",
    expected="bounds",
    at="y[i + 1]",
    body="""
int i = threadIdx.x;
y[i + @] = x[i];
""",
    defect="1",
    fix="0",
)
plant(
    "negative index",
    expected="bounds",
    at="x[i - 1]",
    body="""
int i = threadIdx.x;
y[i] = @;
""",
    defect="x[i - 1]",
    fix="i ? x[i-1] : 0",
)
plant(
    "vector load past the end",
    expected="bounds",
    at="tl::load<16>",
    body="""
int i = threadIdx.x;
alignas(16) float v[4] = {};
if (i * 4 < @) tl::load<16>(v, x + i * 4);
y[i] = v[0];
""",
    defect="256",
    fix="64",
)
plant(
    "ragged tile without a guard",
    expected="bounds",
    at="y[b] = x[b]",
    body="""
int b = blockIdx.x * 64 + threadIdx.x;
@ y[b] = x[b];
""",
    defect="",
    fix="if (b < 100)",
    grid=2,
    arguments=floats(100, 100),
)
plant(
    "cp.async from behind the tensor",
    expected="bounds",
    at="tl::cp_async<16>",
    body="""
int i = threadIdx.x;
tl::cp_async<16>(tl::dyn_smem() + i * 16, x + i * 4, i < @);
tl::cp_async_commit();
tl::cp_async_wait<0>();
y[i] = 0;
""",
    defect="17",
    fix="16",
    headers=["cp_async"],
)
plant(
    "shared index past the arena",
    expected="bounds",
    at="s[i + 200]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
s[i + @] = x[i];
y[i] = x[i];
""",
    defect="200",
    fix="192",
)
plant(
    "shared index past its buffer",
    expected="bounds",
    at="a[i + 8]",
    body="""
char* smem = tl::dyn_smem();
float* a = reinterpret_cast<float*>(smem + 0);  // 256 bytes
float* b = reinterpret_cast<float*>(smem + 256);  // 256 bytes
int i = threadIdx.x;
b[i] = 0;
tl::sync_threads();
a[i + @] = x[i];
tl::sync_threads();
y[i] = b[i];
""",
    defect="8",
    fix="0",
)
plant(
    "shared index before its buffer",
    expected="bounds",
    at="y[i] = b[i - 1]",
    body="""
char* smem = tl::dyn_smem();
float* a = reinterpret_cast<float*>(smem + 0);  // 256 bytes
float* b = reinterpret_cast<float*>(smem + 256);  // 256 bytes
int i = threadIdx.x;
a[i] = 0;
b[i] = x[i];
tl::sync_threads();
y[i] = @;
""",
    defect="b[i - 1]",
    fix="b[i]",
)
plant(
    "local array index past its end",
    expected="bounds",
    at="v[i % 9]",
    body="""
int i = threadIdx.x;
float v[8];
for (int e = 0; e < 8; ++e) v[e] = x[e];
y[i] = v[i % @];
""",
    defect="9",
    fix="8",
)
plant(
    "misaligned vector store",
    expected="misuse",
    at="tl::store<16>",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
alignas(16) float v[4] = {};
tl::store<16>(s + i * 4 + @, v);
y[i] = 0;
""",
    defect="1",
    fix="0",
    shared=1040,
)
