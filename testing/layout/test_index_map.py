"""Layouts as authors ask them: indices forward and back, repeated, expanded, reshaped."""

from itertools import product

import numpy as np
import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random
from tilelang import ir
from tilelang.errors import LayoutError
from tilelang.layout import Layout, SharedLayout
from tilelang.transform.tabulate import tabulate

SWIZZLED = (8, 64), lambda i, j: (i, j ^ (i * 8))


def table(layout):
    return {p: tuple(int(x) for x in layout.map_forward_index(p)) for p in product(*map(range, layout.shape))}


def evaluate(expr, variables, values):
    known = dict(zip(variables, (ir.const(v) for v in values)))
    return ir.const_int(ir.simplify(ir.substitute(expr, known)))


@pytest.mark.parametrize(
    "shape, forward",
    [
        SWIZZLED,
        ((16, 8), lambda i, j: (j, i)),
        ((4, 32), lambda i, j: i * 32 + j // 4 + j % 4 * 8),
        ((6, 10), lambda i, j: j * 6 + i),
    ],
)
def test_inverse(shape, forward):
    layout = T.Layout(shape, forward)
    back = layout.inverse()
    assert back.get_input_shape() == layout.get_output_shape() and back.get_output_shape() == list(shape)
    for p, q in table(layout).items():
        assert tuple(back.map_forward_index(q)) == p
    assert layout.is_equal(back.inverse())


def test_inverse_of_bits_is_an_expression():
    layout = T.Layout(*SWIZZLED)
    back = layout.inverse()
    (i, j), exprs = back.get_forward_vars(), back.get_forward_index()
    forward = table(layout)
    for row in range(8):
        found = [tabulate(ir.substitute(e, {i: ir.const(row)}), j, np.arange(64)) for e in exprs]
        for column in range(64):
            assert forward[int(found[0][column]), int(found[1][column])] == (row, column)
    with pytest.raises(LayoutError, match="numbers only"):
        T.Layout((6, 10), lambda i, j: j * 6 + i).inverse().get_forward_index()


def test_what_has_no_inverse():
    with pytest.raises(LayoutError, match="has no inverse"):
        T.Layout((4, 4), lambda i, j: i + j).inverse()
    with pytest.raises(LayoutError, match="has no inverse"):
        T.Layout((4, 4), lambda i, j: (i, 2 * j)).inverse()


def test_made_of_others():
    layout = T.Layout((4, 6), lambda i, j: (j, i))
    assert layout.get_output_shape() == [6, 4] and [str(e) for e in layout.get_forward_index()] == ["j", "i"]
    assert table(layout.repeat(1, 3))[3, 14] == (2, 2, 3)
    assert table(layout.expand([5]))[4, 3, 2] == (4, 2, 3)
    assert table(layout.reshape((2, 12)))[1, 7] == (1, 3)
    assert layout.map_region_bounds([(1, 2), (0, 3)]) == [(0, 3), (1, 2)]
    for wrong in (lambda: layout.repeat(2, 3), lambda: layout.reshape((5, 5)), lambda: layout.map_forward_index([1])):
        with pytest.raises(LayoutError):
            wrong()


def test_named_swizzles_are_layouts():
    swizzle = SharedLayout((16, 64), 16, 128)
    assert swizzle.get_output_shape() == [16, 64] and swizzle.is_equal(Layout((16, 64), lambda i, j: swizzle.physical((i, j))))
    assert not swizzle.is_equal(SharedLayout((16, 64), 16, 64))
    for p, q in table(swizzle).items():
        assert tuple(swizzle.inverse().map_forward_index(q)) == p


def test_fragments():
    base = tilelang.layout.make_gemm_fragment_8x8()
    assert base.is_equal(T.Fragment((8, 8), forward_fn=lambda i, j: (i * 4 + j // 2, j % 2))) and isinstance(base, T.Fragment)
    assert base.is_equal(
        tilelang.Fragment([8, 8], forward_thread_fn=lambda i, j: i * 4 + j // 2, forward_index_fn=lambda i, j: j % 2)
    )
    assert not base.is_equal(tilelang.layout.make_gemm_fragment_8x8_transposed())
    warp = base.repeat([2, 2], lower_dim_first=False)
    block = warp.repeat([2, 1], repeat_on_thread=True).replicate(3)
    assert block.get_input_shape() == [32, 16] and block.get_thread_size() == 192 and block.get_output_shape() == [8]
    assert block.replicate_size == 3
    i, j, rep = np.meshgrid(np.arange(32), np.arange(16), np.arange(3), indexing="ij")
    threads = rep * 64 + i // 16 * 32 + i % 8 * 4 + j % 8 // 2
    registers = j // 8 * 4 + i // 8 % 2 * 2 + j % 2
    variables = block.get_forward_vars()
    for p in [(0, 0, 0), (9, 13, 1), (31, 15, 2), (17, 6, 0)]:
        assert block.map_forward_thread(p[:2], p[2]) == threads[p] and block.map_forward_index(p[:2]) == [registers[p]]
        assert evaluate(block.thread, variables, p) == threads[p]
        assert evaluate(block.get_forward_index()[0], variables, p) == registers[p]
    rows = base.repeat([1, 2], repeat_on_thread=True, lower_dim_first=True)
    assert rows.map_forward_thread((1, 9)) == 32 + 4 and base.condense_rep_var().is_equal(base)


def test_fragments_misused():
    base = tilelang.layout.make_gemm_fragment_8x8()
    for wrong, words in (
        (lambda: base.repeat([2]), "a positive count for each axis"),
        (lambda: base.replicate(0), "positive number"),
        (lambda: base.map_forward_index([0]), "1 indices"),
        (lambda: T.Fragment((8, 8)), "needs forward_fn"),
        (lambda: T.Layout((4,), 3), "lambda"),
    ):
        with pytest.raises(LayoutError, match=words):
            wrong()


def test_wgmma_swizzle():
    @T.prim_func
    def main(A: T.Tensor((64, 64), "float16"), B: T.Tensor((64, 64), "float16")):
        with T.Kernel(1, threads=128):
            s = T.alloc_shared((64, 64), "float16")
            T.annotate_layout({s: tilelang.layout.make_wgmma_swizzled_layout(s, continuity=32)})
            T.copy(A, s)
            T.copy(s, B)

    import torch

    a, b = torch.randn(64, 64).half(), torch.full((64, 64), float("nan")).half()
    tilelang.compile(main, execution_backend="simulator")(a, b)
    assert torch.equal(a, b)
    with pytest.raises(LayoutError, match="continuity"):
        tilelang.layout.make_wgmma_swizzled_layout(ir.buffer((8, 64), "float16", "s", "shared.dyn"), continuity=48)


def test_a_threads_own_array_has_no_layout_to_change(device):
    """The end of a split reduction: every thread of the block keeps the sum that a Fragment would give to one."""

    @T.prim_func
    def combine(Lse: T.Tensor((6, 5), "float32"), Part: T.Tensor((6, 5, 96), "float32"), Out: T.Tensor((6, 96), "float32")):
        with T.Kernel(6, threads=128) as bx:
            total = T.alloc_local([1], "float32")
            most = T.alloc_fragment([128], "float32")
            lse = T.alloc_fragment([5, 128], "float32")
            out = T.alloc_fragment([96], "float32")
            T.annotate_layout(
                {
                    total: T.Fragment(total.shape, forward_thread_fn=lambda i: i),
                    most: T.Fragment(most.shape, forward_thread_fn=lambda i: i),
                    lse: T.Fragment(lse.shape, forward_thread_fn=lambda i, j: j),
                }
            )
            T.clear(total)
            T.clear(out)
            for k, j in T.Parallel(5, 128):
                lse[k, j] = Lse[bx, k]
            T.reduce_max(lse, most, dim=0)
            for k in T.serial(5):
                total[0] += T.exp(Lse[bx, k] - most[0])
            for k in T.serial(5):
                for d in T.Parallel(96):
                    out[d] += Part[bx, k, d] * T.exp(Lse[bx, k] - most[0]) / total[0]
            T.copy(out, Out[bx, :])

    lse, part = random((6, 5), "float32", device), random((6, 5, 96), "float32", device)
    result = run(combine, [lse, part], ((6, 96), "float32"), device=device)
    expected = (lse.double().softmax(1)[:, :, None] * part.double()).sum(1)
    torch.testing.assert_close(result.double(), expected, rtol=1e-5, atol=1e-6)
