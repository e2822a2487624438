"""Hand-written warp-specialised kernels pass clean; each mutation of one is caught by the checker in its first run."""

# ruff: noqa: E501 - lines of kernel text

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from testing.simulator.programs import program
from tilelang.simulator import TensorMap
from tilelang.simulator.check import CheckReport, check_device_text


@dataclass(frozen=True)
class Mutation:
    """`without` drops a part of the program, `old` becomes `new`; `expected` are the checks that may report it."""

    program: str
    name: str
    expected: str
    without: str = ""
    old: str = ""
    new: str = ""


def gemm(name: str, expected: str, **change: str) -> Mutation:
    return Mutation("gemm_ws", name, expected, **change)


def attention(name: str, expected: str, **change: str) -> Mutation:
    return Mutation("attention", name, expected, **change)


def cluster(name: str, expected: str, **change: str) -> Mutation:
    return Mutation("gemm_cluster", name, expected, **change)


MUTATIONS = [
    gemm("consumer does not wait for the stage", "race", without="full_wait"),
    gemm("producer does not wait for the stage", "race misuse", without="empty_wait"),
    gemm("producer in the wrong phase", "deadlock", old="empty + s, phase ^ 1", new="empty + s, phase"),
    gemm("consumer in the wrong phase", "deadlock race", old="full + s, phase)", new="full + s, phase ^ 1)"),
    gemm("phase never turns", "misuse deadlock", old="s = turn % 4, phase = turn / 4 & 1", new="s = turn % 4, phase = 0"),
    gemm("expect_tx of one tile", "misuse", old="full + s, 32768", new="full + s, 16384"),
    gemm("expect_tx of three tiles", "deadlock", old="full + s, 32768", new="full + s, 49152"),
    gemm("initialisation not fenced", "misuse", old="    tl::fence_mbarrier_init();\n", new=""),
    gemm("no barrier behind the initialisation", "race misuse", old="  tl::sync_threads();\n", new=""),
    gemm("stage released before its product", "race deadlock", old="empty + (turn - 1) % 4);  //", new="empty + turn % 4);  //"),
    gemm("product not waited for before the release", "race", without="wgmma_wait"),
    gemm("last product not waited for", "race", without="last_wait"),
    gemm("fewer arrivals expected than come", "misuse race", old="empty + s, 8)", new="empty + s, 4)"),
    gemm("more arrivals expected than come", "deadlock", old="empty + s, 8)", new="empty + s, 9)"),
    gemm("one warp does not release", "deadlock", old="if (lane == 0) tl::mbarrier_arrive", new="if (lane == 0 && warp) tl::mbarrier_arrive"),
    gemm("products not committed", "race", old="        tl::wgmma_commit();\n", new=""),
    gemm("products not fenced", "misuse", old="        tl::wgmma_fence();\n", new=""),
    gemm("epilogue without a proxy fence", "race", without="proxy_fence"),
    gemm("epilogue without a barrier before the store", "race", without="store_barrier"),
    gemm("output tile reused while it is stored", "race", without="read_wait"),
    gemm("output tile reused by who did not wait", "race", without="reuse_barrier"),
    gemm("store not committed", "race misuse", old="        tl::bulk_commit();\n", new=""),
    gemm("store in flight at the end", "misuse", without="store_wait"),
    gemm("load into the next stage", "race misuse", old="b_tiles + s * 16384, &map_b", new="b_tiles + (s + 1) % 4 * 16384, &map_b"),
    gemm("registers that nobody gave", "deadlock", old="    tl::set_max_registers_decrease<40>();\n", new=""),
    gemm("tiles past the arena", "bounds", old="c_tile + c * 16384", new="c_tile + c * 32768"),
    attention("queries not waited for", "race", without="q_wait"),
    attention("keys not waited for", "race", without="k_wait"),
    attention("values not waited for", "race", without="v_wait"),
    attention("scores not waited for", "race", without="score_wait"),
    attention("output not waited for", "race", without="output_wait"),
    attention("ring slot not waited for", "race misuse", without="empty_wait"),
    attention("turn not handed over", "deadlock", without="hand_over"),
    attention("one warpgroup counts for two", "misuse deadlock", old="tl::bar_sync<3>(256)", new="tl::bar_sync<3>(128)"),
    attention("keys of the wrong phase", "deadlock race", old="full + k_slot, turn / slots & 1", new="full + k_slot, turn / slots & 1 ^ 1"),
    attention("expect_tx of half the queries", "misuse", old="q_full, 16384", new="q_full, 8192"),
    attention("values released as keys", "race misuse deadlock", old="empty + v_slot", new="empty + k_slot"),
    attention("probabilities changed while they are read", "race", old="      tl::wgmma_wait<0>();\n      //]\n      tl::wgmma_pin<64>(o);", new="      for (int i = 0; i < 32; ++i) p[i] = tl::cast<tl::half_t>(s[i]);\n      tl::wgmma_wait<0>();\n      //]\n      tl::wgmma_pin<64>(o);"),
    attention("second product not fenced", "misuse", old="tl::wgmma_descriptor<128>(ring + v_slot * 8192, 8192, 1024);\n      tl::wgmma_fence();", new="tl::wgmma_descriptor<128>(ring + v_slot * 8192, 8192, 1024);"),
    cluster("no cluster barrier behind the initialisation", "race misuse", without="init_sync"),
    cluster("stage not waited for", "race misuse", without="empty_wait"),
    cluster("data not waited for", "race", without="full_wait"),
    cluster("block exits before its peer", "misuse", without="exit_sync"),
    cluster("peer is not told", "race misuse deadlock", old="if (tid < 2) tl::mbarrier_arrive_remote(empty + s, tid)", new="if (tid < 2) tl::mbarrier_arrive(empty + s)"),
]  # fmt: skip


