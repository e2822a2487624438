"""`jit=False`: programs run by Python and NumPy agree with compiled ones, and stop at breakpoints with values."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

import tilelang
import tilelang.language as T
from testing.subprocesses import ROOT, module_path
from tilelang.errors import ArgumentError, SimulationError, UnsupportedError
from tilelang.jit import InterpreterJit, LoweredKernel


def matmul(M, N, K, dtype):
    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((K, N), dtype), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32), threads=128) as (bx, by):
            A_s = T.alloc_shared((32, 32), dtype)
            B_s = T.alloc_shared((32, 32), dtype)
            C_f = T.alloc_fragment((32, 32), "float32")
            T.clear(C_f)
            for k in T.Pipelined(T.ceildiv(K, 32), num_stages=2):
                T.copy(A[by * 32, k * 32], A_s)
                T.copy(B[k * 32, bx * 32], B_s)
                T.gemm(A_s, B_s, C_f)
            for i, j in T.Parallel(32, 32):
                C_f[i, j] = T.if_then_else(C_f[i, j] > 0, C_f[i, j], T.exp(C_f[i, j]) - 1)
            T.copy(C_f, C[by * 32, bx * 32])

    return main


def rows(dtype):
    m, n = T.dynamic("m, n")

    @T.prim_func
    def main(A: T.Tensor((m, n), dtype), B: T.Tensor((m, n), dtype), peak: T.Tensor((m,), "float32")):
        with T.Kernel(T.ceildiv(m, 4), threads=64) as bx:
            x = T.alloc_fragment((4, 128), "float32")
            top, total = T.alloc_fragment((4,), "float32"), T.alloc_fragment((4,), "float32")
            for i, j in T.Parallel(4, 128):
                x[i, j] = T.if_then_else(j < n, T.cast(A[bx * 4 + i, j], "float32"), -T.infinity("float32"))
            T.reduce_max(x, top, dim=1)
            for i, j in T.Parallel(4, 128):
                x[i, j] = T.exp2(x[i, j] - top[i])
            T.reduce_sum(x, total, dim=1)
            for i, j in T.Parallel(4, 128):
                if j < n:
                    B[bx * 4 + i, j] = x[i, j] / total[i]
            T.copy(top, peak[bx * 4])

    return main


def threads(n):
    @T.prim_func
    def main(A: T.Tensor((n,), "int32"), B: T.Tensor((n,), "int32"), sums: T.Tensor((4,), "int32")):
        with T.Kernel(T.ceildiv(n, 64), threads=64) as bx:
            tx = T.get_thread_binding()
            own = T.alloc_local((2,), "int32")
            shared = T.alloc_shared((64,), "int32")
            steps = T.alloc_var("int32", init=0)
            own[0] = A[bx * 64 + tx]
            while own[0] > 1:
                if own[0] % 17 == 0:
                    break
                own[0] = T.if_then_else(own[0] % 2 == 0, own[0] // 2, 3 * own[0] + 1)
                steps += 1
            shared[tx] = steps
            T.sync_threads()
            if tx < 32:
                own[1] = shared[63 - tx]
            else:
                own[1] = T.shfl_xor(steps, 1)
            T.atomic_add(sums[tx % 4], steps)
            B[bx * 64 + tx] = own[1]

    return main


def pair(program, inputs, **options):
    """The results of the interpreter, and of the compiled kernel."""
    results = []
    for compiler in (InterpreterJit(), None):
        kernel = tilelang.compile(program, jit=compiler, target={"kind": "cuda", "arch": "sm_80"}, **options)
        results.append(kernel(*(x.clone() if isinstance(x, torch.Tensor) else x for x in inputs)))
    return results


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_tiles(dtype):
    a, b = torch.randn(50, 70).to(getattr(torch, dtype)), torch.randn(70, 40).to(getattr(torch, dtype))
    interpreted, compiled = pair(matmul(50, 40, 70, dtype), [a, b], out_idx=-1, execution_backend="simulator")
    torch.testing.assert_close(interpreted, compiled, rtol=1e-4, atol=1e-4)


def test_reductions_and_dynamic_shapes():
    a = torch.randn(10, 100).half()
    interpreted, compiled = pair(rows("float16"), [a], out_idx=[1, 2], execution_backend="simulator")
    torch.testing.assert_close(interpreted[0], torch.softmax(a.float() * np.log(2), 1).half(), rtol=2e-3, atol=2e-3)
    for ours, theirs in zip(interpreted, compiled):
        torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-3)


def test_threads_that_part():
    a = torch.randint(1, 1000, (128,), dtype=torch.int32)
    made = []
    for compiler in (InterpreterJit(), None):
        b, sums = torch.empty(128, dtype=torch.int32), torch.zeros(4, dtype=torch.int32)
        kernel = tilelang.compile(threads(128), jit=compiler, execution_backend="simulator")
        assert kernel(a, b, sums) is None
        made.append((b, sums))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*made))


def test_breakpoints_see_values(monkeypatch):
    seen = []

    def look(*args, **kwargs):
        frame = sys._getframe(1)
        seen.append((frame.f_code.co_filename, frame.f_lineno, kwargs, dict(frame.f_locals)))

    monkeypatch.setattr(sys, "breakpointhook", look)

    @tilelang.jit(out_idx=-1, jit=False)
    def scale(n, factor):
        @T.prim_func
        def main(A: T.Tensor((n,), "float32"), B: T.Tensor((n,), "float32")):
            with T.Kernel(T.ceildiv(n, 64), threads=64) as bx:
                tile = T.alloc_fragment((64,), "float32")
                T.copy(A[bx * 64], tile)
                for k in T.serial(2):  # noqa: B007 - the debugger looks at it
                    breakpoint(header="here")
                    for i in T.Parallel(64):
                        tile[i] = tile[i] * factor
                T.copy(tile, B[bx * 64])

        return main

    a = torch.randn(100)
    kernel = scale(100, 3.0)
    assert not seen  # nothing stops while the program is traced
    torch.testing.assert_close(kernel(a), a * 9)
    assert [(local["bx"], local["k"]) for *_, local in seen] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all(file == __file__ and kwargs == {"header": "here"} for file, _, kwargs, _ in seen)
    code = scale.func.__code__.co_firstlineno
    assert {line - code for _, line, *_ in seen} == {8}
    assert seen[0][3]["factor"] == 3.0 and isinstance(seen[0][3]["tile"], np.ndarray)


def test_eager_functions_numpy_and_the_environment(monkeypatch):
    @tilelang.jit
    def add(A, B, block: int = 32):
        n = T.const("n")
        A: T.Tensor((n,), "float32")
        B: T.Tensor((n,), "float32")
        C = T.empty((n,), "float32")
        with T.Kernel(T.ceildiv(n, block), threads=block) as bx:
            for i in T.Parallel(block):
                C[bx * block + i] = A[bx * block + i] + B[bx * block + i]
        return C

    monkeypatch.setenv("TILELANG_INTERPRET", "1")
    a, b = torch.randn(50), torch.randn(50)
    assert torch.equal(add(a, b), a + b)
    assert isinstance(add.compile(a, b).compiler, InterpreterJit)
    kernel = tilelang.compile(matmul(8, 8, 8, "float16"), out_idx=-1)
    x = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float16)
    found = kernel(x, x)
    assert isinstance(found, np.ndarray) and found.dtype == np.float32
    with pytest.raises(ArgumentError, match="expected 8"):
        kernel(x[:4], x)


def test_what_it_refuses():
    @T.prim_func
    def barriers(A: T.Tensor((64,), "float32")):
        with T.Kernel(1, threads=64):
            ready = T.alloc_barrier(64)
            T.barrier_arrive(ready)
            A[0] = 0.0

    with pytest.raises(UnsupportedError, match="cannot be interpreted") as caught:
        tilelang.compile(barriers, jit=False)(torch.zeros(64))
    assert caught.value.span.file == __file__ and "simulator" in caught.value.fix

    @tilelang.jit
    def product(n):
        return matmul(n, n, n, "float16")

    lowered = product.lower(8)
    assert isinstance(lowered, LoweredKernel)
    with pytest.raises(UnsupportedError, match="lowered already"):
        InterpreterJit().compile(lowered)

    @T.prim_func
    def asserts(A: T.Tensor((4,), "float32")):
        with T.Kernel(1, threads=4):
            tx = T.get_thread_binding()
            T.device_assert(A[tx] > 0, "only positive")

    kernel = tilelang.compile(asserts, jit=False)
    kernel(torch.ones(4))
    with pytest.raises(SimulationError, match="only positive"):
        kernel(torch.tensor([1.0, 1, -1, 1]))


def test_no_tool_is_needed(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import torch, tilelang\nfrom testing.jit.test_interpreter import matmul\n"
        "kernel = tilelang.compile(matmul(8, 8, 8, 'float16'), out_idx=-1, jit=False)\n"
        "a = torch.randn(8, 8).half()\nprint(kernel(a, a).shape, tilelang.cache.stats.builds)\n"
    )
    environment = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": module_path(ROOT)}
    done = subprocess.run([sys.executable, str(program)], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[-2] == "torch.Size([8, 8]) 0"


@pytest.mark.parametrize(
    "dtype, code, transposed", [("float16", "int16", False), ("float32", "uint8", True), ("int8", "int32", False)]
)
def test_sparse_products(dtype, code, transposed):
    from testing.programs.test_gemm_sparse import matmul as sparse_matmul
    from tilelang.utils.sparse import compress, make_semi_sparse

    a = make_semi_sparse(torch.randint(-4, 5, (64, 128)).to(getattr(torch, dtype)))
    b = torch.randint(-4, 5, (128, 32)).to(getattr(torch, dtype))
    kept, places = compress(a, metadata_dtype=getattr(torch, code))
    accum = "int32" if dtype == "int8" else "float32"
    program = sparse_matmul(64, 32, 128, (32, 32, 64), dtype, code, accum, trans_E=transposed)
    out = torch.full((64, 32), 99, dtype=getattr(torch, accum))
    tilelang.compile(program, jit=False)(kept, places.t().contiguous() if transposed else places, b, out)
    assert torch.equal(out.double(), a.double() @ b.double())
