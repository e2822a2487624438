"""mbarriers: initialisation, arrivals, phases, expected bytes."""

# ruff: noqa: E501 - lines of kernel text

from __future__ import annotations

from testing.checker.defect import plant

_HEAD = """
float* s = reinterpret_cast<float*>(tl::dyn_smem());
uint64_t* bar = reinterpret_cast<uint64_t*>(tl::dyn_smem() + 512);
const int i = threadIdx.x;
"""
_ONE = (
    _HEAD
    + """
if (i == 0) {
  tl::mbarrier_init(bar, 1);
  tl::fence_mbarrier_init();
}
tl::sync_threads();
"""
)
_HEADERS = ["mbarrier", "bulk"]

_ARRIVE_AND_READ = """
s[i] = x[i];
tl::mbarrier_arrive(bar);
@
y[i] = s[63 - i];
"""

plant(
    "mbarrier used before others know of it",
    expected="race",
    at="tl::mbarrier_arrive(bar)",
    also="tl::mbarrier_init(bar, 64)",
    body=_HEAD
    + "if (i == 0) tl::mbarrier_init(bar, 64);\n@\ns[i] = x[i];\ntl::mbarrier_arrive(bar);\ntl::mbarrier_wait(bar, 0);\ny[i] = s[63 - i];",
    defect="",
    fix="tl::sync_threads();",
    headers=_HEADERS,
)
plant(
    "mbarrier never initialised",
    expected="misuse",
    at="tl::mbarrier_arrive(bar)",
    body=_HEAD + "@\ntl::sync_threads();\ns[i] = x[i];\ntl::mbarrier_arrive(bar);\ntl::mbarrier_wait(bar, 0);\ny[i] = s[63 - i];",
    defect="",
    fix="if (i == 0) tl::mbarrier_init(bar, 64);",
    headers=_HEADERS,
)
plant(
    "mbarrier initialised twice",
    expected="misuse",
    at="tl::mbarrier_init(bar, 64)",
    body=_HEAD
    + "if (@) tl::mbarrier_init(bar, 64);\ntl::sync_threads();\ns[i] = x[i];\ntl::mbarrier_arrive(bar);\ntl::mbarrier_wait(bar, 0);\ny[i] = s[63 - i];",
    defect="i % 32 == 0",
    fix="i == 0",
    headers=_HEADERS,
)
plant(
    "mbarrier counts too few arrivals",
    expected="race",
    at="y[i] = s[63 - i]",
    body=_HEAD
    + "if (i == 0) tl::mbarrier_init(bar, @);\ntl::sync_threads();\ns[i] = x[i];\ntl::mbarrier_arrive(bar);\ntl::mbarrier_wait(bar, 0);\ny[i] = s[63 - i];",
    defect="32",
    fix="64",
    headers=_HEADERS,
)
plant(
    "mbarrier counts an arrival that never comes",
    expected="deadlock",
    at="tl::mbarrier_wait(bar, 0)",
    body=_HEAD
    + "if (i == 0) tl::mbarrier_init(bar, @);\ntl::sync_threads();\ns[i] = x[i];\ntl::mbarrier_arrive(bar);\ntl::mbarrier_wait(bar, 0);\ny[i] = s[63 - i];",
    defect="65",
    fix="64",
    headers=_HEADERS,
)
for _name, _defect in (("mbarrier wait for the phase before", "tl::mbarrier_wait(bar, 1);"), ("mbarrier wait missing", "")):
    plant(
        _name,
        expected="race",
        at="y[i] = s[63 - i]",
        also="s[i] = x[i]",
        body=_HEAD + "if (i == 0) tl::mbarrier_init(bar, 64);\ntl::sync_threads();" + _ARRIVE_AND_READ,
        defect=_defect,
        fix="tl::mbarrier_wait(bar, 0);",
        headers=_HEADERS,
    )
