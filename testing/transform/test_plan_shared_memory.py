"""Offsets of shared buffers: aligned, inside the arena, apart while live together; the error when they do not fit."""

from __future__ import annotations

import pytest
from test_lower_pipelines import attention_like, matmul
from tile_program import context, copy, fill, fragment, loop, shared, tensor

from tilelang import ir
from tilelang.errors import ResourceError
from tilelang.layout import SharedLayout
from tilelang.transform.live_ranges import live_ranges
from tilelang.transform.pipelining import lower_pipelines
from tilelang.transform.plan_shared_memory import plan_shared_memory

KB = 1024


def check_plan(body, ctx):
    """The plan, after its invariants."""
    plan = plan_shared_memory(body, ctx)
    ranges = live_ranges(body)
    for r in ranges:
        assert plan.offsets[r.buffer] % ctx.shared_layout(r.buffer).alignment == 0
        assert plan.offsets[r.buffer] + plan.sizes[r.buffer] <= plan.total_bytes
        for other in ranges:
            if other.buffer is not r.buffer and r.meets(other):
                assert not plan.overlap(r.buffer, other.buffer)
    return plan


def three():
    a, b, c = shared("a", 64, 32), shared("b", 32, 32), shared("c", 64, 32)
    A, f, g = tensor("A", 64, 32), fragment("f", 64, 32), fragment("g", 32, 32)
    return a, b, c, A, f, g


def test_buffers_one_after_the_other_share():
    a, b, c, A, f, g = three()
    stmts = [copy(A, a), copy(a, f), fill(b), copy(b, g), copy(f, c), copy(c, A)]
    plan = check_plan(ir.seq([*map(ir.alloc, (a, b, c)), *stmts]), context())
    assert plan.total_bytes == plan.sizes[a] and plan.offsets == {a: 0, b: 0, c: 0}


def test_reuse_can_be_turned_off():
    a, b, c, A, f, g = three()
    stmts = [copy(A, a), copy(a, f), fill(b), copy(b, g), copy(f, c), copy(c, A)]
    ctx = context(**{"tl.disable_shared_memory_reuse": True})
    plan = check_plan(ir.seq([*map(ir.alloc, (a, b, c)), *stmts]), ctx)
    assert plan.total_bytes == sum(plan.sizes.values())


def test_live_together_are_apart():
    a, b, c, A, f, g = three()
    stmts = [copy(A, a), fill(b), copy(f, c), copy(a, f), copy(b, g), copy(c, A)]
    plan = check_plan(ir.seq([*map(ir.alloc, (a, b, c)), *stmts]), context())
    assert plan.total_bytes == sum(plan.sizes.values())


def test_a_loop_extends_what_it_does_not_allocate():
    a, b, c, A, f, g = three()
    body = loop(ir.var("k"), 0, 4, copy(A, a), copy(a, f), copy(f, c), copy(c, A))
    outside = check_plan(ir.seq([ir.alloc(a), ir.alloc(c), body]), context())
    assert outside.overlap(a, c) is False
    inside = loop(ir.var("k"), 0, 4, ir.alloc(a), ir.alloc(c), copy(A, a), copy(a, f), copy(f, c), copy(c, A))
    assert check_plan(inside, context()).overlap(a, c)


def test_asynchronous_writes_live_until_waited_for():
    a, b, c, A, f, g = three()
    start = [copy(A, a, async_group=True), ir.evaluate(ir.call("tl.cp_async_commit"))]
    landed = ir.evaluate(ir.call("tl.cp_async_wait", attrs={"template": ["0"]}))
    allocs = [*map(ir.alloc, (a, c))]
    before = check_plan(ir.seq([*allocs, *start, copy(f, c), copy(c, A), landed]), context())
    assert not before.overlap(a, c)
    after = check_plan(ir.seq([*allocs, *start, landed, copy(f, c), copy(c, A)]), context())
    assert after.overlap(a, c)


def test_alignment_of_swizzled_tiles():
    a, b = shared("a", 3, 5), shared("b", 8, 64, dtype="float16")
    ctx = context()
    ctx.shared[b] = SharedLayout.for_matrix((8, 64), 16)
    A, B = tensor("A", 3, 5), tensor("B", 8, 64, dtype="float16")
    body = ir.seq([ir.alloc(a), ir.alloc(b), copy(A, a), copy(B, b), copy(a, A), copy(b, B)])
    plan = check_plan(body, ctx)
    assert plan.offsets[b] % 1024 == 0


@pytest.mark.parametrize("stages", [1, 2, 4])
def test_pipelines(stages):
    ctx = context()
    for body, _ in (matmul(stages, ir.var("n")), attention_like(stages, ir.var("n"), True)):
        check_plan(lower_pipelines(body, ctx), ctx)


def test_too_large_names_the_stages_that_fit():
    ctx = context(arch="sm_80")  # 163 KB
    A, acc = tensor("A", 512, 128, dtype="float16"), fragment("acc", 256, 128, dtype="float16")
    As, k = shared("As", 256, 128, dtype="float16"), ir.var("k")  # 64 KB
    source = ir.region(A, [(k * 256, 256), (0, 128)])
    body = ir.seq(
        [
            ir.alloc(As, ir.make_span("kernel.py", 7, 1, 7, 9)),
            ir.alloc(acc),
            loop(k, 0, ir.var("n"), copy(source, As), copy(As, acc), stages=4),
        ]
    )
    with pytest.raises(ResourceError) as error:
        plan_shared_memory(lower_pipelines(body, ctx), ctx)
    text = str(error.value)
    assert "num_stages=2 instead of 4" in text and "256 x 128" in text and str(4 * 64 * KB) in text and "float16" in text
    assert "kernel.py:7" in text


def test_too_large_without_stages():
    ctx = context(arch="sm_89")
    a, A = shared("a", 256, 256), tensor("A", 256, 256)
    with pytest.raises(ResourceError, match="a is the largest buffer with 262144 bytes"):
        plan_shared_memory(ir.seq([ir.alloc(a), copy(A, a), copy(a, A)]), ctx)
