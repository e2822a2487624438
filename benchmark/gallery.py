"""The programs of examples/ beside torch and NumPy on this machine: the ratio of their times.

    OMP_NUM_THREADS=2 python benchmark/gallery.py [--rounds 11] [--cpu] [--json FILE] [program ...]

On a GPU, NumPy is left out, and a call ends when the GPU has finished it. The contestants of a program take turns, in another
order each round, so that a busy machine slows all of them; results are compared before. Printed are the least time of a call in
milliseconds and each peer's least time over ours (above 1: we are faster).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import tilelang

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmark")]

from cpu import measure  # noqa: E402
from examples.attention.flash_attention import flash_attention  # noqa: E402
from examples.elementwise.gelu_bias import gelu_bias  # noqa: E402
from examples.gemm.matmul import matmul  # noqa: E402
from examples.norms.layer_norm import EPS, layer_norm, rms_norm  # noqa: E402
from examples.norms.softmax import softmax  # noqa: E402
from examples.ode import vanderpol  # noqa: E402
from examples.stencil import heat3d, jacobi2d  # noqa: E402

Call = Callable[[], object]
Contestants = dict[str, Call]


class Machine:
    """Where the programs run."""

    def __init__(self, gpu: bool) -> None:
        self.target, self.device = ("cuda", "cuda") if gpu else ("c", "cpu")
        self.gpu = gpu
        self.dtype = "float16" if gpu else "float32"

    def random(self, *shape: int, dtype: str | None = None) -> torch.Tensor:
        return torch.randn(shape, device=self.device).to(getattr(torch, dtype or self.dtype))

    def ended(self, call: Call) -> Call:
        """`call`, until its result is there."""
        if not self.gpu:
            return call

        def run() -> object:
            result = call()
            torch.cuda.synchronize()
            return result

        return run

    def contestants(self, ours: Call, peer: Call, numpy: Call | None = None, tolerance: float = 2e-2) -> Contestants:
        """Those that agree with torch."""
        expected = peer()
        torch.testing.assert_close(ours().double(), expected.double(), rtol=tolerance, atol=tolerance)
        found = {"tilelang": self.ended(ours), "torch": self.ended(peer)}
        if numpy is not None and not self.gpu:
            np.testing.assert_allclose(numpy(), expected.double().numpy(), rtol=tolerance, atol=tolerance)
            found["numpy"] = numpy
        return found


def gemm(machine: Machine) -> Contestants:
    n = 4096 if machine.gpu else 1024
    a, b = machine.random(n, n), machine.random(n, n)
    kernel = matmul.with_options(target=machine.target)(n, n, n, block_k=32 if machine.gpu else 256, dtype=machine.dtype)
    return machine.contestants(lambda: kernel(a, b), lambda: a @ b, lambda: a.numpy() @ b.numpy(), 0.2)


def attention(machine: Machine) -> Contestants:
    heads, length, dim = (16, 4096, 128) if machine.gpu else (4, 512, 64)
    q, k, v = (machine.random(1, heads, length, dim) for _ in range(3))
    kernel = flash_attention.with_options(target=machine.target)(1, heads, length, dim, False, dtype=machine.dtype)
    return machine.contestants(lambda: kernel(q, k, v), lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v))


def _rows(machine: Machine) -> tuple[int, int]:
    return (16384, 4096) if machine.gpu else (2048, 1024)


def softmax_rows(machine: Machine) -> Contestants:
    a = machine.random(*_rows(machine))
    kernel = softmax.with_options(target=machine.target)(*a.shape, dtype=machine.dtype)

    def numpy() -> np.ndarray:
        x = a.numpy()
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    return machine.contestants(lambda: kernel(a), lambda: torch.softmax(a, -1), numpy)


def rms_norm_rows(machine: Machine) -> Contestants:
    a = machine.random(*_rows(machine))
    w = machine.random(a.shape[1])
    kernel = rms_norm.with_options(target=machine.target)(*a.shape, dtype=machine.dtype)
    peer = lambda: torch.nn.functional.rms_norm(a, w.shape, w, EPS)  # noqa: E731
    x, y = a.cpu().numpy(), w.cpu().numpy()
    return machine.contestants(lambda: kernel(a, w), peer, lambda: x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * y)


def layer_norm_rows(machine: Machine) -> Contestants:
    a = machine.random(*_rows(machine))
    w, b = machine.random(a.shape[1]), machine.random(a.shape[1])
    kernel = layer_norm.with_options(target=machine.target)(*a.shape, dtype=machine.dtype)

    def numpy() -> np.ndarray:
        x = a.numpy() - a.numpy().mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * w.numpy() + b.numpy()

    peer = lambda: torch.nn.functional.layer_norm(a, w.shape, w, b, EPS)  # noqa: E731
    return machine.contestants(lambda: kernel(a, w, b), peer, numpy)


def gelu(machine: Machine) -> Contestants:
    x = machine.random(*_rows(machine), dtype="float16")
    bias = machine.random(x.shape[1], dtype="float16")
    kernel = gelu_bias.with_options(target=machine.target)
    return machine.contestants(lambda: kernel(x, bias), lambda: torch.nn.functional.gelu(x + bias))


def stencil2d(machine: Machine) -> Contestants:
    a = machine.random(4096, 4096, dtype="float32")
    b = torch.zeros_like(a)
    kernel = tilelang.compile(jacobi2d.jacobi2d(*((16, 128) if machine.gpu else (16, 4096)), "float32"), target=machine.target)
    zero, x, y = torch.zeros_like(a), a.cpu().numpy(), np.zeros(a.shape, "float32")

    def numpy() -> np.ndarray:
        y[1:-1, 1:-1] = 0.25 * (x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:])
        return y

    return machine.contestants(lambda: (kernel(a, b), b)[1], lambda: jacobi2d.reference(a, zero), numpy)


def stencil3d(machine: Machine) -> Contestants:
    n = 512 if machine.gpu else 192
    u = machine.random(n, n, n, dtype="float32")
    v, zero = torch.zeros_like(u), torch.zeros_like(u)
    kernel = tilelang.compile(heat3d.heat3d(*((2, 4, 64) if machine.gpu else (4, 256, 512)), "float32"), target=machine.target)
    return machine.contestants(lambda: (kernel(u, v), v)[1], lambda: heat3d.reference(u, zero))


def oscillators(machine: Machine) -> Contestants:
    """4,096 van der Pol oscillators, 200 steps of the classical Runge-Kutta method."""
    n, steps, dt = 4096, 200, 0.01
    mu = torch.linspace(0, 3, n, dtype=torch.float64, device=machine.device)
    start = torch.stack([torch.full_like(mu, 2.0), torch.zeros_like(mu)])
    state, path = start.clone(), torch.empty(1, n, dtype=torch.float64, device=machine.device)
    kernel = vanderpol.simulate.with_options(target=machine.target)("rk4", n, steps, dt)

    def ours() -> torch.Tensor:
        state.copy_(start)
        kernel(mu, state, path)
        return state

    def numpy() -> np.ndarray:
        m, s = mu.numpy(), start.numpy()
        slope = lambda s: np.stack([s[1], m * (1 - s[0] ** 2) * s[1] - s[0]])  # noqa: E731
        for _ in range(steps):
            k1 = slope(s)
            k2 = slope(s + dt / 2 * k1)
            k3 = slope(s + dt / 2 * k2)
            s = s + dt / 6 * (k1 + 2 * k2 + 2 * k3 + slope(s + dt * k3))
        return s

    return machine.contestants(ours, lambda: vanderpol.reference(mu, start, steps, dt), numpy, 1e-9)


PROGRAMS: dict[str, Callable[[Machine], Contestants]] = {
    "gemm/matmul": gemm,
    "attention/flash_attention": attention,
    "norms/softmax": softmax_rows,
    "norms/rms_norm": rms_norm_rows,
    "norms/layer_norm": layer_norm_rows,
    "elementwise/gelu_bias": gelu,
    "stencil/jacobi2d": stencil2d,
    "stencil/heat3d": stencil3d,
    "ode/vanderpol": oscillators,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", nargs="*", help="parts of program names; all by default")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--cpu", action="store_true", help="the CPU, also where there is a GPU")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    machine = Machine(torch.cuda.is_available() and not options.cpu)
    threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
    torch.set_num_threads(threads)
    where = torch.cuda.get_device_name() if machine.gpu else f"{threads} threads, load average {os.getloadavg()[0]:.1f}"
    print(f"{where}; times of peers over ours")
    results: dict[str, dict[str, float]] = {}
    for name, make in PROGRAMS.items():
        if options.programs and not any(part in name for part in options.programs):
            continue
        torch.manual_seed(0)
        least = {peer: min(times) for peer, times in measure(make(machine), options.rounds).items()}
        results[name] = least
        ours = least.pop("tilelang")
        print(f"{name:28} {ours:9.3f} ms" + "".join(f"   {peer} {ms / ours:6.2f}" for peer, ms in least.items()))
        least["tilelang"] = ours
    if options.json:
        options.json.write_text(json.dumps({"where": where, "milliseconds": results}, indent=1))


if __name__ == "__main__":
    main()
