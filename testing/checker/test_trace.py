"""Traces: what is recorded, the Perfetto format, the picture."""

from __future__ import annotations

import builtins
import json

import pytest
import torch

import tilelang
from testing.programs import catalogue
from testing.programs.reference import random
from tilelang.errors import ArgumentError, UnavailableError


@pytest.fixture(scope="module")
def trace():
    one_tile = {"tl.enable_tile_resizing": False}
    kernel = tilelang.compile(
        catalogue.gemm(M=128, N=128, K=128, stages=2), execution_backend="simulator", pass_configs=one_tile
    )
    A, B, C = (
        random((128, 128), "float16", "cpu"),
        random((128, 128), "float16", "cpu"),
        torch.zeros(128, 128, dtype=torch.float16),
    )
    result = kernel.trace(A, B, C)
    assert C.any()  # the call itself took place
    return result


def test_events(trace):
    assert {e.kind for e in trace.events} == {"copy", "gemm", "wait", "barrier", "store"} and not trace.truncated
    warps = {e.warp for e in trace.events} - {-1}  # -1: tensor cores, if the kernel uses wgmma
    assert {0, 1, 2, 3} <= warps <= set(range(8))  # above 3: a producer warpgroup
    multiply_adds = sum(e.amount for e in trace.events if e.kind == "gemm")
    copied = sum(e.amount for e in trace.events if e.kind == "copy")
    assert multiply_adds == 128**3 and copied == 2 * 128 * 128 * 2
    assert all("catalogue.py:" in e.source for e in trace.events if e.kind in ("copy", "gemm"))


def test_events_of_a_warp_do_not_overlap(trace):
    for warp in range(-1, 4):
        events = sorted((e for e in trace.events if e.warp == warp), key=lambda e: (e.start, e.duration))
        for before, after in zip(events, events[1:]):
            assert before.start + before.duration <= after.start, (before, after)


def test_a_wait_lasts_until_the_copy_has_landed(trace):
    first_copy = min(e.start for e in trace.events if e.kind == "copy")
    first_wait = min((e for e in trace.events if e.kind == "wait"), key=lambda e: e.start)
    assert first_wait.start + first_wait.duration >= first_copy + trace.model["copy_latency"]


def test_perfetto_format(trace, tmp_path):
    trace.save(tmp_path / "trace.json")
    data = json.loads((tmp_path / "trace.json").read_text())
    complete = [e for e in data["traceEvents"] if e["ph"] == "X"]
    assert len(complete) == len(trace.events) and all({"ts", "dur", "pid", "tid", "name"} <= e.keys() for e in complete)
    assert {f"warp {i}" for i in range(4)} <= {e["args"]["name"] for e in data["traceEvents"] if e["name"] == "thread_name"}
    with pytest.raises(ArgumentError, match=r"ends in .json or .png"):
        trace.save(tmp_path / "trace.txt")


def test_picture(trace, tmp_path):
    pytest.importorskip("matplotlib")
    trace.save(tmp_path / "trace.png")
    assert (tmp_path / "trace.png").read_bytes()[:4] == b"\x89PNG"


def test_picture_without_matplotlib(trace, tmp_path, monkeypatch):
    original = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UnavailableError) as caught:
        trace.save(tmp_path / "trace.png")
    assert caught.value.fix == "pip install matplotlib"
