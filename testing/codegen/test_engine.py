"""Compilation as a whole: what it hands back, and that it does so for every catalogued kernel."""

from __future__ import annotations

import pytest

from testing.programs.catalogue import KERNELS
from tilelang.engine import compile_prim_func
from tilelang.target import Target
from tilelang.toolchain.cuda import compile_cubin
from tilelang.transform.pipeline import CUDA


def compiled(name, arch="sm_80"):
    make, configs = KERNELS[name]
    return compile_prim_func(make(), Target("cuda", arch, True), configs)


@pytest.mark.parametrize("name", ["gemm_nt", "attention", "rms_norm"])
@pytest.mark.parametrize("arch", ["sm_80", "sm_90a"])
def test_catalogued_kernels_compile(name, arch):
    assert compile_cubin(compiled(name, arch).source, arch)


def test_text_of_every_pass():
    passes = compiled("softmax").passes
    assert [name for name, _ in passes] == ["trace", *(step.__name__ for step in CUDA)]
    texts = dict(passes)
    assert all(("def main_kernel" in text) != text.endswith("(no change)") for text in texts.values())
    assert "Fragment[" in texts["infer_layouts"] and "def main_kernel" in texts["lower_tile_operators"]


def test_compiling_twice_gives_the_same_text():
    assert compiled("attention_causal").source == compiled("attention_causal").source


def test_headers_are_those_that_the_text_needs():
    source = compiled("add_float16").source
    assert source.startswith("#include <tl/core.h>\n\n")
    assert "#include <tl/mma.h>" in compiled("gemm_nt").source
