"""What becomes of warp-specialised text whose matrix instructions ptxas serialises."""

from __future__ import annotations

import pytest

import tilelang.language as T
from tilelang.jit.compilers.cuda import build_cubin
from tilelang.jit.impl import traced
from tilelang.jit.options import resolve_options
from tilelang.target import Target

SERIALISED = "ptxas info    : (C7512) Potential Performance Loss: wgmma.mma_async instructions are serialized"


@T.prim_func
def product(A: T.Tensor((128, 256), "float16"), B: T.Tensor((256, 128), "float16"), C: T.Tensor((128, 128), "float32")):
    with T.Kernel(1, threads=128):
        a, b = T.alloc_shared((128, 32), "float16"), T.alloc_shared((32, 128), "float16")
        c = T.alloc_fragment((128, 128), "float32")
        T.clear(c)
        for k in T.Pipelined(8, num_stages=3):
            T.copy(A[0, k * 32], a)
            T.copy(B[k * 32, 0], b)
            T.gemm(a, b, c)
        T.copy(c, C)


def built(bad, **configs):
    """(artifact, texts that were compiled) where ptxas complains about texts for which `bad` is true."""
    from tilelang.jit.compiler import lower

    options = resolve_options(Target("cuda", "sm_90a", False), pass_configs=configs)
    seen = []

    def compile_text(source, arch, **options):
        seen.append(source)
        return source.encode(), SERIALISED if bad(source) else ""

    return build_cubin(lower(traced(product), options, [2]), compile_text, ()), seen


def specialised(source):
    return "tl::tensor_map" in source and "__grid_constant__" in source


def test_the_block_loads_its_tiles_itself_where_that_helps(caplog):
    artifact, seen = built(specialised)
    assert [specialised(text) for text in seen] == [True, False] and artifact.source == seen[1]
    assert artifact.payload == seen[1].encode() and artifact.plan.outputs == (2,)
    assert any("C7512" in remark.text for remark in artifact.remarks.of("missed")) and not caplog.text


def test_nothing_is_tried_where_nothing_is_wrong():
    artifact, seen = built(lambda source: False)
    assert len(seen) == 1 and artifact.source == seen[0]


@pytest.mark.parametrize("configs, times", [({}, 2), ({"tl.disable_warp_specialized": True}, 1)])
def test_what_does_not_help_is_not_taken(configs, times, caplog):
    artifact, seen = built(lambda source: True, **configs)
    assert len(seen) == times and artifact.source == seen[0] and "will be slow" in caplog.text
