"""A time loop with its stepper and right-hand side is one kernel, and each stepper has its order."""

from __future__ import annotations

import math

import pytest
import torch

from examples.ode.vanderpol import ORDER, reference, simulate


def endpoints(stepper: str, dt: float, end: float = 2.0) -> torch.Tensor:
    mu = torch.tensor([0.0, 0.5, 1.5], dtype=torch.float64)
    state = torch.tensor([[2.0] * 3, [0.5] * 3], dtype=torch.float64)
    kernel = simulate.with_options(target="c")(stepper, 3, round(end / dt), dt, threads=3)
    kernel(mu, state, torch.empty(1, 3, dtype=torch.float64))
    return state


@pytest.mark.parametrize("stepper", list(ORDER))
def test_order_of_convergence(stepper):
    mu = torch.tensor([0.0, 0.5, 1.5], dtype=torch.float64)
    exact = reference(mu, torch.tensor([[2.0] * 3, [0.5] * 3], dtype=torch.float64), 20000, 1e-4)
    coarse, fine = ((endpoints(stepper, dt) - exact).abs().max().item() for dt in (0.02, 0.01))
    assert math.log2(coarse / fine) == pytest.approx(ORDER[stepper], abs=0.15)


def test_the_loop_is_one_kernel_without_calls():
    """Rows C5, C10, C12: one launch for all steps, macros inlined, and no store for what is not recorded."""
    silent, recording = (simulate("rk4", 64, 100_000, 1e-4, every) for every in (0, 10))
    assert len(silent.artifact.plan.kernels) == 1 and silent.launch_config.evaluate().num_blocks == 1
    assert "rhs" not in silent.code and "rk4" not in silent.code and "(*" not in silent.code
    assert "path[" not in silent.code and "path[" in recording.code
