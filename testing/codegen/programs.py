"""Lowered device programs made by hand: what the passes before the code generator would give."""

from __future__ import annotations

from typing import Any

from tilelang import ir
from tilelang.target import Target
from tilelang.transform.flatten_buffers import flatten_buffers
from tilelang.transform.simplify import simplify
from tilelang.transform.widen_indices import widen_indices

AXES = tuple(f"{group}.{axis}" for group in ("blockIdx", "threadIdx") for axis in "xyz")
DEVICE = (simplify, widen_indices, flatten_buffers)


def target(arch: str = "sm_80") -> Target:
    """A simulated target."""
    return Target("cuda", arch, True)


def span(line: int) -> Any:
    """A place in a file that does not exist."""
    return ir.make_span("kernel.py", line, 1, line, 9)


def launch(body: Any, grid: tuple, block: tuple, variables: dict[str, Any], line: int = 1) -> Any:
    """A launch nest over all six axes; `variables` names those that the body uses."""
    extents = [*grid, *(1,) * (3 - len(grid)), *block, *(1,) * (3 - len(block))]
    for tag, extent in reversed(list(zip(AXES, extents))):
        var = variables.get(tag)
        if var is None:
            var = ir.var(tag.replace("blockIdx.", "b").replace("threadIdx.", "t"))
        node = ir.as_expr(extent)
        body = ir.AttrStmt(
            ir.IterVar(ir.Range.from_min_extent(ir.const(0), node), var, 1, tag), "thread_extent", node, body, span(line)
        )
    return body


def function(params: list, body: Any, name: str = "main") -> Any:
    """A PrimFunc."""
    return ir.PrimFunc(params, body).with_attr("global_symbol", name).with_attr("s_tir", True)


def store(buf: Any, indices: list, value: Any, line: int = 0) -> Any:
    return ir.BufferStore(buf, value, [ir.as_expr(i) for i in indices], span(line) if line else None)


def loop(var: Any, extent: Any, body: Any, kind: Any = None, line: int = 0) -> Any:
    kind = ir.ForKind.SERIAL if kind is None else kind
    return ir.For(var, ir.as_expr(0), ir.as_expr(extent), kind, body, None, {}, None, span(line) if line else None)


def when(condition: Any, then: Any, other: Any = None, line: int = 0) -> Any:
    return ir.IfThenElse(condition, then, other, span(line) if line else None)


def elementwise(n: Any, dtype: str = "float32", threads: int = 128, per_thread: int = 4) -> Any:
    """C = A + B over a ragged length."""
    a, b, c = (ir.buffer((n,), dtype, name) for name in "ABC")
    bx, tx, i = ir.var("bx"), ir.var("tx"), ir.var("i")
    index = bx * (threads * per_thread) + i * threads + tx
    body = loop(
        i,
        per_thread,
        when(index < n, store(c, [index], ir.load(a, [index]) + ir.load(b, [index]), 4), line=3),
        ir.ForKind.UNROLLED,
        2,
    )
    grid = (ir.as_expr(n) + (threads * per_thread - 1)) // (threads * per_thread)
    return function([a, b, c], launch(body, (grid,), (threads,), {"blockIdx.x": bx, "threadIdx.x": tx}), "add")


def transposition(m: Any, n: Any, dtype: str = "float32", tile: int = 32) -> tuple[Any, Any]:
    """B = A^T through a padded shared tile; returns (function, shared buffer)."""
    a, b = ir.buffer((m, n), dtype, "A"), ir.buffer((n, m), dtype, "B")
    s = ir.buffer((tile, tile), dtype, "tile", "shared.dyn")
    bx, by, tx, ty, i = (ir.var(name) for name in ("bx", "by", "tx", "ty", "i"))
    row, column = by * tile + i * 8 + ty, bx * tile + tx
    out_row, out_column = bx * tile + i * 8 + ty, by * tile + tx
    body = ir.seq(
        [
            ir.alloc(s, span(10)),
            loop(
                i,
                tile // 8,
                when(ir.And(row < m, column < n), store(s, [i * 8 + ty, tx], ir.load(a, [row, column]), 12)),
                line=11,
            ),
            ir.evaluate(ir.call("tl.sync_threads"), span(13)),
            loop(
                i,
                tile // 8,
                when(ir.And(out_row < n, out_column < m), store(b, [out_row, out_column], ir.load(s, [tx, i * 8 + ty]), 15)),
                line=14,
            ),
        ]
    )
    grid = tuple((ir.as_expr(e) + (tile - 1)) // tile for e in (n, m))
    variables = {"blockIdx.x": bx, "blockIdx.y": by, "threadIdx.x": tx, "threadIdx.y": ty}
    return function([a, b], launch(body, grid, (tile, 8), variables, 9), "transpose"), s
