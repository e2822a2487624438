"""Steppers for x' = f(x, v), v' = g(x, v): macros over a right-hand side, which is a macro `rhs(x, v, mu, dx, dv)` itself.

`STEPPERS` says of each what it is good for. A fixed one is called as `step(rhs, x, v, mu, dt, dx, dv)`, where dx and dv hold
the slopes of the step before (at first those of the start). `rk45` chooses its steps: `rk45(rhs, x, v, mu, end, rtol, taken)`
goes from time 0 to `end`, each thread with steps of its own, and counts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tilelang.language as T


@T.macro
def euler(rhs, x: T.Ref, v: T.Ref, mu, dt, dx: T.Ref, dv: T.Ref):
    rhs(x, v, mu, dx, dv)
    x += dt * dx
    v += dt * dv


@T.macro
def heun(rhs, x: T.Ref, v: T.Ref, mu, dt, dx: T.Ref, dv: T.Ref):
    kx, kv = T.alloc_var(x.dtype), T.alloc_var(x.dtype)
    rhs(x, v, mu, kx, kv)
    rhs(x + dt * kx, v + dt * kv, mu, dx, dv)
    x += 0.5 * dt * (kx + dx)
    v += 0.5 * dt * (kv + dv)


@T.macro
def rk4(rhs, x: T.Ref, v: T.Ref, mu, dt, dx: T.Ref, dv: T.Ref):
    sx, sv = T.alloc_var(x.dtype), T.alloc_var(x.dtype)
    rhs(x, v, mu, dx, dv)
    sx = dx
    sv = dv
    kx, kv = T.alloc_var(x.dtype), T.alloc_var(x.dtype)
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
def ab2(rhs, x: T.Ref, v: T.Ref, mu, dt, dx: T.Ref, dv: T.Ref):
    """Adams-Bashforth."""
    kx, kv = T.alloc_var(x.dtype), T.alloc_var(x.dtype)
    rhs(x, v, mu, kx, kv)
    x += dt * (1.5 * kx - 0.5 * dx)
    v += dt * (1.5 * kv - 0.5 * dv)
    dx = kx  # noqa: F841
    dv = kv  # noqa: F841


# Dormand and Prince, "A family of embedded Runge-Kutta formulae" (1980): weights of the stages before, of the solution of
# order 5 (the last row, whose slope is the next step's first), and of its difference from that of order 4.
_STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
_SAFETY, _SLOWEST, _FASTEST, _LIMIT = 0.9, 0.2, 5.0, 1_000_000


@T.macro
def rk45(rhs, x: T.Ref, v: T.Ref, mu, end, rtol, taken: T.Ref):
    """Dormand-Prince: a step is repeated with a smaller one while its error is above `rtol` of the state's size (at least 1)."""
    kx, kv = T.alloc_local((7,), x.dtype), T.alloc_local((7,), x.dtype)
    t, h = T.alloc_var(x.dtype), T.alloc_var(x.dtype)
    nx, nv, ex, ev = (T.alloc_var(x.dtype) for _ in range(4))
    dx, dv, error = (T.alloc_var(x.dtype) for _ in range(3))
    t = 0.0
    h = 1e-3 * end
    taken = 0
    rhs(x, v, mu, dx, dv)
    kx[0] = dx
    kv[0] = dv
    while t < end and taken < _LIMIT:
        h = T.min(h, end - t)
        for stage, weights in enumerate(_STAGES):
            nx = x
            nv = v
            for j, weight in enumerate(weights):
                nx += h * weight * kx[j]
                nv += h * weight * kv[j]
            rhs(nx, nv, mu, dx, dv)
            kx[stage + 1] = dx
            kv[stage + 1] = dv
        ex = 0.0
        ev = 0.0
        for j, weight in enumerate(_ERROR):
            ex += h * weight * kx[j]
            ev += h * weight * kv[j]
        error = T.max(
            T.abs(ex) / T.max(1.0, T.max(T.abs(x), T.abs(nx))), T.abs(ev) / T.max(1.0, T.max(T.abs(v), T.abs(nv)))
        )
        error = error / rtol
        if error <= 1.0:
            t += h
            x = nx
            v = nv
            kx[0] = dx
            kv[0] = dv
        taken += 1
        h *= T.min(_FASTEST, T.max(_SLOWEST, _SAFETY * T.pow(T.max(error, 1e-12), -0.2)))


@dataclass(frozen=True)
class Stepper:
    """A stepper and what it can do.

    Parameters
    ----------
    step : macro
    order : int
        Halving the step divides the error by 2 to this power.
    adaptive : bool
        It chooses its steps.
    dtypes : tuple of str
        Element types in which it works.
    """

    step: Any
    order: int
    adaptive: bool = False
    dtypes: tuple[str, ...] = ("float32", "float64")

    def require(self, name: str, dtype: str, adaptive: bool) -> None:
        """Refuse what it cannot do."""
        if dtype not in self.dtypes:
            raise ValueError(f"the stepper {name} works in {' and '.join(self.dtypes)}, not in {dtype}")
        if adaptive != self.adaptive:
            raise ValueError(f"the stepper {name} " + ("chooses its steps" if self.adaptive else "takes steps of one size"))


STEPPERS = {
    "euler": Stepper(euler, 1),
    "heun": Stepper(heun, 2),
    "ab2": Stepper(ab2, 2),
    "rk4": Stepper(rk4, 4),
    "rk45": Stepper(rk45, 5, adaptive=True, dtypes=("float64",)),  # its error estimate drowns in the rounding of float32
}
