"""Every block is visited once whatever the grid, and neighbours in time are neighbours in space."""

from __future__ import annotations

import numpy as np
import pytest

from testing.codegen import programs
from testing.codegen.execute import execute
from tilelang import ir
from tilelang.engine import compile_prim_func
from tilelang.errors import SemanticError
from tilelang.transform.rasterize_blocks import rasterized_index


@pytest.mark.parametrize("minor,major,panel", [(1, 1, 4), (7, 5, 3), (4, 8, 4), (5, 3, 10), (1, 9, 2), (6, 1, 2)])
def test_a_bijection_in_panels(minor, major, panel):
    seen = [rasterized_index(k, minor, major, panel) for k in range(minor * major)]
    assert sorted(seen) == sorted((x, y) for x in range(minor) for y in range(major))
    assert max(y for _, y in seen[: min(panel, major)]) < panel


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


def test_the_text_remaps_at_the_top():
    source = visits(9, 12, {}, (12, 9)).source
    assert "const int block = block_y * 12 + block_x;" in source and "const int bx = block % 36 / 3;" in source


def test_senseless_panels():
    with pytest.raises(SemanticError, match="panel_size=0"):
        visits(4, 4, {}, (4, 4), panel=0)