plant(
    "more arrivals than the phase lacks",
    expected="misuse",
    at="tl::mbarrier_arrive_count(bar, ",
    body=_HEAD
    + "if (i == 0) tl::mbarrier_init(bar, 63);\ntl::sync_threads();\ns[i] = x[i];\nif (i % 32 == 0) tl::mbarrier_arrive_count(bar, @);\ntl::sync_threads();\ny[i] = s[63 - i];",
    defect="32",
    fix="i ? 31 : 32",
    headers=_HEADERS,
)
plant(
    "mbarrier overwritten by data",
    expected="misuse",
    at="tl::mbarrier_arrive(bar)",
    body=_HEAD
    + "if (i == 0) tl::mbarrier_init(bar, 64);\ntl::sync_threads();\nif (i == 0) s[@] = 1;\ntl::sync_threads();\ntl::mbarrier_arrive(bar);\ntl::mbarrier_wait(bar, 0);\ny[i] = x[i];",
    defect="128",
    fix="127",
    headers=_HEADERS,
)
plant(
    "mbarrier at an odd address",
    expected="misuse",
    at="tl::mbarrier_init(bar, 1)",
    body="uint64_t* bar = reinterpret_cast<uint64_t*>(tl::dyn_smem() + @);\nif (threadIdx.x == 0) tl::mbarrier_init(bar, 1);\ny[threadIdx.x] = 0;",
    defect="4",
    fix="8",
    headers=_HEADERS,
)
plant(
    "expect_tx of more bytes than come",
    expected="deadlock",
    at="tl::mbarrier_wait(bar, 0)",
    body=_ONE
    + "if (i == 0) {\n  tl::mbarrier_arrive_expect_tx(bar, @);\n  tl::bulk_load(s, x, 256, bar);\n}\ntl::mbarrier_wait(bar, 0);\ny[i] = s[i];",
    defect="512",
    fix="256",
    headers=_HEADERS,
)
plant(
    "expect_tx of fewer bytes than come",
    expected="misuse",
    at="tl::bulk_load(s",
    body=_ONE
    + "if (i == 0) {\n  tl::mbarrier_arrive_expect_tx(bar, @);\n  tl::bulk_load(s, x, 128, bar);\n  tl::bulk_load(s + 32, x + 32, 128, bar);\n}\ntl::mbarrier_wait(bar, 0);\ny[i] = s[i];",
    defect="128",
    fix="256",
    headers=_HEADERS,
)
plant(
    "arrival without expect_tx",
    expected="misuse",
    at="tl::mbarrier_arrive",
    body=_ONE + "if (i == 0) {\n  tl::bulk_load(s, x, 256, bar);\n  @;\n}\ntl::mbarrier_wait(bar, 0);\ny[i] = s[i];",
    defect="tl::mbarrier_arrive(bar)",
    fix="tl::mbarrier_arrive_expect_tx(bar, 256)",
    headers=_HEADERS,
)
_RING = (
    _HEAD
    + """
uint64_t* empty = bar + 2;
if (i == 0) {
  for (int n = 0; n < 2; ++n) { tl::mbarrier_init(bar + n, 1); tl::mbarrier_init(empty + n, 32); }
  tl::fence_mbarrier_init();
}
tl::sync_threads();
if (i == 32) {
  for (int k = 0; k < 4; ++k) {
    %s
    tl::mbarrier_arrive_expect_tx(bar + k %% 2, 128);
    tl::bulk_load(s + k %% 2 * 32, x + k %% 2 * 32, 128, bar + k %% 2);
  }
} else if (i < 32) {
  float sum = 0;
  for (int k = 0; k < 4; ++k) {
    tl::mbarrier_wait(bar + k %% 2, %s);
    %s
  }
  y[i] = sum;
}
"""
)
_WAIT, _PHASE = "tl::mbarrier_wait(empty + k % 2, k / 2 % 2 ^ 1);", "k / 2 % 2"
_USE = "sum += s[k % 2 * 32 + 31 - i];\n    tl::mbarrier_arrive(empty + k % 2);"
plant(
    "producer does not wait for the stage",
    expected="misuse",
    at="tl::mbarrier_arrive_expect_tx(bar + k",
    body=_RING % ("@", _PHASE, _USE),
    defect="",
    fix=_WAIT,
    headers=_HEADERS,
)
plant(
    "consumer releases the stage before it reads",
    expected="race",
    at="sum += s[k",
    also="tl::bulk_load(s + k",
    body=_RING % (_WAIT, _PHASE, "@"),
    defect="tl::mbarrier_arrive(empty + k % 2);\n    sum += s[k % 2 * 32 + 31 - i];",
    fix=_USE,
    headers=_HEADERS,
)
plant(
    "consumer waits for stages in the wrong phase",
    expected="deadlock",
    at="tl::mbarrier_wait",
    body=_RING % (_WAIT, "@", _USE),
    defect="k % 2",
    fix=_PHASE,
    headers=_HEADERS,
)
plant(
    "producer starts with the phase of a consumer",
    expected="deadlock",
    at="tl::mbarrier_wait(empty",
    body=_RING % ("tl::mbarrier_wait(empty + k % 2, @);", _PHASE, _USE),
    defect="k / 2 % 2",
    fix="k / 2 % 2 ^ 1",
    headers=_HEADERS,
)
plant(
    "mbarrier does not track the cp.async",
    expected="race",
    at="y[i] = s[63 - i]",
    also="tl::cp_async<4>",
    body=_HEAD
    + "if (i == 0) tl::mbarrier_init(bar, 64);\ntl::sync_threads();\ntl::cp_async<4>(s + i, x + i);\n@;\ntl::mbarrier_wait(bar, 0);\ny[i] = s[63 - i];\ntl::cp_async_commit();\ntl::cp_async_wait<0>();",
    defect="tl::mbarrier_arrive(bar)",
    fix="tl::cp_async_mbarrier_arrive_noinc(bar)",
    headers=[*_HEADERS, "cp_async"],
)
