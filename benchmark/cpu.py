"""Kernels of target="c" beside their peers on the same machine, threads and arrays: pystencils for stencils, torch for GEMM.

    OMP_NUM_THREADS=2 python benchmark/cpu.py [--rounds 15] [--json FILE] [case ...]

The contestants of a case take turns, one call each a round, so that a busy machine slows all of them. Reported are the least and
the median time of a call in milliseconds, and the peer's least time divided by ours (above 1: we are faster). A peer that is not
installed is said to be missing: pystencils 2 (`pip install pystencils`), measured as it comes and with explicit vectorization.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

import tilelang

ROOT = Path(__file__).resolve().parents[1]
Contestants = dict[str, Callable[[], object]]


def _example(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / "stencil" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _pystencils(dimensions: int, dtype: str, update, **arrays) -> Contestants:
    """pystencils' kernels of one assignment `b = update(a)`."""
    try:
        import pystencils as ps
    except ImportError:
        print("  pystencils is not installed: pip install pystencils", file=sys.stderr)
        return {}
    a, b = ps.fields(f"a, b: {dtype}[{dimensions}D]")
    out: Contestants = {}
    for name, vectorize in (("pystencils", False), ("pystencils vectorized", True)):
        config = ps.CreateKernelConfig(target=ps.Target.CurrentCPU, default_dtype=dtype)
        config.cpu.openmp.enable = True
        if vectorize:
            config.cpu.vectorize.enable = True
            config.cpu.vectorize.assume_inner_stride_one = True
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                kernel = ps.create_kernel([ps.Assignment(b.center, update(a))], config).compile()
            kernel(**arrays)
        except Exception as error:  # a machine that pystencils has no vector target for
            print(f"  {name}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", file=sys.stderr)
            continue
        out[name] = lambda kernel=kernel: kernel(**arrays)
    return out


def jacobi2d(dtype: str, size: int = 4096) -> Contestants:
    module = _example("jacobi2d")
    kernel = tilelang.compile(module.jacobi2d(16, 4096, dtype), target="c")
    a = torch.rand(size, size, dtype=getattr(torch, dtype))
    b = torch.zeros_like(a)
    kernel(a, b)
    torch.testing.assert_close(b, module.reference(a, torch.zeros_like(a)))
    peers = _pystencils(2, dtype, lambda f: 0.25 * (f[-1, 0] + f[1, 0] + f[0, -1] + f[0, 1]), a=a.numpy(), b=b.numpy())
    return {"tilelang": lambda: kernel(a, b), **peers}


def heat3d(dtype: str, size: int = 256) -> Contestants:
    module = _example("heat3d")
    kernel = tilelang.compile(module.heat3d(4, 256, 512, dtype), target="c")
    u = torch.rand(size, size, size, dtype=getattr(torch, dtype))
    v = torch.zeros_like(u)
    kernel(u, v)
    torch.testing.assert_close(v, module.reference(u, torch.zeros_like(u)))

    def update(f):
        neighbours = f[-1, 0, 0] + f[1, 0, 0] + f[0, -1, 0] + f[0, 1, 0] + f[0, 0, -1] + f[0, 0, 1]
        return f[0, 0, 0] + 0.1 * (neighbours - 6.0 * f[0, 0, 0])

    return {"tilelang": lambda: kernel(u, v), **_pystencils(3, dtype, update, a=u.numpy(), b=v.numpy())}


def gemm(dtype: str, size: int = 2048) -> Contestants:
    import tilelang.language as T

    block_m, block_n, block_k = 128, 128, 256

    @T.prim_func
    def matmul(A: T.Tensor((size, size), dtype), B: T.Tensor((size, size), dtype), C: T.Tensor((size, size), dtype)):
        with T.Kernel(T.ceildiv(size, block_n), T.ceildiv(size, block_m), threads=128) as (bx, by):
            A_tile = T.alloc_shared((block_m, block_k), dtype)
            B_tile = T.alloc_shared((block_k, block_n), dtype)
            C_tile = T.alloc_fragment((block_m, block_n), "float32" if dtype != "float64" else dtype)
            T.clear(C_tile)
            for k in T.Pipelined(T.ceildiv(size, block_k), num_stages=2):
                T.copy(A[by * block_m, k * block_k], A_tile)
                T.copy(B[k * block_k, bx * block_n], B_tile)
                T.gemm(A_tile, B_tile, C_tile)
            T.copy(C_tile, C[by * block_m, bx * block_n])

    kernel = tilelang.compile(matmul, target="c")
    a, b = (torch.randn(size, size).to(getattr(torch, dtype)) for _ in range(2))
    c, d = torch.zeros_like(a), torch.zeros_like(a)
    kernel(a, b, c)
    torch.testing.assert_close(c.double(), a.double() @ b.double(), rtol=1e-2, atol=0.5 if dtype == "bfloat16" else 0.1)
    return {"tilelang": lambda: kernel(a, b, c), "torch": lambda: torch.matmul(a, b, out=d)}


CASES: dict[str, Callable[[], Contestants]] = {
    **{f"jacobi2d 4096^2 {t}": lambda t=t: jacobi2d(t) for t in ("float64", "float32")},
    **{f"heat3d 256^3 {t}": lambda t=t: heat3d(t) for t in ("float64", "float32")},
    **{f"gemm {n}^3 {t}": lambda n=n, t=t: gemm(t, n) for n in (1024, 2048) for t in ("float32",)},
    "gemm 1024^3 float64": lambda: gemm("float64", 1024),
    "gemm 1024^3 bfloat16": lambda: gemm("bfloat16", 1024),
}


def measure(contestants: Contestants, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every call; the order changes from round to round."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds + 2):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            start = time.perf_counter()
            contestants[name]()
            if number >= 2:
                times[name].append((time.perf_counter() - start) * 1e3)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help="parts of case names; all cases by default")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
    torch.set_num_threads(threads)
    print(f"{threads} threads, load average {os.getloadavg()[0]:.1f}")
    results = {}
    for case, make in CASES.items():
        if options.cases and not any(part in case for part in options.cases):
            continue
        times = measure(make(), options.rounds)
        results[case] = times
        ours = times["tilelang"]
        for name, samples in times.items():
            ratio = f"  {min(samples) / min(ours):5.2f} x ours" if name != "tilelang" else ""
            print(f"{case:24} {name:22} least {min(samples):8.2f} ms  median {statistics.median(samples):8.2f} ms{ratio}")
    if options.json:
        options.json.write_text(json.dumps({"threads": threads, "milliseconds": results}, indent=1))


if __name__ == "__main__":
    main()
