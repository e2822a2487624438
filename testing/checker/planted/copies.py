"""cp.async: waits, groups, barriers behind them."""

from __future__ import annotations

from testing.checker.defect import plant

plant(
    "cp.async read without a wait",
    expected="race",
    at="y[i] = s[i]",
    also="tl::cp_async<4>",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
tl::cp_async<4>(s + i, x + i);
tl::cp_async_commit();
@
y[i] = s[i];
tl::cp_async_wait<0>();
""",
    defect="",
    fix="tl::cp_async_wait<0>();",
    headers=["cp_async"],
)
plant(
    "cp.async waited for, but no barrier",
    expected="race",
    at="y[i] = s[63 - i]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
tl::cp_async<4>(s + i, x + i);
tl::cp_async_commit();
tl::cp_async_wait<0>();
@
y[i] = s[63 - i];
""",
    defect="",
    fix="tl::sync_threads();",
    headers=["cp_async"],
)
plant(
    "cp.async wait behind the barrier",
    expected="race",
    at="y[i] = s[63 - i]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
tl::cp_async<4>(s + i, x + i);
tl::cp_async_commit();
@
y[i] = s[63 - i];
""",
    defect="tl::sync_threads(); tl::cp_async_wait<0>();",
    fix="tl::cp_async_wait<0>(); tl::sync_threads();",
    headers=["cp_async"],
)
plant(
    "cp.async wait leaves one group too many",
    expected="race",
    at="y[i] = s[i] + s[i + 64]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
tl::cp_async<4>(s + i, x + i);
tl::cp_async_commit();
tl::cp_async<4>(s + i + 64, x + i);
tl::cp_async_commit();
tl::cp_async_wait<@>();
y[i] = s[i] + s[i + 64];
tl::cp_async_wait<0>();
""",
    defect="1",
    fix="0",
    headers=["cp_async"],
)
plant(
    "cp.async overwrites what is still read",
    expected="race",
    at="tl::cp_async<4>",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
s[i] = 0;
tl::sync_threads();
y[i] = s[63 - i];
@
tl::cp_async<4>(s + i, x + i);
tl::cp_async_commit();
tl::cp_async_wait<0>();
""",
    defect="",
    fix="tl::sync_threads();",
    headers=["cp_async"],
)
plant(
    "cp.async source overwritten before the wait",
    expected="race",
    at="z[i] = 0",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
tl::cp_async<4>(s + i, z + i);
tl::cp_async_commit();
@
z[i] = 0;
tl::cp_async_wait<0>();
y[i] = s[i];
""",
    defect="",
    fix="tl::cp_async_wait<0>();",
    headers=["cp_async"],
    parameters="float* z, float* y",
)
plant(
    "cp.async without a wait at the end",
    expected="misuse",
    at="tl::cp_async<4>",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
tl::cp_async<4>(s + i, x + i);
tl::cp_async_commit();
y[i] = x[i];
@
""",
    defect="",
    fix="tl::cp_async_wait<0>();",
    headers=["cp_async"],
)
plant(
    "cp.async group never committed",
    expected="race",
    at="y[i] = s[i]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
tl::cp_async<4>(s + i, x + i);
@
tl::cp_async_wait<0>();
y[i] = s[i];
""",
    defect="",
    fix="tl::cp_async_commit();",
    headers=["cp_async"],
)
plant(
    "cp.async to an unaligned address",
    expected="misuse",
    at="tl::cp_async<16>",
    body="""
int i = threadIdx.x;
tl::cp_async<16>(tl::dyn_smem() + i * 16 + @, x + i % 16 * 4);
tl::cp_async_commit();
tl::cp_async_wait<0>();
y[i] = 0;
""",
    defect="8",
    fix="0",
    headers=["cp_async"],
    shared=1040,
)
