"""A time loop with its stepper and right-hand side is one kernel, and each stepper has its order."""

from __future__ import annotations

import math

import pytest
import torch

from examples.ode.steppers import STEPPERS
from examples.ode.vanderpol import integrate, reference, simulate

FIXED = [name for name, stepper in STEPPERS.items() if not stepper.adaptive]


def endpoints(stepper: str, dt: float, end: float = 2.0) -> torch.Tensor:
    mu = torch.tensor([0.0, 0.5, 1.5], dtype=torch.float64)
    state = torch.tensor([[2.0] * 3, [0.5] * 3], dtype=torch.float64)
    kernel = simulate.with_options(target="c")(stepper, 3, round(end / dt), dt, threads=3)
    kernel(mu, state, torch.empty(1, 3, dtype=torch.float64))
    return state


@pytest.mark.parametrize("stepper", FIXED)
def test_order_of_convergence(stepper):
    mu = torch.tensor([0.0, 0.5, 1.5], dtype=torch.float64)
    exact = reference(mu, torch.tensor([[2.0] * 3, [0.5] * 3], dtype=torch.float64), 20000, 1e-4)
    coarse, fine = ((endpoints(stepper, dt) - exact).abs().max().item() for dt in (0.02, 0.01))
    assert math.log2(coarse / fine) == pytest.approx(STEPPERS[stepper].order, abs=0.15)


def adaptive(rtol: float, end: float = 4.0) -> tuple[torch.Tensor, torch.Tensor]:
    mu = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)
    state, taken = torch.tensor([[2.0] * 3, [0.5] * 3], dtype=torch.float64), torch.zeros(3, dtype=torch.int32)
    integrate.with_options(target="c")(3, end, rtol, threads=3)(mu, state, taken)
    return state, taken


def test_each_lane_has_steps_of_its_own():
    mu = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)
    exact = reference(mu, torch.tensor([[2.0] * 3, [0.5] * 3], dtype=torch.float64), 20000, 4.0 / 20000)
    (coarse, few), (fine, many) = adaptive(1e-6), adaptive(1e-10)
    assert (coarse - exact).abs().max() < 1e-4 and (fine - exact).abs().max() < 1e-8
    assert few[2] > 1.5 * few[0] > 0  # the stiff one takes more
    assert (many / few).mean().item() == pytest.approx(1e4 ** (1 / STEPPERS["rk45"].order), rel=0.3)


def test_what_a_stepper_cannot_do_is_refused():
    with pytest.raises(ValueError, match="rk45 chooses its steps"):
        simulate("rk45", 3, 10, 0.1)
    with pytest.raises(ValueError, match="float32 and float64, not in float16"):
        simulate("rk4", 3, 10, 0.1, dtype="float16")


def test_the_loop_is_one_kernel_without_calls():
    """Rows C5, C10, C12: one launch for all steps, macros inlined, and no store for what is not recorded."""
    silent, recording = (simulate("rk4", 64, 100_000, 1e-4, every) for every in (0, 10))
    assert len(silent.artifact.plan.kernels) == 1 and silent.launch_config.evaluate().num_blocks == 1
    assert "rhs" not in silent.code and "rk4" not in silent.code and "(*" not in silent.code
    assert "path[" not in silent.code and "path[" in recording.code
