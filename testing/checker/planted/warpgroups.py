"""wgmma: fences, groups, waits, operands, descriptors; registers of a warpgroup."""

# ruff: noqa: E501 - lines of kernel text

from __future__ import annotations

from testing.checker.defect import floats, plant

_HEAD = """
char* smem = tl::dyn_smem();
uint64_t* words = reinterpret_cast<uint64_t*>(smem);
const int i = threadIdx.x;
"""
_DATA = (
    _HEAD
    + """
for (int n = i; n < 288; n += 128) words[n] = 0;
tl::fence_proxy_async();
tl::sync_threads();
uint64_t a = tl::wgmma_descriptor<0>(smem, 128, 256), b = tl::wgmma_descriptor<0>(smem + 2048, 128, 256);
"""
)
_STEP = "tl::wgmma_ss<tl::half_t, tl::half_t, 8>(acc, a, b, %s);"
_END = "\ny[i] = acc[0];\n"
_COMMON = {"headers": ["wgmma/m64n8"], "block": 128, "shared": 4096, "arguments": floats(128, 128)}

plant(
    "wgmma without a fence",
    expected="misuse",
    at="tl::wgmma_ss",
    body=_DATA + "alignas(16) float acc[4] = {};\n@\n" + _STEP % "true" + "\ntl::wgmma_commit();\ntl::wgmma_wait<0>();" + _END,
    defect="",
    fix="tl::wgmma_fence();",
    **_COMMON,
)
plant(
    "wgmma accumulators cleared after the fence",
    expected="misuse",
    at="tl::wgmma_ss",
    body=_DATA + "alignas(16) float acc[4];\n@\n" + _STEP % "true" + "\ntl::wgmma_commit();\ntl::wgmma_wait<0>();" + _END,
    defect="tl::wgmma_fence(); for (int n = 0; n < 4; ++n) acc[n] = x[n];",
    fix="for (int n = 0; n < 4; ++n) acc[n] = x[n]; tl::wgmma_fence();",
    **_COMMON,
)
plant(
    "wgmma accumulators rescaled without a new fence",
    expected="misuse",
    at="tl::wgmma_ss<tl::half_t, tl::half_t, 8>(acc, a, b, true)",
    body=_DATA
    + "alignas(16) float acc[4] = {};\ntl::wgmma_fence();\nfor (int k = 0; k < 2; ++k) {\n"
    + _STEP % "true"
    + "\ntl::wgmma_commit();\ntl::wgmma_wait<0>();\nfor (int n = 0; n < 4; ++n) acc[n] *= x[n];\n@\n}"
    + _END,
    defect="",
    fix="tl::wgmma_fence();",
    **_COMMON,
)
for _name, _defect in (
    ("wgmma that is not committed", "tl::wgmma_wait<0>();"),
    ("wgmma that nobody waits for", "tl::wgmma_commit();"),
    ("wgmma wait that leaves its group in flight", "tl::wgmma_commit(); tl::wgmma_wait<1>();"),
):
    plant(
        _name,
        expected="race",
        at="y[i] = acc[0]",
        also="tl::wgmma_ss",
        body=_DATA + "alignas(16) float acc[4] = {};\ntl::wgmma_fence();\n" + _STEP % "true" + "\n@" + _END,
        defect=_defect,
        fix="tl::wgmma_commit(); tl::wgmma_wait<0>();",
        **_COMMON,
    )
