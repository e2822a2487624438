"""Symbols from sums and products of extents, in Python and in the native launcher."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tilelang.codegen.launch_plan import KernelLaunch, LaunchPlan, Parameter
from tilelang.errors import ArgumentError
from tilelang.jit.standalone import bind
from tilelang.runtime import Launcher
from tilelang.runtime.arguments import TensorView, bind_arguments, solve_symbols
from tilelang.runtime.lines import as_line, solvable

N, M = "n", "m"


@pytest.mark.parametrize(
    ("expr", "line"),
    [
        (["+", ["*", 2, N], 1], (N, 2, 1)),
        (["-", 10, N], (N, -1, 10)),
        (["*", ["ceildiv", "k", 2], ["-", N, 3]], (N, 4, -12)),
        (["+", N, ["*", N, 2]], (N, 3, 0)),
        (["max", "k", 9], (None, 0, 9)),
        (["floormod", "k", 4], (None, 0, 3)),
        (["*", N, M], None),
        (["*", N, N], None),
        (["floordiv", N, 2], None),
        (["+", N, M], None),
        (["floordiv", 3, 0], None),
    ],
)
def test_as_line(expr, line):
    assert as_line(expr, {"k": 7}) == line


def test_solvable():
    assert solvable([["*", N, M], ["+", N, 1], ["floordiv", "p", 2]], ()) == {N, M}
    assert solvable([["*", N, M]], ()) == set()
    assert solvable([["*", N, M]], [M]) == {N}


def plan() -> LaunchPlan:
    return LaunchPlan(
        "p",
        (Parameter("A", "tensor", "float32", (["*", N, M],)), Parameter("B", "tensor", "float32", (["+", ["*", 2, N], 1],))),
        (KernelLaunch("fail", (1, 1, 1), (1, 1, 1), 0, ()),),
        {N: "int32", M: "int32"},
    )


def views(*lengths: int) -> list[TensorView]:
    return [TensorView(0, "float32", (length,), (1,), ("cpu", 0)) for length in lengths]


def test_in_python():
    assert solve_symbols(plan(), {"A": (12,), "B": (7,)}, {}) == {N: 3, M: 4}
    assert bind_arguments(plan(), [None, None], views(12, 7), "cpu") == {N: 3, M: 4}


def test_without_this_package():
    """The module that `export_library("name.py")` writes solves them itself."""
    arrays = [np.zeros(12, np.float32), np.zeros(7, np.float32)]
    raw = plan().tree()
    for parameter in raw["parameters"]:
        parameter["alignment"] = 4
    assert bind(raw, tuple(arrays))[1] == {N: 3, M: 4}


@pytest.mark.parametrize(
    ("lengths", "words"), [((12, 8), r"B.shape\[0\] is 8"), ((13, 7), r"A.shape\[0\] is 13"), ((12, 0), r"B.shape\[0\] is 0")]
)
def test_no_natural_number(shim_binary, lengths, words):
    with pytest.raises(ArgumentError, match=words):
        bind_arguments(plan(), [None, None], views(*lengths), "cpu")
    with pytest.raises(ArgumentError, match=words):
        Launcher(plan(), shim_binary)(*(torch.randn(n) for n in lengths))


def test_limit_of_int32(shim_binary):
    wide = plan()._replace(parameters=(Parameter("A", "tensor", "uint8", (["-", N, -(2**31)],)),), symbols={N: "int32"})
    with pytest.raises(ArgumentError, match="does not fit the int32 symbol `n`"):
        Launcher(wide._replace(parameters=(wide.parameters[0]._replace(shape=(["+", N, -(2**31)],)),)), shim_binary)(
            torch.empty(1, dtype=torch.uint8)
        )
