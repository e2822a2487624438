"""The modules that programs import beside the language."""

from __future__ import annotations

import importlib

import pytest
import torch

import tilelang
import tilelang.language as T
import tilelang.testing
from tilelang.carver.arch import CUDA
from tilelang.contrib import nvcc
from tilelang.tools import Analyzer
from tilelang.utils.device import get_available_cpu_count, get_current_device
from tilelang.utils.language import get_buffer_elems, is_fragment, is_global, is_local_var, is_shared, retrieve_shape
from tilelang.utils.target import determine_target, target_has_async_copy, target_is_cpu, target_is_hopper
from tilelang.utils.tensor import TensorSupplyType, get_tensor_supply, map_torch_type


@pytest.mark.parametrize(
    "name", ["tvm", "DataType", "lower", "dtypes", "utils", "contrib", "tools", "engine", "transform", "cuda"]
)
def test_top_level_names(name):
    assert getattr(tilelang, name) is not None


def test_tvm_is_the_installed_one():
    from tilelang import tvm

    assert tvm is importlib.import_module("tvm") and tilelang.DataType("float16").bits == 16
    assert str(determine_target(tvm.target.Target("cuda"), return_object=True).arch) != "sm_50"


def test_pass_config_key():
    from tilelang.transform import PassConfigKey
    from tilelang.transform.pass_config import PassConfigKey as documented

    assert PassConfigKey is documented is tilelang.PassConfigKey


def test_utils():
    assert map_torch_type("bfloat16") is torch.bfloat16 and map_torch_type("e4m3_float8") is torch.float8_e4m3fn
    assert determine_target("cuda") == "cuda" and target_is_cpu("c") and not target_is_hopper({"kind": "cuda", "arch": "sm_80"})
    assert target_has_async_copy({"kind": "cuda", "arch": "sm_80"}) and get_available_cpu_count() >= 1
    assert nvcc.get_target_compute_version({"kind": "cuda", "arch": "sm_90"}) == "9.0" and nvcc.have_tma("cuda -arch=sm_90a")
    assert nvcc.parse_compute_version("8.9") == (8, 9) and nvcc.get_target_arch("9.0") == "90a"
    x = get_tensor_supply(TensorSupplyType.Integer)(tilelang.engine.KernelParam("float16", (3, 5)))
    assert x.shape == (3, 5) and x.device == get_current_device() and x.dtype == torch.float16


def test_questions_about_buffers():
    found = {}

    @T.prim_func
    def main(A: T.Tensor((4, 8), "float32")):
        with T.Kernel(1, threads=32):
            s, f, v = T.alloc_shared((4, 8), "float32"), T.alloc_fragment((4, 8), "float32"), T.alloc_var("int32", init=0)
            T.copy(A, s)
            T.copy(s, f)
            T.copy(f, A)
            A[0, 0] = v
            found.update(A=is_global(A), s=is_shared(s), f=is_fragment(f), v=is_local_var(v.buffer), n=get_buffer_elems(s))
            found.update(shape=retrieve_shape(A[0:2, :]), wrong=is_shared(f))

    tilelang.lower(main, target="cuda")
    assert found == {"A": True, "s": True, "f": True, "v": True, "n": 32, "shape": [2, 8], "wrong": False}


def test_analyzer():
    @T.prim_func
    def main(A: T.Tensor((64, 64), "float16"), B: T.Tensor((64, 64), "float16"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(1, threads=128):
            a, b, c = (
                T.alloc_shared((64, 64), "float16"),
                T.alloc_shared((64, 64), "float16"),
                T.alloc_fragment((64, 64), "float32"),
            )
            T.copy(A, a)
            T.copy(B, b)
            T.gemm(a, b, c, clear_accum=True)
            T.copy(c, C)

    found = Analyzer.analysis(main, CUDA("cuda"))
    assert (
        found.total_flops >= 2 * 64**3 and found.total_global_bytes == 2 * 64 * 64 * 2 + 64 * 64 * 4 and found.estimated_time > 0
    )


@pytest.mark.parametrize("name", ["rocm", "metal", "cdna", "gfx950", "ascend"])
def test_other_vendors_tests_are_skipped(name):
    def test():
        raise AssertionError

    marked = getattr(tilelang.testing, f"requires_{name}")(test)
    assert marked.pytestmark[0].name == "skip"


def test_names_that_refuse():
    """What no published page describes can be imported, and says so when it is used."""
    from tilelang.layout import PartialFragment
    from tilelang.testing import process_func, regression

    for name in (PartialFragment, process_func, regression):
        with pytest.raises(NotImplementedError, match="no published page"):
            name()
        with pytest.raises(NotImplementedError, match="not in this version"):
            name.anything  # noqa: B018
        assert "not in this version" in repr(name)


@pytest.mark.parametrize(
    "place",
    ["quantize:lop3_permute", "tools.cuda.iket:start", "engine.phase:LowerAndLegalize", "engine.phase:OptimizeForTarget"],
)
def test_places_that_refuse(place):
    module, name = place.split(":")
    found = getattr(importlib.import_module(f"tilelang.{module}"), name)
    with pytest.raises(NotImplementedError, match=f"{name} is not in this version") as refused:
        found("x")
    assert refused.value.fix


def test_backends_of_targets():
    from tilelang.jit.execution_backend import allowed_backends_for_target, resolve_execution_backend

    allowed = allowed_backends_for_target("c")
    assert resolve_execution_backend(None, "c") == resolve_execution_backend("auto", "c") == allowed[0] and "cython" in allowed
    assert set(allowed_backends_for_target("c", include_unavailable=False)) <= set(allowed)
    with pytest.raises(ValueError, match="Invalid execution backend"):
        resolve_execution_backend("none", "c")


def test_lower_is_a_function_and_a_module():
    import tilelang.engine.lower

    assert tilelang.engine.lower is tilelang.lower and importlib.import_module("tilelang.engine.lower").lower is tilelang.lower


def test_machines_of_carver():
    from tilelang import carver

    for machine in (carver.CDNA, carver.RDNA, carver.METAL, carver.CPU):
        with pytest.raises(NotImplementedError, match="hints"):
            machine()


def test_options_of_a_target():
    from tilelang.target.target import resolve_target

    with pytest.raises(AssertionError, match=r"is not supported: .*'-foo=1'.*Pass target options as a dict"):
        resolve_target("cuda -arch=sm_80 -foo=1")


def test_documented_places():
    from tilelang.carver.roller.hint import Hint
    from tilelang.language.loop import Parallel, Persistent
    from tilelang.language.meta import meta_class
    from tilelang.language.utils import index_to_coordinates, linear_index
    from tilelang.layout.layout import Layout

    assert Hint is tilelang.carver.Hint and Layout is tilelang.Layout and meta_class is T.meta_class
    assert (Parallel, Persistent, index_to_coordinates) == (T.Parallel, T.Persistent, T.index_to_coordinates)
    assert linear_index(7) == 7 and linear_index(1, 2, 3, 5, 7) == (1 * 5 + 2) * 7 + 3
    for wrong in ((), (1, 2)):
        with pytest.raises(ValueError, match="linear_index of"):
            linear_index(*wrong)
