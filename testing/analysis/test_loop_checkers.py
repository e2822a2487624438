"""The rules of loops, asked without compiling."""

from __future__ import annotations

import pytest

import tilelang
import tilelang.language as T
from tilelang.errors import ArgumentTypeError, TileLangError


def program(inner):
    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), B: T.Tensor((32, 32), "float32")):
        with T.Kernel(1, threads=32):
            tile = T.alloc_shared((32, 32), "float32")
            for _i in T.Parallel(32):
                for _k in inner(2):
                    T.copy(A, tile)
            T.copy(tile, B)

    return main


@T.prim_func
def sound(A: T.Tensor((32, 32), "float32"), B: T.Tensor((32, 32), "float32")):
    with T.Kernel(1, threads=32):
        for _k in T.Pipelined(2):
            for i in T.Parallel(32):
                for j in T.Parallel(32):
                    B[i, j] = A[i, j]


@pytest.mark.parametrize("checker", [tilelang.analysis.NestedLoopChecker, tilelang.analysis.FragmentLoopChecker])
def test_checkers(checker):
    check = checker()
    module = tilelang.tvm.IRModule({"main": sound.prim_func})
    assert check(module)["main"].same_as(sound.prim_func) and check(sound).same_as(sound.prim_func)
    for inner in (T.serial, T.Pipelined):
        bad = tilelang.tvm.IRModule({"main": program(inner).prim_func})
        with pytest.raises(TileLangError, match=r"T\.copy|T\.Pipelined|Parallel") as found:
            check(bad)
        assert found.value.span is not None and found.value.span.file == __file__
    with pytest.raises(ArgumentTypeError, match="IRModule"):
        check(3)


def test_named_passes():
    simplify = tilelang.transform.Simplify()
    module = simplify(tilelang.tvm.IRModule({"main": sound.prim_func}))
    assert "B" in module["main"].script() and simplify.name == "Simplify"
    from tilelang.transform import LayoutInference, MakePackedAPI

    for absent, text in ((LayoutInference, "infer_layouts"), (MakePackedAPI, "no such step")):
        with pytest.raises(NotImplementedError, match=text):
            absent()(module)
    with pytest.raises(ImportError):
        from tilelang.transform import NoSuchPass  # noqa: F401
    with tilelang.tvm.transform.PassContext(opt_level=2):
        assert tilelang.transform.get_pass_context().opt_level == 2


def test_counterparts_are_passes():
    """Every pass that a name is told to be replaced by exists."""
    from tilelang.transform import named_passes, pipeline, split_launches

    ours = {step.__name__ for step in pipeline.CUDA} | {split_launches.__name__.rpartition(".")[2]}
    assert set(named_passes.COUNTERPARTS.values()) <= ours