def check(mutation: Mutation) -> CheckReport:
    """One checked run of the mutated program at a small size."""
    rng = np.random.default_rng(0)
    text = program(mutation.program, without=mutation.without, replace=(mutation.old, mutation.new))

    def tensor(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float16)

    if mutation.program == "gemm_ws":
        arrays = [tensor(128, 320), tensor(256, 320), tensor(128, 256)]
        maps = [TensorMap.of(x, box, swizzle=128) for x, box in zip(arrays, ((128, 64), (128, 64), (64, 64)))]
        return check_device_text(text, "gemm", (1,), (384,), [*maps, 5, 2, 2], shared_bytes=163840 + 64)
    if mutation.program == "gemm_cluster":
        a, b, c = tensor(128, 256), tensor(128, 256), tensor(128, 128)
        maps = [TensorMap.of(x, (64, 64), swizzle=128) for x in (a, b)]
        return check_device_text(text, "gemm", (1, 2), (256,), [*maps, c, 128, 4], shared_bytes=6 * 8192 + 32, cluster=(1, 2))
    q, k, v, o = (tensor(1, 256, 64) for _ in range(4))
    maps = [TensorMap.of(x, (1, 64, 64), swizzle=128) for x in (q, k, v)]
    return check_device_text(text, "attention", (1,), (384,), [*maps, o, 256, 4, 0.18], shared_bytes=16384 + 4 * 8192 + 72)


@pytest.mark.parametrize("name", ["gemm_ws", "attention", "gemm_cluster"])
def test_program_is_clean(name):
    report = check(Mutation(name, "none", ""))
    assert report.ok, str(report)


def test_report_names_roles_and_iterations():
    report = check(gemm("", "", without="full_wait"))
    race = next(f for f in report.findings if f.check == "race" and "tma_load" in f.accesses[1].text)
    consumer, producer = race.accesses
    assert producer.role == "producer" and producer.thread == 0 and "wgmma" in consumer.access
    assert consumer.iterations[:2] == producer.iterations == ("tile = 0", "k = 0")
    assert "(warp 0, producer), block (0, 0, 0), iteration tile = 0, k = 0" in str(report)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: f"{m.program}-{m.name.replace(' ', '-')}")
def test_mutation_is_caught(mutation):
    report = check(mutation)
    assert {f.check for f in report.findings} & set(mutation.expected.split()), str(report)
