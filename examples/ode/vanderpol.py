"""Van der Pol oscillators, one for each thread, with a choice of steppers; the whole time loop is one kernel.

    python examples/ode/vanderpol.py

x' = v, v' = mu (1 - x^2) v - x, for many values of mu at once. A stepper is a macro over the right-hand side, which is a macro
itself: both become part of the kernel's text, and nothing returns to Python between steps. The trajectory is recorded every
`record_every` steps where that is asked for; else no store is generated.
"""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T


@T.macro
def rhs(x, v, mu, dx: T.Ref, dv: T.Ref):
    dx = v  # noqa: F841 - the caller's variable
    dv = mu * (1.0 - x * x) * v - x  # noqa: F841


@T.macro
def euler(x: T.Ref, v: T.Ref, mu, dt, dx: T.Ref, dv: T.Ref):
    rhs(x, v, mu, dx, dv)
    x += dt * dx
    v += dt * dv


@T.macro
def heun(x: T.Ref, v: T.Ref, mu, dt, dx: T.Ref, dv: T.Ref):
    kx, kv = T.alloc_var("float64"), T.alloc_var("float64")
    rhs(x, v, mu, kx, kv)
    rhs(x + dt * kx, v + dt * kv, mu, dx, dv)
    x += 0.5 * dt * (kx + dx)
    v += 0.5 * dt * (kv + dv)


@T.macro
def rk4(x: T.Ref, v: T.Ref, mu, dt, dx: T.Ref, dv: T.Ref):
    sx, sv = T.alloc_var("float64"), T.alloc_var("float64")
    rhs(x, v, mu, dx, dv)
    sx = dx
    sv = dv
    kx, kv = T.alloc_var("float64"), T.alloc_var("float64")
    rhs(x + 0.5 * dt * dx, v + 0.5 * dt * dv, mu, kx, kv)
    sx += 2.0 * kx
    sv += 2.0 * kv
    rhs(x + 0.5 * dt * kx, v + 0.5 * dt * kv, mu, dx, dv)
    sx += 2.0 * dx
    sv += 2.0 * dv
    rhs(x + dt * dx, v + dt * dv, mu, kx, kv)
    x += dt / 6.0 * (sx + kx)
    v += dt / 6.0 * (sv + kv)


@T.macro
def ab2(x: T.Ref, v: T.Ref, mu, dt, dx: T.Ref, dv: T.Ref):
    """Adams-Bashforth: dx and dv hold the slope of the step before."""
    kx, kv = T.alloc_var("float64"), T.alloc_var("float64")
    rhs(x, v, mu, kx, kv)
    x += dt * (1.5 * kx - 0.5 * dx)
    v += dt * (1.5 * kv - 0.5 * dv)
    dx = kx  # noqa: F841
    dv = kv  # noqa: F841


STEPPERS = {"euler": euler, "heun": heun, "ab2": ab2, "rk4": rk4}
ORDER = {"euler": 1, "heun": 2, "ab2": 2, "rk4": 4}


@tilelang.jit
def simulate(stepper: str, n: int, steps: int, dt: float, record_every: int = 0, threads: int = 128):
    """The kernel: mu (n,), state (2, n) in and out, and with `record_every` the recorded positions."""
    step = STEPPERS[stepper]
    records = steps // record_every if record_every else 1

    @T.prim_func
    def main(mu: T.Tensor((n,), "float64"), state: T.Tensor((2, n), "float64"), path: T.Tensor((records, n), "float64")):
        with T.Kernel(T.ceildiv(n, threads), threads=threads) as bx:
            i = bx * threads + T.get_thread_binding()
            if i < n:
                x, v = T.alloc_var("float64"), T.alloc_var("float64")
                dx, dv = T.alloc_var("float64"), T.alloc_var("float64")
                x = state[0, i]
                v = state[1, i]
                rhs(x, v, mu[i], dx, dv)
                for k in T.serial(steps):
                    step(x, v, mu[i], dt, dx, dv)
                    if record_every:
                        if (k + 1) % record_every == 0:
                            path[(k + 1) // record_every - 1, i] = x
                state[0, i] = x
                state[1, i] = v

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
    for stepper in STEPPERS:
        state, path = start.clone(), torch.empty(4, n, dtype=mu.dtype, device=mu.device)
        kernel = simulate.with_options(target=target)(stepper, n, steps, dt, record_every=100)
        kernel(mu, state, path)
        error = (state - reference(mu, start, steps, dt)).abs().max().item()
        print(f"{stepper:6} differs from torch's rk4 by {error:.1e} after t = {steps * dt:.0f}")
        assert torch.equal(path[-1], state[0]) and error < {1: 1.0, 2: 1e-2, 4: 1e-11}[ORDER[stepper]]
    print("rk4 matches")


if __name__ == "__main__":
    main()
