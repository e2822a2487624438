"""Clusters, distributed shared memory, cooperative grids."""

# ruff: noqa: E501 - lines of kernel text

from __future__ import annotations

import numpy as np

from testing.checker.defect import floats, plant

_HEAD = """
float* s = reinterpret_cast<float*>(tl::dyn_smem());
uint64_t* bar = reinterpret_cast<uint64_t*>(tl::dyn_smem() + 512);
const int i = threadIdx.x;
const uint32_t rank = tl::cluster_rank(), peer = rank ^ 1;
"""
_PAIR = {"headers": ["cluster", "mbarrier", "bulk"], "grid": 2, "cluster": 2}

for _name, _defect in (
    ("peer's shared memory read without a cluster barrier", "tl::sync_threads();"),
    ("cluster barrier whose arrival does not release", "tl::cluster_arrive_relaxed(); tl::cluster_wait();"),
):
    plant(
        _name,
        expected="race",
        at="if (rank == 0) y[i] = *tl::map_shared_rank(s + i, peer)",
        also="s[i] = x[i]",
        body=_HEAD + "s[i] = x[i];\n@\nif (rank == 0) y[i] = *tl::map_shared_rank(s + i, peer);\ntl::cluster_sync();",
        defect=_defect,
        fix="tl::cluster_sync();",
        **_PAIR,
    )
