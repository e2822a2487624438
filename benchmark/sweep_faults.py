"""A sweep of 40 GEMM configurations on a GPU of which five are bad, three times: it must finish, name the five, choose alike.

Usage: `python benchmark/sweep_faults.py [--size 2048] [--times 3] [--json FILE]`.

One configuration hangs, one stores to an address that is not its own, one needs a workspace larger than the device, one is
refused by ptxas, one computes something else. Every run is from nothing: no times of the run before are used.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from pathlib import Path

# In the simulator (--simulate) the same functions are plain C++.
PRELUDE = """
#ifdef __CUDACC__
#define SWEEP_DEVICE __device__ __noinline__
#elif defined(__CUDACC_RTC__)
#define SWEEP_DEVICE __device__ __noinline__
#else
#define SWEEP_DEVICE
#endif
SWEEP_DEVICE inline float corrupt(float x) { *(volatile float*)0x10 = x; return x; }
#ifdef __CUDA_ARCH__
// Reads a clock: a loop over a local volatile variable is dropped, since no other thread can change that variable.
SWEEP_DEVICE inline float hang(float x) { while (clock64() >= 0) {} return x; }
SWEEP_DEVICE inline float refuse(float x) { asm volatile("no.such.instruction;"); return x; }
#else
SWEEP_DEVICE inline float hang(float x) { volatile int on = 1; while (on) {} return x; }
#endif
"""
BAD = {"hang": "timeout", "corrupt": "crashed", "greedy": "out of memory", "refuse": "compile failed", "wrong": "wrong result"}


def gemm(size: int, block_M=128, block_N=128, block_K=64, num_stages=3, threads=256, fault="none"):
    """C = A @ B^T; `fault` spoils the result's way out."""
    import tilelang.language as T

    @T.prim_func
    def main(A: T.Tensor((size, size), "float16"), B: T.Tensor((size, size), "float16"), C: T.Tensor((size, size), "float16")):
        W = T.alloc_global((2**22 if fault == "greedy" else 1, 2**20), "float32")
        with T.Kernel(T.ceildiv(size, block_N), T.ceildiv(size, block_M), threads=threads) as (bx, by):
            T.import_source(PRELUDE)
            A_shared = T.alloc_shared((block_M, block_K), "float16")
            B_shared = T.alloc_shared((block_N, block_K), "float16")
            C_local = T.alloc_fragment((block_M, block_N), "float32")
            T.clear(C_local)
            for k in T.Pipelined(T.ceildiv(size, block_K), num_stages=num_stages):
                T.copy(A[by * block_M, k * block_K], A_shared)
                T.copy(B[bx * block_N, k * block_K], B_shared)
                T.gemm(A_shared, B_shared, C_local, transpose_B=True)
            if fault == "greedy":
                for i in T.Parallel(128):
                    W[0, i] = 0.0
            if fault in ("hang", "corrupt", "refuse"):
                for i, j in T.Parallel(block_M, block_N):
                    C_local[i, j] = T.call_extern("float32", fault, C_local[i, j])
            if fault == "wrong":
                for i, j in T.Parallel(block_M, block_N):
                    C_local[i, j] = C_local[i, j] + 1.0
            T.copy(C_local, C[by * block_M, bx * block_N])

    return main


def configurations() -> list[dict]:
    """40, the five bad ones spread among them."""
    tiles = [(64, 128), (128, 64), (128, 128), (128, 256), (64, 64)]
    good = [
        {"block_M": m, "block_N": n, "block_K": k, "num_stages": s, "threads": 256 if m * n >= 128 * 128 else 128}
        for (m, n), k, s in itertools.product(tiles, (32, 64), (2, 3, 4, 1))
    ][:35]
    for place, fault in zip((3, 11, 19, 27, 35), BAD):
        good.insert(place, {"fault": fault})
    return good


def sweep(size: int, simulate: bool, timeout: float):
    """One tuning run from nothing."""
    from tilelang.autotuner import AutoTuner
    from tilelang.env import env

    env.TILELANG_AUTO_TUNING_DISABLE_CACHE = True

    def program(block_M=128, block_N=128, block_K=64, num_stages=3, threads=256, fault="none"):
        return gemm(size, block_M, block_N, block_K, num_stages, threads, fault)

    tuner = AutoTuner.from_kernel(program, configurations())
    tuner.set_compile_args(out_idx=-1, execution_backend="simulator" if simulate else None)
    tuner.set_profile_args(timeout=timeout, ref_prog=lambda a, b: a.float() @ b.float().T, rtol=2e-2, atol=2e-2)
    return tuner.run()


def main() -> int:
    """Print each run; exit status 1 unless all three found the same and named the five."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds of one configuration")
    parser.add_argument("--simulate", action="store_true", help="on the CPU; choose a --size of 256 or so")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    runs, wrong = [], []
    for number in range(options.times):
        started = time.perf_counter()
        result = sweep(options.size, options.simulate, options.timeout)
        seconds = time.perf_counter() - started
        named = {r.config["fault"]: r.status for r in result.records if "fault" in r.config}
        others = [str(r) for r in result.failures if "fault" not in r.config]
        runs.append({"seconds": seconds, "config": result.config, "latency_ms": result.latency, "named": named, "others": others})
        print(f"run {number}: {seconds:.1f} s, best {result.latency:.4f} ms {result.config}\n  {named}")
        for record in result.failures:
            print(f"  {record}")
        wrong += [f"run {number}: {fault} is {named.get(fault)}" for fault, status in BAD.items() if named.get(fault) != status]
        wrong += [f"run {number}: {text}" for text in others]
    # Times of the simulator rank nothing, least of all beside other work.
    if not options.simulate and len({json.dumps(run["config"], sort_keys=True) for run in runs}) > 1:
        wrong.append("the choice differs between runs")
    if options.json:
        options.json.write_text(json.dumps({"runs": runs, "wrong": wrong}, indent=1) + "\n")
    print("\n".join(wrong) or "all runs finished and named the five" + ("" if options.simulate else ", and chose alike"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
