"""Memory that nothing wrote."""

from __future__ import annotations

from testing.checker.defect import plant

plant(
    "shared memory read before any write",
    expected="init",
    at="y[i] = s[i]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
@
y[i] = s[i];
""",
    defect="",
    fix="s[i] = x[i];",
)
plant(
    "last element of a shared tile left out",
    expected="init",
    at="y[i] = s[i]",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
if (i < @) s[i] = x[i];
tl::sync_threads();
y[i] = s[i];
""",
    defect="63",
    fix="64",
)
plant(
    "local array partly filled",
    expected="init",
    at="y[i] = v[i % 8]",
    body="""
int i = threadIdx.x;
alignas(16) float v[8];
for (int e = 0; e < @; ++e) v[e] = x[e];
y[i] = v[i % 8];
""",
    defect="7",
    fix="8",
)
plant(
    "output read before it is written",
    expected="init",
    at="y[i] = y[i] + x[i]",
    body="""
int i = threadIdx.x;
@
y[i] = y[i] + x[i];
""",
    defect="",
    fix="y[i] = 0;",
    fresh=(1,),
)
plant(
    "atomic on an output that nothing cleared",
    expected="init",
    at="tl::atomic_add",
    body="""
int i = threadIdx.x;
@
tl::sync_threads();
tl::atomic_add(y, x[i]);
""",
    defect="",
    fix="if (i == 0) y[0] = 0;",
    headers=["atomic"],
    fresh=(1,),
)
# A tile may be staged whole where a part of it is written: what is copied is as unwritten in shared memory.
plant(
    "unwritten half of a pair in shared memory is used",
    expected="init",
    at="y[i] = s[2 * i + 1] + 1",
    body="""
float* s = reinterpret_cast<float*>(tl::dyn_smem());
int i = threadIdx.x;
alignas(16) float v[2];
v[0] = x[i];
tl::store<8>(s + 2 * i, v);
@
y[i] = s[2 * i + 1] + 1;
""",
    headers=("memory",),
    defect="",
    fix="s[2 * i + 1] = x[i];",
)