plant(
    "block exits while its peer reads it",
    expected="misuse",
    at="if (rank == 0) tl::mbarrier_arrive_remote(bar, peer)",
    body=_HEAD
    + "if (i == 0) tl::mbarrier_init(bar, 64);\ntl::cluster_sync();\nif (rank == 0) tl::mbarrier_wait(bar, 0);\nif (rank == 1) tl::mbarrier_arrive_remote(bar, 0);\nif (rank == 0) y[i] = x[i];\nif (rank == 0) tl::mbarrier_arrive_remote(bar, peer);\n@",
    defect="",
    fix="tl::cluster_sync();",
    **_PAIR,
)
plant(
    "peer's data overwritten before it was read",
    expected="race",
    at="*tl::map_shared_rank(s + i, peer) = 2",
    also="y[i + rank * 0] = s[63 - i]",
    body=_HEAD
    + "s[i] = x[i];\ntl::cluster_sync();\nif (rank == 1) y[i + rank * 0] = s[63 - i];\n@\nif (rank == 0) *tl::map_shared_rank(s + i, peer) = 2;\ntl::cluster_sync();",
    defect="",
    fix="tl::cluster_sync();",
    **_PAIR,
)
plant(
    "rank outside the cluster",
    expected="misuse",
    at="tl::map_shared_rank(s + i, ",
    body=_HEAD + "s[i] = x[i];\ntl::cluster_sync();\nif (rank == 0) y[i] = *tl::map_shared_rank(s + i, @);\ntl::cluster_sync();",
    defect="2",
    fix="1",
    **_PAIR,
)
plant(
    "remote arrival that never comes",
    expected="deadlock",
    at="tl::mbarrier_wait(bar, 0)",
    body=_HEAD
    + "if (i == 0) tl::mbarrier_init(bar, 128);\ntl::cluster_sync();\ntl::mbarrier_arrive(bar);\n@\ntl::mbarrier_wait(bar, 0);\nif (rank == 0) y[i] = x[i];\ntl::cluster_sync();",
    defect="",
    fix="tl::mbarrier_arrive_remote(bar, peer);",
    **_PAIR,
)
plant(
    "peer's mbarrier used before it is initialised",
    expected="misuse",
    at="tl::mbarrier_arrive_remote(bar, peer)",
    body=_HEAD
    + "if (i == 0) tl::mbarrier_init(bar, 64);\n@;\ntl::mbarrier_arrive_remote(bar, peer);\ntl::mbarrier_wait(bar, 0);\nif (rank == 0) y[i] = x[i];\ntl::cluster_sync();",
    defect="tl::sync_threads()",
    fix="tl::cluster_sync()",
    **_PAIR,
)
_COPY = (
    _HEAD
    + """
s[i] = x[i];
if (i == 0) {
  tl::mbarrier_init(bar, 1);
  tl::fence_mbarrier_init();
  tl::mbarrier_arrive_expect_tx(bar, 256);
}
tl::fence_proxy_async();
tl::cluster_sync();
if (i == 0) tl::bulk_copy_to_rank(s + 64, s, 256, bar, peer);
"""
)
plant(
    "copy from a peer read without a wait",
    expected="race",
    at="if (rank == 0) y[i] = s[64 + i]",
    also="tl::bulk_copy_to_rank(s + 64, s, 256, bar, peer)",
    body=_COPY + "@\nif (rank == 0) y[i] = s[64 + i];\ntl::mbarrier_wait(bar, 0);\ntl::cluster_sync();",
    defect="",
    fix="tl::mbarrier_wait(bar, 0);",
    **_PAIR,
)
plant(
    "source of a copy to a peer overwritten before it has landed",
    expected="race",
    at="s[i] = 0",
    also="tl::bulk_copy_to_rank(s + 64, s, 256, bar, peer)",
    body=_COPY + "tl::mbarrier_wait(bar, 0);\n@\ns[i] = 0;\nif (rank == 0) y[i] = s[64 + i];\ntl::cluster_sync();",
    defect="",
    fix="tl::cluster_sync();",
    **_PAIR,
)
_MULTICAST = (
    _HEAD
    + """
if (i == 0) {
  tl::mbarrier_init(bar, 1);
  tl::fence_mbarrier_init();
  %s
}
tl::cluster_sync();
if (rank == 0 && i == 0) tl::bulk_load_multicast(s, x, 256, bar, 3);
%s
if (rank == 1) y[i] = s[i];
tl::mbarrier_wait(bar, 0);
tl::cluster_sync();
"""
)
_EXPECT = "tl::mbarrier_arrive_expect_tx(bar, 256);"
plant(
    "multicast data read by the peer without a wait",
    expected="race",
    at="if (rank == 1) y[i] = s[i]",
    also="tl::bulk_load_multicast(s, x, 256, bar, 3)",
    body=_MULTICAST % (_EXPECT, "@"),
    defect="",
    fix="tl::mbarrier_wait(bar, 0);",
    **_PAIR,
)
plant(
    "multicast for which the peer expects nothing",
    expected="race",
    at="if (rank == 1) y[i] = s[i]",
    also="tl::bulk_load_multicast(s, x, 256, bar, 3)",
    body=_MULTICAST % ("", "if (i == 0) { if (rank == 0) " + _EXPECT + " else @; }\ntl::mbarrier_wait(bar, 0);"),
    defect="tl::mbarrier_arrive(bar)",
    fix="tl::mbarrier_arrive_expect_tx(bar, 256)",
    **_PAIR,
)
plant(
    "wait on a peer's mbarrier",
    expected="misuse",
    at="tl::mbarrier_wait(",
    body=_HEAD
    + "if (i == 0) tl::mbarrier_init(bar, 64);\ntl::cluster_sync();\ntl::mbarrier_arrive(bar);\ntl::mbarrier_wait(@, 0);\nif (rank == 0) y[i] = x[i];\ntl::cluster_sync();",
    defect="tl::map_shared_rank(bar, peer)",
    fix="bar",
    **_PAIR,
)
plant(
    "cluster_wait without cluster_arrive",
    expected="misuse",
    at="tl::cluster_wait()",
    body=_HEAD + "s[i] = x[i];\n@\ntl::cluster_wait();\nif (rank == 0) y[i] = s[i];",
    defect="",
    fix="tl::cluster_arrive();",
    **_PAIR,
)
_GRID = {"headers": ["cluster"], "grid": 2, "cooperative": True}
plant(
    "blocks exchange without a grid barrier",
    expected="race",
    at="if (blockIdx.x == 0) y[i] = z[127 - i]",
    also="z[blockIdx.x * 64 + i] = i",
    body="const int i = threadIdx.x;\nz[blockIdx.x * 64 + i] = i;\n@\nif (blockIdx.x == 0) y[i] = z[127 - i];",
    defect="tl::sync_threads();",
    fix="tl::grid_sync(counter);",
    parameters="float* z, float* y, uint32_t* counter",
    arguments=lambda: [*floats(128, 64)(), np.zeros(1, np.uint32)],
    **_GRID,
)
