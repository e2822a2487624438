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
    found = re.findall(r"here: \w+\[(\d+)\] = (\S+)", capfd.readouterr().out)
    assert len(found) == 60
    np.testing.assert_allclose([float(v) for _, v in sorted(found, key=lambda x: int(x[0]))], data.ravel(), rtol=1e-6)


def test_scalars_and_messages(capfd):
    @T.prim_func
    def show(A: T.Tensor((4,), "int32")):
        with T.Kernel(1, threads=2):
            T.print(A[1] + 1, "next")
            T.print("done")

    run(show, np.arange(4, dtype="int32"))
    out = capfd.readouterr().out
    assert out.count("next: ") == 2 and out.count("): 2") == 2 and out.count("done") == 2
