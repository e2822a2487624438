"""@tilelang.autotune and AutoTuner: calls, options, tables, pages."""

from __future__ import annotations

import json

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.autotuner import (
    AutoTuner,
    AutotuneResult,
    Record,
    SearchSettings,
    TuningTable,
    TuningTableError,
    get_autotune_inputs,
    set_autotune_inputs,
)
from tilelang.autotuner.configs import list_configs
from tilelang.autotuner.table import Entry
from tilelang.errors import ArgumentError, ArgumentTypeError

FAST = dict(warmup=0, rep=1, timeout=60)
CONFIGS = [{"block": 32}, {"block": 64, "pass_configs": {tilelang.PassConfigKey.TL_ENABLE_FAST_MATH: True}}]


@tilelang.autotune(configs=CONFIGS, ref_prog=lambda a: a * 3, **FAST)
@tilelang.jit(out_idx=-1)
def triple(N, block=16, factor=3):
    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((N,), "float32")):
        with T.Kernel(T.ceildiv(N, block), threads=32) as bx:
            for i in T.Parallel(block):
                B[bx * block + i] = A[bx * block + i] * factor

    return main


@tilelang.autotune(configs={"block": [32, 64]}, **FAST)
@tilelang.jit
def add(A, B, block: int = 16):
    N = T.const("N")
    A: T.Tensor((N,), "float32")
    B: T.Tensor((N,), "float32")
    C = T.empty((N,), "float32")
    with T.Kernel(T.ceildiv(N, block), threads=32) as bx:
        for i in T.Parallel(block):
            C[bx * block + i] = A[bx * block + i] + B[bx * block + i]
    return C


def shift(block=16, by=0):
    @T.prim_func
    def main(A: T.Tensor((128,), "float32"), B: T.Tensor((128,), "float32")):
        with T.Kernel(T.ceildiv(128, block), threads=32) as bx:
            for i in T.Parallel(block):
                B[bx * block + i] = A[bx * block + i] + 1

    return main


def copy_shifted(a, b):
    b.copy_(a + 1)


def test_a_lazy_function_returns_its_best_kernel(device):
    kernel = triple(200)
    assert kernel.config in CONFIGS and kernel.latency > 0 and kernel.ref_latency > 0
    assert triple(200) is kernel
    result = next(iter(triple.results.values()))
    assert isinstance(result, AutotuneResult) and result.kernel is kernel and len(result.ranking()) == 2
    assert result.libcode == kernel.get_kernel_source() and result.func.script()
    a = torch.randn(200, device=device)
    torch.testing.assert_close(kernel(a), a * 3)


def test_given_parameters_are_not_tuned():
    assert triple(200, block=128).config is None


def test_an_eager_function_runs_the_best(device):
    a, b = torch.randn(100, device=device), torch.randn(100, device=device)
    torch.testing.assert_close(add(a, b), a + b)
    (result,) = add.results.values()
    assert result.config in ({"block": 32}, {"block": 64})
    torch.testing.assert_close(add(b, b), b + b)
    assert len(add.results) == 1  # the same shapes
    assert add.compile(N=100) is not None


def test_in_place_kernels_are_checked_by_what_they_change():
    tuner = AutoTuner.from_kernel(shift, [{"block": 32}]).set_profile_args(**FAST, ref_prog=lambda a, b: a + 1)
    assert tuner.run().config == {"block": 32}
    tuner.set_profile_args(**FAST, ref_prog=copy_shifted)
    assert tuner.run().config == {"block": 32}


def test_captured_inputs_supply_programs_and_manual_checks():
    seen = []

    def supply(params):
        seen.append([p.name for p in params])
        return [torch.full((128,), 7.0)]

    def manual(outputs, expected):
        seen.append((outputs[0][0].item(), expected[0][0].item()))

    tuner = AutoTuner.from_kernel(shift, [{"block": 16}]).set_compile_args(out_idx=[1])
    tuner.set_profile_args(**FAST, supply_prog=supply, ref_prog=lambda a: a + 1, manual_check_prog=manual)
    assert tuner.run().config == {"block": 16} and seen == [["A"], (8.0, 8.0)]
    assert get_autotune_inputs() is None
    with set_autotune_inputs([torch.full((128,), 9.0)]):
        assert get_autotune_inputs()[0][0] == 9
        tuner.set_profile_args(**FAST, ref_prog=lambda a: torch.full((128,), 10.0))
        assert tuner.run().config == {"block": 16}


def test_configurations_that_differ_in_passes_are_traced_once():
    traced = []

    def program(block=16):
        traced.append(block)
        return shift(block)

    passes = [{}, {"tl.enable_fast_math": True}, {"tl.disable_vectorize_256": True}]
    configs = [{"block": block, "pass_configs": p} for block in (16, 32) for p in passes]
    result = AutoTuner.from_kernel(program, configs).set_profile_args(**FAST).run()
    assert [r.status for r in result.records] == ["measured"] * 6 and traced.count(16) == traced.count(32) == 1


