"""Bad configurations cost themselves alone: a hang, a crash, a refused text, too much memory, a wrong result."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.autotuner import AutotuneError, AutoTuner

CRASH = "__device__ inline float crash(float x) { *(volatile int*)8 = 1; return x; }"


def scale(mode="good", threads=32):
    N = 256

    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((N,), "float32")):
        with T.Kernel(T.ceildiv(N, 64), threads=threads) as bx:
            T.import_source(CRASH)
            W = T.alloc_fragment((64,), "float32")
            for i in T.Parallel(64):
                W[i] = A[bx * 64 + i]
            if mode == "hang":
                for _ in T.serial(2**20):  # hours, on a GPU too
                    for _ in T.serial(2**24):
                        for i in T.Parallel(64):
                            W[i] = W[i] * 0.5 + A[bx * 64 + i]
            for i in T.Parallel(64):
                if mode == "crash":
                    B[bx * 64 + i] = T.call_extern("float32", "crash", W[i])
                elif mode == "refused":
                    B[bx * 64 + i] = T.call_extern("float32", "no_such_function", W[i])
                elif mode == "wrong":
                    B[bx * 64 + i] = W[i] * 2.5
                else:
                    B[bx * 64 + i] = W[i] * 2

    return main


def greedy(mode="good"):
    """Like `scale`, with a workspace that no machine has."""
    N = 256

    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((N,), "float32")):
        W = T.alloc_global((2**20 if mode == "greedy" else 1, 2**20), "float32")
        with T.Kernel(1, threads=32):
            for i in T.Parallel(N):
                W[0, i] = A[i] * 2
        with T.Kernel(1, threads=32):
            for i in T.Parallel(N):
                B[i] = W[0, i]

    return main


def tuner(function, configs, timeout=60):
    found = AutoTuner.from_kernel(function, configs).set_compile_args(out_idx=-1)
    return found.set_profile_args(warmup=0, rep=1, timeout=timeout, ref_prog=lambda a: a * 2)


def test_each_bad_configuration_costs_itself_alone(device):
    modes = ["good", "hang", "crash", "refused", "wrong", "good"]
    configs = [{"mode": mode, "threads": 32 if n else 64} for n, mode in enumerate(modes)]
    configs.append({"mode": "good", "threads": 2048})
    result = tuner(scale, configs, timeout=8).run()
    statuses = [record.status for record in result.records]
    assert statuses == ["measured", "timeout", "crashed", "compile failed", "wrong result", "measured", "pruned"]
    assert [record.index for record in result.failures] == [1, 2, 3, 4]
    reasons = [record.reason for record in result.records]
    assert "longer than 8 s" in reasons[1] and "elements differ" in reasons[4] and "2048 threads" in reasons[6]
    assert result.config["mode"] == "good" and result.latency > 0
    a = torch.randn(256, device=device)
    torch.testing.assert_close(result.kernel(a), a * 2)
    assert result.kernel.get_tuner_result()["config"] == result.config
    report = result.report()
    assert all(mode in report for mode in modes)
    assert ("simulator" in result.device) is ("times are of the CPU simulator" in report) is (device == "cpu")


def test_too_much_memory():
    result = tuner(greedy, [{"mode": "greedy"}, {"mode": "good"}]).run()
    assert [record.status for record in result.records] == ["out of memory", "measured"]


def test_all_failing_is_one_error_that_lists_them():
    with pytest.raises(AutotuneError, match="No configuration successfully compiled") as caught:
        tuner(scale, [{"mode": "wrong"}, {"mode": "refused"}, {"threads": 4096}]).run()
    text = str(caught.value)
    assert "wrong result" in text and "compile failed" in text and "pruned" in text


def test_what_was_measured_once_is_not_measured_again(monkeypatch):
    configs = [{"mode": "good", "threads": threads} for threads in (96, 128)]
    first = tuner(scale, configs).run()
    assert not all(record.reused for record in first.records)
    again = tuner(scale, [*configs, {"mode": "good", "threads": 160}]).run()
    assert [record.reused for record in again.records] == [True, True, False]
    assert again.records[0].latency_ms == first.records[0].latency_ms
    monkeypatch.setitem(tilelang.env.forced, "TILELANG_AUTO_TUNING_DISABLE_CACHE", True)
    assert not any(record.reused for record in tuner(scale, configs).run().records)
