"""How findings reach a user: kernel.check, TILELANG_CHECK, text, JSON, source lines and indices."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.env import env
from tilelang.errors import ArgumentError, SimulationError
from tilelang.simulator.check import check_device_text, parse_checks
from tilelang.simulator.check_text import KernelText


def neighbours(N=256):
    """Blocks that overlap by one element."""

    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((N, 2), "float32")):
        with T.Kernel(2, threads=128) as bx:
            for i in T.Parallel(128):
                B[bx * 127 + i, 1] = A[i]

    return main


def unwritten(N=128):
    """An output that is read before anything wrote it."""

    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((N,), "float32")):
        with T.Kernel(1, threads=128):
            for i in T.Parallel(N):
                B[i] += A[i]

    return main


def line_of(function, piece: str) -> str:
    lines, first = inspect.getsourcelines(function)
    return f"{function.__code__.co_filename.split('/')[-1]}:{first + next(i for i, row in enumerate(lines) if piece in row)}"


def compiled(function, **options):
    return tilelang.compile(function, execution_backend="simulator", **options)


def test_report_names_source_line_and_index():
    report = compiled(neighbours()).check(torch.zeros(256), torch.zeros(256, 2))
    (finding,) = report.findings
    assert (finding.check, finding.kind, finding.where) == ("race", "write after unordered write", "B[127, 1]")
    assert {a.source for a in finding.accesses} == {line_of(neighbours, "B[bx * 127")}
    first, second = finding.accesses
    assert (first.block, second.block) == ((1, 0, 0), (0, 0, 0)) and (first.thread, second.thread) == (0, 127)
    assert (second.warp, second.lane) == (3, 31) and "atomic" in finding.missing
    assert "test_report.py" in str(report) and "B[127, 1]" in str(report)


def test_report_as_json():
    report = compiled(neighbours()).check(torch.zeros(256), torch.zeros(256, 2), checks="race", schedules=3)
    data = json.loads(report.to_json())
    assert data["checks"] == ["race"] and data["findings"][0]["accesses"][1]["thread"] == 127


def test_check_leaves_tensors_alone():
    kernel, B = compiled(neighbours()), torch.zeros(256, 2)
    kernel.check(torch.ones(256), B)
    assert not B.any()


def test_unwritten_output():
    assert compiled(unwritten()).check(torch.zeros(128), torch.zeros(128)).ok  # the caller's tensor: he knows what is in it
    report = compiled(unwritten(), out_idx=[1]).check(torch.zeros(128))
    (finding,) = report.findings
    assert finding.check == "init" and finding.where == "B[0]" and finding.count == 128
    assert finding.accesses[0].source == line_of(unwritten, "B[i] += A[i]")


def test_environment_variable(monkeypatch):
    monkeypatch.setenv("TILELANG_CHECK", "race,bounds")
    kernel = compiled(neighbours())
    with pytest.raises(
        SimulationError, match=r"check of `main` found 1 defect\(s\): race: write after unordered write, B\[127, 1\]"
    ):
        kernel(torch.zeros(256), torch.zeros(256, 2))
    monkeypatch.setenv("TILELANG_CHECK", "0")
    assert env.TILELANG_CHECK == ()
    compiled(neighbours())(torch.zeros(256), torch.zeros(256, 2))


def test_names_of_checks():
    assert parse_checks("all") == ("race", "bounds", "init", "deadlock", "misuse") and parse_checks("race, init") == (
        "race",
        "init",
    )
    with pytest.raises(ValueError, match="no check named 'rases'"):
        parse_checks("rases")
    kernel = compiled(neighbours())
    with pytest.raises(ArgumentError, match="no check named 'x'"):
        kernel.check(torch.zeros(256), torch.zeros(256, 2), checks=["x"])
    with pytest.raises(ArgumentError, match="at least one schedule"):
        kernel.check(torch.zeros(256), torch.zeros(256, 2), schedules=0)


def test_deadlock_is_a_cycle():
    text = """#include <tl/core.h>
extern "C" __global__ void k(float* y) {
  if (threadIdx.x < 32) {
    tl::bar_sync<1>(64);
  } else {
    tl::bar_sync<2>(64);
  }
}
TL_ENTRY(k)"""
    (finding,) = check_device_text(text, "k", (1,), (64,), [np.zeros(4, np.float32)]).findings
    assert finding.check == "deadlock" and finding.missing == "the waits form a cycle"
    assert finding.notes == (
        "threads 0-31 wait at barrier 1 (line 4), 32 of 64 threads arrived; only threads 32-63 could release them",
        "threads 32-63 wait at barrier 2 (line 6), 32 of 64 threads arrived; only threads 0-31 could release them",
    )


def test_checks_are_selected():
    text = """#include <tl/core.h>
extern "C" __global__ void k(float* y) {
  float* s = reinterpret_cast<float*>(tl::dyn_smem());
  s[threadIdx.x] = 1;
  y[threadIdx.x] = s[threadIdx.x ^ 63];
}
TL_ENTRY(k)"""

    def checks(selected):
        report = check_device_text(text, "k", (1,), (64,), [np.zeros(64, np.float32)], shared_bytes=256, checks=selected)
        return {f.check for f in report.findings}

    assert checks("race") == {"race"} and checks("init") == {"init"} and checks("bounds,deadlock,misuse") == set()


def test_missing_order_in_words():
    text = """#include <tl/core.h>
#include <tl/cp_async.h>
extern "C" __global__ void k(const float* x, float* y) {
  float* s = reinterpret_cast<float*>(tl::dyn_smem());
  tl::cp_async<4>(s + threadIdx.x, x + threadIdx.x);
  tl::cp_async_commit();
  @
  y[threadIdx.x] = s[threadIdx.x ^ 1];
  tl::cp_async_wait<0>();
}
TL_ENTRY(k)"""

    def missing(code):
        arrays = [np.zeros(32, np.float32), np.zeros(32, np.float32)]
        report = check_device_text(text.replace("@", code), "k", (1,), (32,), arrays, shared_bytes=128, checks="race")
        return {f.missing for f in report.findings if f.kind == "read of unordered write"}

    assert "the copying thread has not waited for its copy (cp_async_wait)" in missing("tl::sync_warp();")
    waited = "the copying thread has waited for its copy, but no barrier lies between that and this access"
    assert waited in missing("tl::cp_async_wait<0>();")
    assert missing("tl::cp_async_wait<0>(); tl::sync_warp();") == set()


def test_kernel_text():
    text = KernelText(
        """#include <tl/core.h>
extern "C" __global__ void __launch_bounds__(128) main_kernel(const tl::half_t* __restrict__ A, float* C, const int32_t n) {
  char* smem = tl::dyn_smem();
  tl::half_t* As = reinterpret_cast<tl::half_t*>(smem + 128);  // 64 bytes
  for (int i = 0; i < 4; ++i) {  // gemm.py:12
    As[i] = A[i];
  }
}
TL_ENTRY(main_kernel)"""
    )
    (section,) = text.sections
    assert (section.name, section.parameters) == ("main_kernel", ("A", "C", "n"))
    (buffer,) = section.shared
    assert (buffer.name, buffer.offset, buffer.bytes, buffer.element_bytes) == ("As", 128, 64, 2)
    assert text.place(6) == "gemm.py:12" and text.place(3) == "" and text.written(6) == "As"
    assert text.shared_at(6, 130) == buffer and text.shared_at(6, 192) is None
