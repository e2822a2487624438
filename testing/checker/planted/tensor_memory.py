"""Tensor memory and tcgen05: waits, commits, fences between threads, allocation."""

# ruff: noqa: E501 - lines of kernel text

from __future__ import annotations

from testing.checker.defect import floats, plant

# Tiles of zeros, 128 x 16 by 16 x 16; the accumulator is columns 0 to 15.
_HEAD = """
char* smem = tl::dyn_smem();
uint64_t* words = reinterpret_cast<uint64_t*>(smem);
uint64_t* bar = reinterpret_cast<uint64_t*>(smem + 8192);
uint32_t* slot = reinterpret_cast<uint32_t*>(smem + 8200);
const int i = threadIdx.x;
for (int n = i; n < 1024; n += 128) words[n] = 0;
if (i == 0) { tl::mbarrier_init(bar, 1); tl::fence_mbarrier_init(); }
if (i < 32) { tl::tcgen05_alloc<32>(slot); tl::tcgen05_relinquish(); }
%s
tl::sync_threads();
const uint32_t d = *slot, mine = d + (static_cast<uint32_t>(i / 32) << 21);
const uint64_t a = tl::tcgen05_descriptor<32>(smem, 16, 256), b = tl::tcgen05_descriptor<32>(smem + 4096, 16, 256);
float r[16];
"""
_FENCED = _HEAD % "tl::fence_proxy_async();"
_MMA = "tl::tcgen05_mma_ss<tl::half_t, tl::half_t, float, 128, 16>(d, a, b, false);"
_READ = "tl::tcgen05_ld<16>(r, mine);\ntl::tcgen05_wait_ld();\n"
_END = "y[i] = r[3];\ntl::tcgen05_fence_before();\ntl::sync_threads();\ntl::tcgen05_fence_after();\nif (i < 32) tl::tcgen05_dealloc<32>(d);"
_WAIT = "tl::mbarrier_wait(bar, 0);\n"
_COMMON = {"headers": ["mbarrier", "tcgen05"], "block": 128, "shared": 8208, "arguments": floats(128, 128)}

