"""Van der Pol oscillators, one for each thread, with a choice of steppers; the whole time loop is one kernel.

    python examples/ode/vanderpol.py

x' = v, v' = mu (1 - x^2) v - x, for many values of mu at once. A stepper (`steppers.py`) is a macro over the right-hand side,
which is a macro itself: both become part of the kernel's text, and nothing returns to Python between steps. The trajectory is
recorded every `record_every` steps where that is asked for; else no store is generated. `integrate` lets every oscillator choose
its steps.
"""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T

try:
    from .steppers import STEPPERS
except ImportError:  # run as a script
    from steppers import STEPPERS


@T.macro
def rhs(x, v, mu, dx: T.Ref, dv: T.Ref):
    dx = v  # noqa: F841 - the caller's variable
    dv = mu * (1.0 - x * x) * v - x  # noqa: F841


@tilelang.jit
def simulate(stepper: str, n: int, steps: int, dt: float, record_every: int = 0, threads: int = 128, dtype: str = "float64"):
    """The kernel: mu (n,), state (2, n) in and out, and with `record_every` the recorded positions."""
    STEPPERS[stepper].require(stepper, dtype, adaptive=False)
    step = STEPPERS[stepper].step
    records = steps // record_every if record_every else 1

    @T.prim_func
    def main(mu: T.Tensor((n,), dtype), state: T.Tensor((2, n), dtype), path: T.Tensor((records, n), dtype)):
        with T.Kernel(T.ceildiv(n, threads), threads=threads) as bx:
            i = bx * threads + T.get_thread_binding()
            if i < n:
                x, v = T.alloc_var(dtype), T.alloc_var(dtype)
                dx, dv = T.alloc_var(dtype), T.alloc_var(dtype)
                x = state[0, i]
                v = state[1, i]
                rhs(x, v, mu[i], dx, dv)
                for k in T.serial(steps):
                    step(rhs, x, v, mu[i], dt, dx, dv)
                    if record_every:
                        if (k + 1) % record_every == 0:
                            path[(k + 1) // record_every - 1, i] = x
                state[0, i] = x
                state[1, i] = v

    return main


@tilelang.jit
def integrate(n: int, end: float, rtol: float, threads: int = 128):
    """Adaptive steps: mu (n,), state (2, n) in and out, and how many steps each oscillator took."""
    STEPPERS["rk45"].require("rk45", "float64", adaptive=True)
    rk45 = STEPPERS["rk45"].step

    @T.prim_func
    def main(mu: T.Tensor((n,), "float64"), state: T.Tensor((2, n), "float64"), steps: T.Tensor((n,), "int32")):
        with T.Kernel(T.ceildiv(n, threads), threads=threads) as bx:
            i = bx * threads + T.get_thread_binding()
            if i < n:
                x, v = T.alloc_var("float64"), T.alloc_var("float64")
                taken = T.alloc_var("int32")
                x = state[0, i]
                v = state[1, i]
                rk45(rhs, x, v, mu[i], end, rtol, taken)
                state[0, i] = x
                state[1, i] = v
                steps[i] = taken

    return main


def reference(mu: torch.Tensor, state: torch.Tensor, steps: int, dt: float) -> torch.Tensor:
    """The same with the classical Runge-Kutta method in torch."""

    def slope(s: torch.Tensor) -> torch.Tensor:
        return torch.stack([s[1], mu * (1 - s[0] ** 2) * s[1] - s[0]])

    for _ in range(steps):
        k1 = slope(state)
        k2 = slope(state + dt / 2 * k1)
        k3 = slope(state + dt / 2 * k2)
        state = state + dt / 6 * (k1 + 2 * k2 + 2 * k3 + slope(state + dt * k3))
    return state


def main() -> None:
    n, dt, steps = 300, 0.01, 400
    target = "cuda" if torch.cuda.is_available() else "c"
    mu = torch.linspace(0.0, 3.0, n, dtype=torch.float64, device="cuda" if target == "cuda" else "cpu")
    start = torch.stack([torch.full_like(mu, 2.0), torch.zeros_like(mu)])
    for stepper in (name for name, s in STEPPERS.items() if not s.adaptive):
        state, path = start.clone(), torch.empty(4, n, dtype=mu.dtype, device=mu.device)
        kernel = simulate.with_options(target=target)(stepper, n, steps, dt, record_every=100)
        kernel(mu, state, path)
        error = (state - reference(mu, start, steps, dt)).abs().max().item()
        print(f"{stepper:6} differs from torch's rk4 by {error:.1e} after t = {steps * dt:.0f}")
        assert torch.equal(path[-1], state[0]) and error < {1: 1.0, 2: 1e-2, 4: 1e-11}[STEPPERS[stepper].order]
    state, taken = start.clone(), torch.zeros(n, dtype=torch.int32, device=mu.device)
    integrate.with_options(target=target)(n, steps * dt, 1e-9)(mu, state, taken)
    error = (state - reference(mu, start, steps, dt)).abs().max().item()
    print(f"rk45   differs by {error:.1e} after {taken.min()} to {taken.max()} steps")
    assert error < 1e-6
    print("rk4 and rk45 match")


if __name__ == "__main__":
    main()
