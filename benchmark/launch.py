"""What a call costs on the host, in microseconds, beside torch.add and Triton in the same process.

    python benchmark/launch.py [--calls 2000] [--json FILE]

Calls are queued without waiting for the GPU, so that the time is the host's. The driver's own rows are loops in C around
its launch functions, with the same kernel: no call can cost less, and what a bound one costs more is ours. On a CPU the simulator
runs tiny kernels: then the figures bound the cost of a call from above, and the rows of the driver and of Triton are left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from driver_floor import driver_launches

import tilelang
import tilelang.language as T

N = 32


def add():
    n = T.dynamic("n")

    @T.prim_func
    def add(A: T.Tensor((n,), "float32"), B: T.Tensor((n,), "float32"), C: T.Tensor((n,), "float32")):
        with T.Kernel(T.ceildiv(n, N), threads=N) as bx:
            for i in T.Parallel(N):
                C[bx * N + i] = A[bx * N + i] + B[bx * N + i]

    return add


def many():
    """19 arguments: 16 tensors, 2 scalars, and the output."""
    n = T.dynamic("n")
    tensor = T.Tensor((n,), "float32")

    @T.prim_func
    def many(
        a: tensor, b: tensor, c: tensor, d: tensor, e: tensor, f: tensor, g: tensor, h: tensor,
        i: tensor, j: tensor, k: tensor, m: tensor, o: tensor, p: tensor, q: tensor, r: tensor,
        x: T.float32, y: T.int32, out: tensor,
    ):  # fmt: skip
        with T.Kernel(T.ceildiv(n, N), threads=N) as bx:
            for t in T.Parallel(N):
                s = bx * N + t
                out[s] = a[s] + b[s] + c[s] + d[s] + e[s] + f[s] + g[s] + h[s] + x
                out[s] = out[s] + i[s] + j[s] + k[s] + m[s] + o[s] + p[s] + q[s] + r[s] + y

    return many


def microseconds(rows: dict[str, Callable[[int], None]], calls: int) -> dict[str, float]:
    """The median of 7 runs of many calls, of each row in turn; a row is a function that makes that many calls."""
    runs: dict[str, list[float]] = {name: [] for name in rows}
    for run in rows.values():
        run(50)
    for _ in range(7):
        for name, run in rows.items():
            _synchronize()
            started = time.perf_counter()
            run(calls)
            runs[name].append((time.perf_counter() - started) / calls * 1e6)
    _synchronize()
    return {name: statistics.median(times) for name, times in runs.items()}


def repeated(call: Callable[[], object]) -> Callable[[int], None]:
    def run(calls: int) -> None:
        for _ in range(calls):
            call()

    return run


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def triton_add(a: torch.Tensor, b: torch.Tensor) -> Callable[[], object] | None:
    """The same kernel in Triton with output allocation; None where it is not installed or has no GPU."""
    try:
        import triton
        import triton.language as tl
    except ImportError:
        return None
    if not a.is_cuda:
        return None

    @triton.jit
    def kernel(a, b, c, n, BLOCK: tl.constexpr):
        index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        inside = index < n
        tl.store(c + index, tl.load(a + index, mask=inside) + tl.load(b + index, mask=inside), mask=inside)

    def call() -> object:
        c = torch.empty_like(a)
        kernel[(triton.cdiv(a.numel(), N),)](a, b, c, a.numel(), BLOCK=N)
        return c

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    a, b, c = (torch.randn(N, device=device) for _ in range(3))
    kernel, wide = tilelang.compile(add(), out_idx=-1), tilelang.compile(many(), out_idx=-1)
    rest = [torch.randn(N, device=device) for _ in range(16)]
    bound = kernel.bind(a, b, C=c)
    calls: dict[str, Callable[[], object] | None] = {
        "kernel, 3 tensors, output allocated": lambda: kernel(a, b),
        "kernel.bind, 3 tensors": bound,
        "kernel, 19 arguments, output allocated": lambda: wide(*rest, 1.0, 2),
        "torch.add": lambda: torch.add(a, b),
        "Triton, 3 tensors, output allocated": triton_add(a, b),
    }
    torch.testing.assert_close(kernel(a, b), a + b)
    rows = {name: repeated(call) for name, call in calls.items() if call is not None}
    if device == "cuda":
        rows.update(driver_launches(kernel, {"A": a, "B": b, "C": c}, {"n": N}))
    figures = microseconds(rows, options.calls)
    for name, value in figures.items():
        print(f"{name:42s} {value:8.2f} us")
    three, fixed, nineteen = list(figures.values())[:3]
    print(f"{'kernel / torch.add':42s} {three / figures['torch.add']:8.2f}     (below 1 wanted, on a GPU)")
    print(f"{'bind / torch.add':42s} {fixed / figures['torch.add']:8.2f}     (at most 0.5 wanted, on a GPU)")
    print(f"{'19 arguments / 3':42s} {nineteen / three:8.2f}     (at most 1.6 wanted)")
    floor = figures.get("cuLaunchKernelEx")
    if floor is not None:
        print(f"{'bind - cuLaunchKernelEx':42s} {fixed - floor:8.2f} us  (ours, of a bound call)")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(
                {"device": torch.cuda.get_device_name() if device == "cuda" else "simulator", "us": figures}, file, indent=1
            )


if __name__ == "__main__":
    main()