plant(
    "wgmma accumulator read while in flight",
    expected="race",
    at="y[i] = acc[0]",
    body=_DATA
    + "alignas(16) float acc[4] = {};\ntl::wgmma_fence();\n"
    + _STEP % "true"
    + "\ntl::wgmma_commit();\n@\ntl::wgmma_wait<0>();",
    defect="y[i] = acc[0];",
    fix="tl::wgmma_wait<0>(); y[i] = acc[0];",
    **_COMMON,
)
plant(
    "wgmma A fragment overwritten while in flight",
    expected="race",
    at="f[n] = tl::half_t(2.0f)",
    also="tl::wgmma_rs",
    body=_DATA
    + """alignas(16) float acc[4] = {};
alignas(16) tl::half_t f[8];
for (int n = 0; n < 8; ++n) f[n] = tl::half_t(1.0f);
tl::wgmma_fence();
tl::wgmma_rs<tl::half_t, tl::half_t, 8>(acc, f, b, true);
tl::wgmma_commit();
@
for (int n = 0; n < 8; ++n) f[n] = tl::half_t(2.0f);
tl::wgmma_wait<0>();
y[i] = acc[0] + tl::cast<float>(f[i % 8]);
""",
    defect="",
    fix="tl::wgmma_wait<0>();",
    **_COMMON,
)
plant(
    "wgmma operand overwritten while it is read",
    expected="race",
    at="words[n] = 1",
    also="tl::wgmma_ss",
    body=_DATA
    + "alignas(16) float acc[4] = {};\ntl::wgmma_fence();\n"
    + _STEP % "true"
    + "\ntl::wgmma_commit();\n@\nfor (int n = i; n < 288; n += 128) words[n] = 1;\ntl::wgmma_wait<0>();"
    + _END,
    defect="",
    fix="tl::wgmma_wait<0>(); tl::sync_threads();",
    **_COMMON,
)
plant(
    "wgmma operand overwritten by another warp behind its own wait",
    expected="race",
    at="words[n] = 1",
    body=_DATA
    + "alignas(16) float acc[4] = {};\ntl::wgmma_fence();\n"
    + _STEP % "true"
    + "\ntl::wgmma_commit();\n@\nif (i < 32) for (int n = i; n < 288; n += 32) words[n] = 1;\ntl::wgmma_wait<0>();"
    + _END,
    defect="tl::sync_threads();",
    fix="tl::wgmma_wait<0>(); tl::sync_threads();",
    **_COMMON,
)
_READ = (
    "\nuint64_t a = tl::wgmma_descriptor<0>(smem, 128, 256), b = tl::wgmma_descriptor<0>(smem + 2048, 128, 256);\nalignas(16) float acc[4] = {};\ntl::wgmma_fence();\n"
    + _STEP % "true"
    + "\ntl::wgmma_commit();\ntl::wgmma_wait<0>();"
    + _END
)
plant(
    "wgmma reads what was written without a proxy fence",
    expected="race",
    at="tl::wgmma_ss",
    also="words[n] = 0",
    body=_HEAD + "for (int n = i; n < 288; n += 128) words[n] = 0;\n@\ntl::sync_threads();" + _READ,
    defect="",
    fix="tl::fence_proxy_async();",
    **_COMMON,
)
plant(
    "wgmma reads what another warp writes",
    expected="race",
    at="tl::wgmma_ss",
    also="words[n] = 0",
    body=_HEAD + "for (int n = i; n < 288; n += 128) words[n] = 0;\ntl::fence_proxy_async();\n@" + _READ,
    defect="",
    fix="tl::sync_threads();",
    **_COMMON,
)
plant(
    "wgmma operand past the end of shared memory",
    expected="bounds",
    at="tl::wgmma_ss",
    body=_DATA
    + "b = tl::wgmma_advance(b, @);\nalignas(16) float acc[4] = {};\ntl::wgmma_fence();\n"
    + _STEP % "true"
    + "\ntl::wgmma_commit();\ntl::wgmma_wait<0>();"
    + _END,
    defect="2048",
    fix="0",
    **_COMMON,
)
plant(
    "wgmma tile not aligned to its swizzle",
    expected="misuse",
    at="tl::wgmma_ss",
    body=_HEAD
    + """
for (int n = i; n < 1280; n += 128) words[n] = 0;
tl::fence_proxy_async();
tl::sync_threads();
uint64_t a = tl::wgmma_descriptor<128>(smem, 16, 1024), b = tl::wgmma_descriptor<128>(smem + @, 16, 1024);
alignas(16) float acc[4] = {};
tl::wgmma_fence();
"""
    + _STEP % "true"
    + "\ntl::wgmma_commit();\ntl::wgmma_wait<0>();"
    + _END,
    defect="8192 + 128",
    fix="8192",
    **{**_COMMON, "shared": 10240},
)
plant(
    "threads of a warpgroup with different descriptors",
    expected="misuse",
    at="tl::wgmma_ss",
    body=_DATA
    + "b = tl::wgmma_advance(b, @);\nalignas(16) float acc[4] = {};\ntl::wgmma_fence();\n"
    + _STEP % "true"
    + "\ntl::wgmma_commit();\ntl::wgmma_wait<0>();"
    + _END,
    defect="i / 32 * 16",
    fix="0",
    **_COMMON,
)
plant(
    "wgmma in three of four warps",
    expected="deadlock",
    at="tl::wgmma_wait<0>()",
    body=_DATA
    + "alignas(16) float acc[4] = {};\ntl::wgmma_fence();\nif (i < @) {\n"
    + _STEP % "true"
    + "\ntl::wgmma_commit();\ntl::wgmma_wait<0>();\n}"
    + _END,
    defect="96",
    fix="128",
    **_COMMON,
)
plant(
    "wgmma in flight at the end",
    expected="misuse",
    at="tl::wgmma_ss",
    body=_DATA
    + "alignas(16) float acc[4] = {};\ny[i] = 0;\ntl::wgmma_fence();\n"
    + _STEP % "true"
    + "\ntl::wgmma_commit();\n@\n",
    defect="",
    fix="tl::wgmma_wait<0>();",
    **_COMMON,
)
plant(
    "registers taken that nobody gave back",
    expected="deadlock",
    at="tl::set_max_registers_increase<240>()",
    body="if (threadIdx.x < 128) {\n  @\n} else {\n  tl::set_max_registers_increase<240>();\n}\nif (threadIdx.x < 128) y[threadIdx.x] = 0;\n",
    defect="tl::sync_warp();",
    fix="tl::set_max_registers_decrease<24>();",
    headers=["registers"],
    block=384,
    arguments=floats(128, 128),
)
plant(
    "setmaxnreg.dec to more than there are",
    expected="misuse",
    at="tl::set_max_registers_decrease<",
    body="tl::set_max_registers_decrease<@>();\nif (threadIdx.x < 128) y[threadIdx.x] = 0;",
    defect="200",
    fix="40",
    headers=["registers"],
    block=384,
    arguments=floats(128, 128),
)
