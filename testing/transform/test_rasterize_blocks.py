"""Every block is visited once whatever the grid, and neighbours in time are neighbours in space."""

from __future__ import annotations

import numpy as np
import pytest

from testing.codegen import programs
from testing.codegen.execute import execute
from tilelang import ir
from tilelang.engine import compile_prim_func
from tilelang.errors import SemanticError


def visits(m, n, configs, grid, order="row", panel=3):
    """out[by, bx] counts visits; when[by, bx] is the order of the launch."""
    out, time = ir.buffer((m, n), "int32", "out"), ir.buffer((m, n), "int32", "time")
    bx, by = ir.var("bx"), ir.var("by")
    swizzle = ir.evaluate(ir.call("tl.use_swizzle", [], attrs={"panel_size": panel, "order": order}), programs.span(3))
    body = ir.seq(
        [swizzle, programs.store(out, [by, bx], ir.load(out, [by, bx]) + 1), programs.store(time, [by, bx], by * 1000 + bx)]
    )
    func = programs.function([out, time], programs.launch(body, grid, (1,), {"blockIdx.x": bx, "blockIdx.y": by}))
    return compile_prim_func(func, programs.target(), configs, programs.DEVICE)


@pytest.mark.parametrize("order", ["row", "column"])
@pytest.mark.parametrize("shape", [(5, 7), (6, 4), (1, 9), (8, 1), (3, 3)])
@pytest.mark.parametrize("dynamic", [False, True])
def test_every_block_once(shape, order, dynamic):
    m, n = (ir.var("m"), ir.var("n")) if dynamic else shape
    compiled = visits(m, n, {}, (n, m), order)
    counts, where = np.zeros(shape, "int32"), np.full(shape, -1, "int32")
    execute(compiled, counts, where)
    assert (counts == 1).all()
    np.testing.assert_array_equal(where, np.arange(shape[0])[:, None] * 1000 + np.arange(shape[1]))


def test_panels_are_compact():
    """The first blocks to start cover `panel` rows before they go on to the next column."""
    out, bx, by = ir.buffer((7, 6), "int32", "out"), ir.var("bx"), ir.var("by")
    clock = ir.buffer((1,), "int32", "clock")
    swizzle = ir.evaluate(ir.call("tl.use_swizzle", [], attrs={"panel_size": 3, "order": "row"}), programs.span(3))
    now = ir.var("now")
    tick = ir.Bind(now, ir.call("tl.atomic_add", [ir.address_of(ir.load(clock, [0])), ir.const(1)], "int32"))
    body = ir.seq([swizzle, tick, programs.store(out, [by, bx], now)])
    func = programs.function([out, clock], programs.launch(body, (6, 7), (1,), {"blockIdx.x": bx, "blockIdx.y": by}))
    source = compile_prim_func(func, programs.target(), {}, programs.DEVICE).source
    assert "const int panel = block_y / 3 * 3;" in source and "const int bx = offset / panel_height;" in source
    assert "floor" not in source and "int64" not in source


@pytest.mark.parametrize("order", ["row", "column"])
def test_symbolic_grids_keep_block_indices_in_32_bits(order):
    m, n = ir.var("m"), ir.var("n")
    source = visits(m, n, {}, ((n + 127) // 128, (m + 127) // 128), order).source
    assert "const int bx = " in source and "const int by = " in source and "floor" not in source


def test_senseless_panels():
    with pytest.raises(SemanticError, match="panel_size=0"):
        visits(4, 4, {}, (4, 4), panel=0)
