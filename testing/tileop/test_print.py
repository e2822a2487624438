"""T.print: every element once, whatever holds it."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tilelang.language as T
from testing.codegen.execute import execute
from tilelang.engine import compile_prim_func
from tilelang.target import Target


def run(func, *arrays):
    execute(compile_prim_func(func, Target("cuda", "sm_80", True), {}), *arrays)


@pytest.mark.parametrize("scope", ["shared", "fragment"])
def test_a_tile_prints_each_element_once(scope, capfd):
    @T.prim_func
    def show(A: T.Tensor((5, 12), "float32")):
        with T.Kernel(1, threads=64):
            tile = T.alloc_shared((5, 12), "float32") if scope == "shared" else T.alloc_fragment((5, 12), "float32")
            T.copy(A, tile)
            T.print(tile, "here")

    data = np.random.default_rng(0).standard_normal((5, 12)).astype("float32")
    run(show, data)
    found = re.findall(r"here: tile\[(\d+)\] = (\S+)", capfd.readouterr().out)
    assert len(found) == 60
    assert [int(place) for place, _ in found] == list(range(60))
    np.testing.assert_allclose([float(v) for _, v in found], data.ravel(), rtol=1e-6)


def test_scalars_and_messages(capfd):
    @T.prim_func
    def show(A: T.Tensor((4,), "int32")):
        with T.Kernel(1, threads=2):
            T.print(A[1] + 1, "next")
            T.print("done")

    run(show, np.arange(4, dtype="int32"))
    out = capfd.readouterr().out
    assert out.count("next: ") == 1 and out.count("): 2") == 1 and out.count("done") == 1


def test_what_differs_between_threads_prints_in_each(capfd):
    @T.prim_func
    def show(A: T.Tensor((4,), "int32")):
        with T.Kernel(1, threads=4):
            tx = T.get_thread_binding()
            T.print(A[tx], "mine")
            if tx > 1:
                T.print("late")
            for k in T.serial(A[2]):
                T.print(A[k], "shared")
            for _ in T.serial(A[tx]):
                T.print("several")

    run(show, np.arange(4, dtype="int32"))
    out = capfd.readouterr().out
    assert [out.count(word) for word in ("mine: ", "late", "shared: ", "several")] == [4, 2, 2, 0 + 1 + 2 + 3]


def test_a_slice_of_a_fragment_prints_in_order(capfd):
    @T.prim_func
    def show(A: T.Tensor((6, 8), "int32")):
        with T.Kernel(1, threads=32):  # blocks print side by side, each in its order
            tile = T.alloc_fragment((6, 8), "int32")
            T.copy(A, tile)
            T.print(tile[2:4, 3:5], "part")

    run(show, np.arange(48, dtype="int32").reshape(6, 8))
    found = re.findall(r"part: tile\[(\d+)\] = (\d+)", capfd.readouterr().out)
    assert found == [(str(n), str(n)) for n in (19, 20, 27, 28)]
