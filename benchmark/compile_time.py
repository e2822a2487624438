"""What a user waits for: importing, compiling a GEMM and an attention from nothing, finding them in the cache.

    python benchmark/compile_time.py [--repeat N]

Every number is the median of `repeat` runs, each in a fresh process, beside its target. The sources are copied first, and
all processes run the copy: the cache's keys contain a digest of them, so an edit during the run would turn hits into misses.
"cold" is Python function to cubin with NVRTC without
the cache, as the second compilation of the process: a tiny kernel before it has imported TVM and loaded NVRTC. "hit" is a
fresh process that finds the kernel in the disk cache, beyond the imports of what it uses.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GEMM = dict(M=4096, N=4096, K=4096, bm=128, bn=256, bk=64, stages=3, threads=256)
ATTENTION = dict(B=4, H=16, S=2048, D=128, causal=True, bm=128, bn=128, stages=2, threads=256)


def gemm(M, N, K, bm, bn, bk, stages, threads):
    """C = A @ B^T in fp16, through shared memory on the way out."""
    import tilelang.language as T

    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), B: T.Tensor((N, K), "float16"), C: T.Tensor((M, N), "float16")):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=threads) as (bx, by):
            As = T.alloc_shared((bm, bk), "float16")
            Bs = T.alloc_shared((bn, bk), "float16")
            Cl = T.alloc_fragment((bm, bn), "float32")
            Cs = T.alloc_shared((bm, bn), "float16")
            T.use_swizzle(panel_size=10)
            T.clear(Cl)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=stages):
                T.copy(A[by * bm, k * bk], As)
                T.copy(B[bx * bn, k * bk], Bs)
                T.gemm(As, Bs, Cl, transpose_B=True)
            T.copy(Cl, Cs)
            T.copy(Cs, C[by * bm, bx * bn])

    return main


def attention(B, H, S, D, causal, bm, bn, stages, threads):
    """Flash attention forward in fp16."""
    import tilelang.language as T

    scale = (1.0 / D) ** 0.5 * 1.44269504
    shape = [B, H, S, D]

    @T.prim_func
    def main(
        Q: T.Tensor(shape, "float16"), K: T.Tensor(shape, "float16"), V: T.Tensor(shape, "float16"), O: T.Tensor(shape, "float16")
    ):
        with T.Kernel(T.ceildiv(S, bm), H, B, threads=threads) as (bx, by, bz):
            Qs = T.alloc_shared([bm, D], "float16")
            Ks = T.alloc_shared([bn, D], "float16")
            Vs = T.alloc_shared([bn, D], "float16")
            s = T.alloc_fragment([bm, bn], "float32")
            p = T.alloc_fragment([bm, bn], "float16")
            o = T.alloc_fragment([bm, D], "float32")
            m = T.alloc_fragment([bm], "float32")
            m0 = T.alloc_fragment([bm], "float32")
            r = T.alloc_fragment([bm], "float32")
            l1 = T.alloc_fragment([bm], "float32")
            l = T.alloc_fragment([bm], "float32")
            T.copy(Q[bz, by, bx * bm : (bx + 1) * bm, :], Qs)
            T.fill(o, 0)
            T.fill(l, 0)
            T.fill(m, -T.infinity("float32"))
            steps = T.min(T.ceildiv(S, bn), T.ceildiv((bx + 1) * bm, bn)) if causal else T.ceildiv(S, bn)
            for k in T.Pipelined(steps, num_stages=stages):
                T.copy(K[bz, by, k * bn : (k + 1) * bn, :], Ks)
                if causal:
                    for i, j in T.Parallel(bm, bn):
                        s[i, j] = T.if_then_else(bx * bm + i >= k * bn + j, 0, -T.infinity("float32"))
                else:
                    T.clear(s)
                T.gemm(Qs, Ks, s, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                T.copy(m, m0)
                T.reduce_max(s, m, dim=1, clear=False)
                for i in T.Parallel(bm):
                    m[i] = T.max(m[i], m0[i])
                for i in T.Parallel(bm):
                    r[i] = T.exp2(m0[i] * scale - m[i] * scale)
                for i, j in T.Parallel(bm, bn):
                    s[i, j] = T.exp2(s[i, j] * scale - m[i] * scale)
                T.reduce_sum(s, l1, dim=1)
                for i in T.Parallel(bm):
                    l[i] = l[i] * r[i] + l1[i]
                T.copy(s, p)
                for i, j in T.Parallel(bm, D):
                    o[i, j] *= r[i]
                T.copy(V[bz, by, k * bn : (k + 1) * bn, :], Vs)
                T.gemm(p, Vs, o, policy=T.GemmWarpPolicy.FullRow)
            for i, j in T.Parallel(bm, D):
                o[i, j] /= l[i]
            T.copy(o, O[bz, by, bx * bm : (bx + 1) * bm, :])

    return main


def copy(N):
    """The tiny kernel before a cold compilation."""
    import tilelang.language as T

    @T.prim_func
    def main(A: T.Tensor((N,), "float16"), B: T.Tensor((N,), "float16")):
        with T.Kernel(T.ceildiv(N, 512), threads=128) as bx:
            for i in T.Parallel(512):
                B[bx * 512 + i] = A[bx * 512 + i]

    return main


TARGETS = {  # milliseconds, on 2 cores
    "import tilelang": 150,
    "cold gemm": 600,
    "cold attention": 1000,
    "hit gemm": 30,
    "hit attention": 30,
}

PROGRAMS = {"gemm": (gemm, GEMM), "attention": (attention, ATTENTION)}
TINY = (copy, dict(N=2048))


def compile_program(name: str):
    import tilelang

    program, arguments = PROGRAMS.get(name, TINY)
    target = {"kind": "cuda", "arch": "sm_90a"}
    return tilelang.compile(program(**arguments), out_idx=-1, target=target, execution_backend="tvm_ffi")


def measure(what: str) -> dict[str, float]:
    """One measurement, inside its own process."""
    started = time.perf_counter()
    import tilelang

    imported = time.perf_counter() - started
    if what == "import":
        return {"import tilelang": imported}
    phase, name = what.split(":")
    if phase == "cold":
        os.environ["TILELANG_DISABLE_CACHE"] = "1"
        compile_program("tiny")
        started = time.perf_counter()
        compile_program(name)
        return {f"cold {name}": time.perf_counter() - started}
    import tilelang.frontend
    import tilelang.jit.compiler
    import tilelang.language  # noqa: F401

    started = time.perf_counter()
    compile_program(name)
    seconds = time.perf_counter() - started
    if phase == "hit" and "tvm" in sys.modules:
        raise SystemExit(f"`{name}` was not found in the cache, or finding it imported tvm")
    return {f"hit {name}": seconds}


def frozen_copy(folder: Path) -> Path:
    """The package and its device sources as they are now, laid out as when installed."""
    from tilelang.paths import PACKAGE, source_directory

    shutil.copytree(PACKAGE, folder / "tilelang")
    for name in ("device", "simulator"):
        shutil.copytree(source_directory(name), folder / "tilelang" / "src" / name, dirs_exist_ok=True)
    return folder


def in_process(what: str, package: Path, cache: str) -> dict[str, float]:
    path = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "TILELANG_CACHE_DIR": cache, "PYTHONPATH": path}
    command = [sys.executable, __file__, "--measure", what]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main(repeat: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        package, cache = frozen_copy(Path(folder, "package")), str(Path(folder, "cache"))
        for what in ("import", *(f"fill:{name}" for name in PROGRAMS)):  # the first import writes bytecode
            in_process(what, package, cache)
        print(f"{'':<18} {'median':>11} {'target':>11}   range")
        for what in ("import", *(f"{phase}:{name}" for name in PROGRAMS for phase in ("cold", "hit"))):
            rows = [in_process(what, package, cache) for _ in range(repeat)]
            for label in rows[0]:
                times = [row[label] * 1e3 for row in rows]
                median, target = statistics.median(times), TARGETS[label]
                missed = "" if median <= target else f"   {median / target:.1f} times the target"
                print(f"{label:<18} {median:8.1f} ms {target:8d} ms   {min(times):.1f} .. {max(times):.1f}{missed}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
    else:
        main(options.repeat)