def test_pages_and_records(tmp_path, device):
    result = triple.tune(96)
    page = tmp_path / "sweep.html"
    result.plot(page)
    text = page.read_text()
    assert result.device in text and "block=32" in text
    assert ("CPU simulator" in text) is (device == "cpu")  # whose times say nothing of a GPU
    data = json.loads(json.dumps([record.to_dict() for record in result.records]))
    assert data[1]["config"]["pass_configs"] == {"tl.enable_fast_math": True} and data[0]["status"] == "measured"


def test_a_budget_that_is_used_up_skips_the_rest(monkeypatch):
    from tilelang.autotuner import sweep

    monkeypatch.setattr(sweep, "_COMPILE_SHARE", 0.0)
    with pytest.raises(tilelang.autotuner.AutotuneError, match="budget of 5 s was used up"):
        AutoTuner.from_kernel(shift, [{"block": 8}]).run(search=SearchSettings(budget=5.0))


def test_configurations():
    assert list_configs({"a": [1, 2], "b": (3,), "c": 4}) == [{"a": 1, "b": 3, "c": 4}, {"a": 2, "b": 3, "c": 4}]
    assert list_configs(({"a": 1},)) == [{"a": 1}]
    assert list_configs(lambda n, k=2: [{"a": n + k}], (1, 5, 6), {"other": 3}) == [{"a": 6}]
    with pytest.raises(ValueError, match="empty"):
        list_configs([])
    with pytest.raises(ValueError, match="Unused keys in config 0: 'nothing'"):
        AutoTuner.from_kernel(shift, [{"nothing": 1}]).run()
    with pytest.raises(ValueError, match="Unused keys in config 0: 'nothing'"):
        tilelang.autotune(configs=[{"nothing": 1}])(tilelang.jit(out_idx=-1)(lambda n: shift))(64)
    with pytest.raises(AssertionError, match="put @tilelang.jit directly under"):
        tilelang.autotune(configs=[{}])(shift)
    with pytest.raises(ValueError, match="early_stop_factor"):
        AutoTuner.from_kernel(shift, [{}]).run(early_stop=True, early_stop_factor=0.5)
    with pytest.raises(ValueError, match="needs configs"):
        tilelang.autotune(triple.jit_impl)
    with pytest.raises(ArgumentTypeError, match="tilelang.jit"):
        tilelang.autotune(shift, configs=CONFIGS)
    with pytest.raises(ArgumentError, match="table"):
        tilelang.autotune(configs=CONFIGS, deterministic=True)


def test_tables(tmp_path):
    path = tmp_path / "triple.tune.json"
    settings = dict(configs=CONFIGS, **FAST, table=path)
    tuned = tilelang.autotune(**settings)(triple.jit_impl)
    kernel = tuned(64)
    pinned = tilelang.autotune(**settings, deterministic=True)(triple.jit_impl)
    assert pinned(64).config["block"] == kernel.config["block"] and not pinned.results
    with pytest.raises(TuningTableError, match="no entry for {'N': 80}"):
        pinned(80)
    near = tilelang.autotune(**settings, deterministic=True, lookup="nearest")(triple.jit_impl)
    assert near(80).config["block"] == kernel.config["block"]
    table = TuningTable.open(path)
    table.entries = [Entry(**{**vars(e), "digest": "of another text"}) for e in table.entries]
    table.save()
    with pytest.raises(TuningTableError, match="another version"):
        tilelang.autotune(**settings, deterministic=True)(triple.jit_impl)(64)
    path.write_text("{}")
    with pytest.raises(TuningTableError, match="not a tuning table"):
        TuningTable.open(path)


def test_the_nearest_entry_is_nearest_in_ratio_and_equal_in_the_rest():
    def entry(m, dtype="float16", config=0):
        return Entry({"A": {"shape": [m, 64], "dtype": dtype}, "causal": True}, "gpu", {"block": config}, 1.0)

    table = TuningTable(None, [entry(1024, config=1), entry(4096, config=2), entry(2000, "int8", config=3)])

    def ask(m, dtype="float16", causal=True, device="gpu"):
        return table.nearest({"A": {"shape": [m, 64], "dtype": dtype}, "causal": causal}, device)

    assert ask(1900).config == {"block": 1} and ask(2100).config == {"block": 2} and ask(9, "int8").config == {"block": 3}
    assert ask(1024, causal=False) is None and ask(1024, device="other") is None


def test_the_choice_among_equals_is_the_first():
    from tilelang.autotuner.inputs import Question
    from tilelang.autotuner.settings import ProfileSettings
    from tilelang.autotuner.sweep import Sweep

    records = [Record(i, {"i": i}, status="measured", latency_ms=t, reused=True) for i, t in enumerate([1.2, 1.005, 1.0, 1.001])]
    assert Sweep(records, [], ProfileSettings(), SearchSettings(), Question()).run().index == 1


def test_the_cpu_itself_is_tuned_too():
    tuner = AutoTuner.from_kernel(shift, [{"block": 32}, {"block": 64}]).set_compile_args(out_idx=[1], target="c")
    result = tuner.set_profile_args(**FAST, ref_prog=lambda a: a + 1).run()
    assert result.device.startswith("CPU") and [r.status for r in result.records] == ["measured"] * 2
