"""`tl.check_finite`: the first value that is infinite or NaN is reported with its place; without it nothing is generated."""

from __future__ import annotations

import math

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.jit.exceptions import NumericalGuardError

WATCH = {"tl.check_finite": True}
TARGETS = ["auto", "c"]


def decay(n, steps, threads=32):
    """x' = -x, with what comes in from outside at every step: one lane a thread."""

    @T.prim_func
    def main(force: T.Tensor((steps, n), "float32"), state: T.Tensor((n,), "float32")):
        with T.Kernel(T.ceildiv(n, threads), threads=threads) as bx:
            i = bx * threads + T.get_thread_binding()
            if i < n:
                x = T.alloc_var("float32")
                x = state[i]
                for k in T.serial(steps):
                    x = x - 0.01 * x + force[k, i]
                state[i] = x

    return main


def scaled_copy(m, n, dtype="float16"):
    @T.prim_func
    def main(A: T.Tensor((m, n), "float32"), B: T.Tensor((m, n), dtype)):
        with T.Kernel(T.ceildiv(m, 16), threads=64) as bx:
            tile = T.alloc_fragment((16, n), "float32")
            top = T.alloc_fragment((16,), "float32")
            T.copy(A[bx * 16, 0], tile)
            T.fill(top, -T.infinity("float32"))
            T.reduce_max(tile, top, dim=1, clear=False)
            for i, j in T.Parallel(16, n):
                tile[i, j] = tile[i, j] * 2
            T.copy(tile, B[bx * 16, 0])

    return main


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_the_first_bad_step_of_a_lane(target, bad):
    n, steps = 70, 500
    kernel = tilelang.compile(decay(n, steps), pass_configs=WATCH, target=target)
    device = "cuda" if kernel.target.kind == "cuda" and not kernel.target.simulated else "cpu"
    force = torch.randn(steps, n, device=device)
    kernel(force, torch.randn(n, device=device))  # nothing is wrong
    force[400, 17] = bad
    force[450, 3] = bad
    with pytest.raises(NumericalGuardError, match=r"thread 17: `x`, in step 400") as caught:
        kernel(force, torch.randn(n, device=device))
    assert (caught.value.lane, caught.value.step, caught.value.name) == (17, 400, "x")
    assert "x - 0.01 * x" in str(caught.value)


@pytest.mark.parametrize("target", TARGETS)
def test_elements_of_outputs(target):
    m, n = 37, 24  # ragged: what lies outside of the tensors counts for nothing
    kernel = tilelang.compile(scaled_copy(m, n), out_idx=-1, pass_configs=WATCH, target=target)
    device = "cuda" if kernel.target.kind == "cuda" and not kernel.target.simulated else "cpu"
    a = torch.randn(m, n, device=device)
    assert torch.equal(kernel(a), (a * 2).half())
    assert [p.name for p in kernel.params] == ["A", "B"] and kernel.out_idx == [1]
    a[33, 7] = 40000.0  # twice that is no number of half precision
    with pytest.raises(NumericalGuardError) as caught:
        kernel(a)
    assert caught.value.name == "B" and caught.value.index == (33, 7)


def test_off_costs_nothing():
    texts = [
        tilelang.compile(decay(70, 500), pass_configs=configs, target="c").get_kernel_source()
        for configs in (None, {"tl.check_finite": False}, WATCH)
    ]
    assert texts[0] == texts[1] and "isfinite" not in texts[0] and "isfinite" in texts[2]


def test_what_it_does_not_go_with():
    kernel = tilelang.compile(decay(70, 5), pass_configs=WATCH, target="c")
    with pytest.raises(NotImplementedError, match="tl.check_finite"):
        kernel.bind(torch.zeros(5, 70), torch.zeros(70))
    with pytest.raises(NotImplementedError, match="tl.check_finite"):
        tilelang.compile(decay(70, 5), pass_configs=WATCH, jit=False)
