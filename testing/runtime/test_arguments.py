"""Every wrong argument is an exception of ours that names the argument, the rule, the values and the fix."""

from __future__ import annotations

import pytest
import torch

from testing.runtime.plans import add_plan, scale_plan, symbol, tensor
from tilelang.codegen.launch_plan import KernelLaunch, LaunchPlan, Parameter
from tilelang.errors import ArgumentError, ArgumentTypeError, ResourceError
from tilelang.runtime import Launcher

A = torch.randn(64)


@pytest.mark.parametrize(
    ("args", "kind", "words"),
    [
        ((A,), ArgumentError, ["expected 2 inputs, but 1", "(A, B)"]),
        ((A, A, A), ArgumentError, ["but 3 are provided", "do not pass the output(s) C"]),
        ((A, None), ArgumentTypeError, ["`B` (position 1)", "got None"]),
        ((A, 3), ArgumentTypeError, ["`B`", "got int 3"]),
        ((A, "x"), ArgumentTypeError, ["`B`", "got str 'x'"]),
        ((A, object()), ArgumentTypeError, ["`B`", "got object"]),
        ((A, [1.0]), ArgumentTypeError, ["`B`", "got list [1.0]"]),
        ((A.half(), A), ArgumentTypeError, ["`A` (position 0)", "float16", "expected float32", ".to(torch.float32)"]),
        ((A, A[:32]), ArgumentError, ["B.shape[0] is 32", "n = 64", "A.shape[0] determined"]),
        ((A.view(8, 8), A), ArgumentError, ["2 dimensions (8, 8)", "expected 1: (n,)"]),
        ((torch.randn(128)[::2], A), ArgumentError, ["contiguous", "(2,)", ".contiguous()"]),
        ((torch.randn(65)[1:], A), ArgumentError, ["multiple of 16 bytes", ".clone()"]),
        ((A, A.to("meta")), ArgumentTypeError, ["`B` (position 1)", "meta"]),
        ((A, A.to_sparse()), ArgumentTypeError, ["`B` (position 1)"]),
        ((A, torch.complex(A, A)), ArgumentTypeError, ["`B`", "complex64"]),
    ],
)
def test_tensor_arguments(shim_binary, args, kind, words):
    launcher = Launcher(add_plan(), shim_binary)
    with pytest.raises(kind) as caught:
        launcher(*args)
    assert type(caught.value) is kind
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("args", "kind", "words"),
    [
        ((torch.randn(4, 4), "a", 1), ArgumentTypeError, ["`alpha`", "float32", "got str 'a'"]),
        ((torch.randn(4, 4), 1.0, 1.5), ArgumentTypeError, ["`beta`", "int32", "got float 1.5"]),
        ((torch.randn(4, 4), 1.0, 2**31), ArgumentError, ["`beta`", "2147483648", "int32"]),
        ((torch.randn(4, 4), 1.0, None), ArgumentTypeError, ["`beta`", "got None"]),
        ((torch.randn(4, 4).T, 1.0, 1), ArgumentError, ["X.stride(1) is 4", "expected 1"]),
    ],
)
def test_scalars_and_strides(shim_binary, args, kind, words):
    with pytest.raises(kind) as caught:
        Launcher(scale_plan(), shim_binary)(*args)
    assert type(caught.value) is kind
    for word in words:
        assert word in str(caught.value)


def plan_with(shape_a, shape_b, grid=(1, 1, 1), dtype="float32", symbols=("n",)) -> LaunchPlan:
    return LaunchPlan(
        "p",
        (Parameter("A", "tensor", dtype, shape_a), Parameter("B", "tensor", dtype, shape_b)),
        (KernelLaunch("fail", grid, (1, 1, 1), 0, (tensor(0),)),),
        dict.fromkeys(symbols, "int32"),
    )


def test_compound_extents(shim_binary):
    launcher = Launcher(plan_with((["*", "n", 2],), ("n",)), shim_binary)
    launcher(torch.randn(6), torch.randn(3))
    with pytest.raises(ArgumentError, match=r"A.shape\[0\] is 7, expected \(n \* 2\) = 6"):
        launcher(torch.randn(7), torch.randn(3))


def test_static_extent(shim_binary):
    with pytest.raises(ArgumentError, match=r"B.shape\[1\] is 5, expected 4"):
        Launcher(plan_with(("n",), ("n", 4)), shim_binary)(torch.randn(3), torch.randn(3, 5))


def test_grid_limit(shim_binary):
    with pytest.raises(ResourceError, match="70000 blocks along y"):
        Launcher(plan_with(("n",), ("n",), grid=(1, "n", 1)), shim_binary)(torch.randn(70000), torch.randn(70000))


def test_undetermined_symbol(shim_binary):
    plan = LaunchPlan(
        "p",
        (Parameter("A", "tensor", "float32", ("n",), used=False), Parameter("C", "tensor", "float32", ("n",), output=True)),
        (KernelLaunch("fail", (1, 1, 1), (1, 1, 1), 0, (symbol("n"),)),),
        {"n": "int32"},
        (1,),
    )
    with pytest.raises(ArgumentError, match="`n` is needed for the shape of `C`"):
        Launcher(plan, shim_binary)(None)


@pytest.mark.parametrize(
    ("declared", "given"),
    [
        ("bool", torch.bool),
        ("bool", torch.uint8),
        ("bool", torch.int8),
        ("float8_e4m3", torch.float8_e4m3fn),
        ("float8_e4m3fn", torch.float8_e4m3fn),
        ("float8_e5m2", torch.float8_e5m2),
        ("bfloat16", torch.bfloat16),
        ("float16", torch.float16),
        ("float64", torch.float64),
        ("int8", torch.int8),
        ("uint8", torch.uint8),
        ("int64", torch.int64),
        ("uint16", torch.uint16),
        ("uint32", torch.uint32),
    ],
)
def test_element_types(shim_binary, declared, given):
    values = torch.zeros(16, dtype=given)
    Launcher(plan_with(("n",), ("n",), dtype=declared), shim_binary)(values, values)


def test_no_traceback_of_the_library(shim_binary):
    with pytest.raises(ArgumentError) as caught:
        Launcher(add_plan(), shim_binary)(A)
    assert caught.value.__cause__ is None and caught.value.__context__ is None