plant(
    "tensor core reads what was not fenced",
    expected="race",
    at="tl::tcgen05_mma_ss",
    also="words[n] = 0",
    body=(_HEAD % "@")
    + f"if (i == 0) {{\n{_MMA}\ntl::tcgen05_commit(bar);\n}}\n{_WAIT}tl::tcgen05_fence_after();\n{_READ}{_END}",
    defect="",
    fix="tl::fence_proxy_async();",
    **_COMMON,
)
plant(
    "products that nobody commits",
    expected="misuse",
    at="tl::tcgen05_ld",
    body=_FENCED + f"if (i == 0) {{\n{_MMA}\n}}\n@\ntl::tcgen05_fence_after();\n{_READ}{_END}",
    defect="",
    fix="if (i == 0) tl::tcgen05_commit(bar);\ntl::mbarrier_wait(bar, 0);",
    **_COMMON,
)
plant(
    "products that nobody waits for",
    expected="misuse",
    at="tl::tcgen05_ld",
    body=_FENCED + f"if (i == 0) {{\n{_MMA}\ntl::tcgen05_commit(bar);\n}}\n@\ntl::tcgen05_fence_after();\n{_READ}{_END}",
    defect="",
    fix="tl::mbarrier_wait(bar, 0);",
    **_COMMON,
)
plant(
    "tiles overwritten while the tensor core reads them",
    expected="race",
    at="words[i] = 1",
    also="tl::tcgen05_mma_ss",
    body=_FENCED + f"if (i == 0) {{\n{_MMA}\ntl::tcgen05_commit(bar);\n}}\n@\ntl::tcgen05_fence_after();\n{_READ}{_END}",
    defect="words[i] = 1;\ntl::mbarrier_wait(bar, 0);",
    fix="tl::mbarrier_wait(bar, 0);\nwords[i] = 1;",
    **_COMMON,
)
plant(
    "no fence behind the wait for products",
    expected="misuse",
    at="tl::tcgen05_ld",
    body=_FENCED + f"if (i == 0) {{\n{_MMA}\ntl::tcgen05_commit(bar);\n}}\n{_WAIT}@\n{_READ}{_END}",
    defect="",
    fix="tl::tcgen05_fence_after();",
    **_COMMON,
)
_TWICE = (
    _FENCED
    + f"if (i == 0) {{\n{_MMA}\ntl::tcgen05_commit(bar);\n}}\n{_WAIT}tl::tcgen05_fence_after();\n{_READ}y[i] = r[0];\n@\n"
    + f"if (i == 0) {{\ntl::tcgen05_fence_after();\n{_MMA} // again\ntl::tcgen05_commit(bar);\n}}\ntl::mbarrier_wait(bar, 1);\n"
    + f"tl::tcgen05_fence_after();\n{_READ}{_END}"
)
plant(
    "products over columns that others may still load",
    expected="race",
    at="// again",
    also="tl::tcgen05_ld",
    body=_TWICE,
    defect="tl::tcgen05_fence_before();",
    fix="tl::tcgen05_fence_before();\ntl::sync_threads();",
    **_COMMON,
)
plant(
    "no fence before the barrier in front of products",
    expected="misuse",
    at="// again",
    body=_TWICE,
    defect="tl::sync_threads();",
    fix="tl::tcgen05_fence_before();\ntl::sync_threads();",
    **_COMMON,
)
plant(
    "registers read before the wait for their load",
    expected="race",
    at="y[i] = r[3]",
    body=_FENCED + f"if (i == 0) {{\n{_MMA}\ntl::tcgen05_commit(bar);\n}}\n{_WAIT}tl::tcgen05_fence_after();\n@\n"
    "tl::tcgen05_fence_before();\ntl::sync_threads();\ntl::tcgen05_fence_after();\nif (i < 32) tl::tcgen05_dealloc<32>(d);",
    defect="tl::tcgen05_ld<16>(r, mine);\ny[i] = r[3];\ntl::tcgen05_wait_ld();",
    fix="tl::tcgen05_ld<16>(r, mine);\ntl::tcgen05_wait_ld();\ny[i] = r[3];",
    **_COMMON,
)
plant(
    "columns loaded that nothing wrote",
    expected="init",
    at="tl::tcgen05_ld",
    body=_FENCED + f"@\n{_READ}{_END}",
    defect="",
    fix="for (int n = 0; n < 16; ++n) r[n] = x[i];\ntl::tcgen05_st<16>(mine, r);\ntl::tcgen05_wait_st();",
    **_COMMON,
)
for _name, _part, _defect, _fix in (
    ("tensor memory that is not given back", "tl::tcgen05_alloc", "", "if (i < 32) tl::tcgen05_dealloc<32>(d);"),
    ("tensor memory given back twice", "second", "if (i < 32) tl::tcgen05_dealloc<32>(d);\nif (i < 32) tl::tcgen05_dealloc<32>(d); // second", "if (i < 32) tl::tcgen05_dealloc<32>(d);"),
    ("tensor memory of another size given back", "tl::tcgen05_dealloc", "if (i < 32) tl::tcgen05_dealloc<64>(d);", "if (i < 32) tl::tcgen05_dealloc<32>(d);"),
    ("columns beyond the allocation", "tl::tcgen05_ld", "tl::tcgen05_ld<64>(r + 0, mine);", "if (i < 32) tl::tcgen05_dealloc<32>(d);"),
    ("lanes of another warp", "tl::tcgen05_ld", "tl::tcgen05_ld<16>(r, d);", "if (i < 32) tl::tcgen05_dealloc<32>(d);"),
):  # fmt: skip
    plant(_name, expected="misuse", at=_part, body=_FENCED + "y[i] = x[i];\n@", defect=_defect, fix=_fix, **_COMMON)
