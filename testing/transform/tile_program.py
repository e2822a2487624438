"""Short constructors for tile programs in tests."""

from __future__ import annotations

from tilelang import ir
from tilelang.target import Target
from tilelang.tileop.base import LoweringContext
from tilelang.tileop.copy import Copy
from tilelang.tileop.fill import Fill
from tilelang.tileop.gemm import Gemm

OPERATORS = (Copy, Fill, Gemm)  # imported so that they are registered
SERIAL, PARALLEL = ir.ForKind.SERIAL, ir.ForKind.PARALLEL


def context(threads: int = 32, arch: str = "sm_80", **configs) -> LoweringContext:
    tid = ir.var("tid")
    return LoweringContext(Target("cuda", arch), threads, tid, pass_configs=configs, ranges={tid: (0, threads)})


def shared(name, *shape, dtype="float32"):
    return ir.buffer(shape, dtype, name, "shared.dyn")


def fragment(name, *shape, dtype="float32"):
    return ir.buffer(shape, dtype, name, "local.fragment")


def tensor(name, *shape, dtype="float32"):
    return ir.buffer(shape, dtype, name)


def part(buf, *ranges):
    return ir.region(buf, ranges) if ranges else ir.full_region(buf)


def copy(src, dst, **attrs):
    src, dst = (ir.full_region(x) if ir.is_buffer_var(x) else x for x in (src, dst))
    return ir.evaluate(ir.call("tl.copy", [src, dst], attrs=attrs or None))


def fill(dst, value=0.0):
    return ir.evaluate(ir.call("tl.fill", [ir.full_region(dst) if ir.is_buffer_var(dst) else dst, value]))


def gemm(a, b, c, transpose_b=False):
    regions = [ir.full_region(x) if ir.is_buffer_var(x) else x for x in (a, b, c)]
    attrs = {"transpose_A": False, "transpose_B": transpose_b, "policy": 0}
    return ir.evaluate(ir.call("tl.gemm", [*regions, False], attrs=attrs))


def loop(var, start, extent, *body, stages=None, step=None, kind=SERIAL, **notes):
    notes = {f"tl.{k}": v for k, v in notes.items()}
    if stages is not None:
        notes["tl.num_stages"] = stages
    step = None if step is None else ir.const(step)
    return ir.For(var, ir.as_expr(start), ir.as_expr(extent), kind, ir.seq(body), None, notes, step)


def parallel(extents, make):
    """A T.Parallel nest; `make(*vars)` gives its body."""
    variables = [ir.var(f"p{i}") for i in range(len(extents))]
    body = make(*variables)
    for depth in reversed(range(len(extents))):
        notes = {"tl.parallel_depth": len(extents)} if depth == 0 else {}
        body = ir.For(variables[depth], ir.const(0), ir.const(extents[depth]), PARALLEL, body, None, notes)
    return body


def store(buf, indices, value):
    return ir.BufferStore(buf, ir.as_expr(value), [ir.as_expr(i) for i in indices])


def when(condition, *then, otherwise=None):
    return ir.IfThenElse(condition, ir.seq(then), otherwise)


def sync():
    return ir.evaluate(ir.call("tl.sync_threads"))
