"""An author's own C++ in a kernel: text by T.import_source and prelude=, calls by T.call_extern."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random
from tilelang.engine import compile_prim_func
from tilelang.errors import CompilationError
from tilelang.target import Target
from tilelang.toolchain import compile_cubin
from tilelang.toolchain.locate import toolkit_headers

N = 64
PORTABLE = """
template <class In, class Out> __device__ void nibbles(const In* codes, Out* out, int count) {
  for (int i = 0; i < count; ++i) out[i] = Out(float((codes[i / 2] >> (i % 2 * 4)) & 15));
}
__device__ float shifted(half_t x, float by) { return float(x) + by; }
"""
TOOLKIT = """
#include <cuda_fp16.h>
__device__ void twice(half2* x) { *x = __hadd2(*x, *x); }
template <class T> __device__ void flip(T* pair) {
  uint* word = reinterpret_cast<uint*>(pair);
  asm volatile("prmt.b32 %0, %1, 0, 0x1032;" : "=r"(*word) : "r"(*word));
  twice(reinterpret_cast<half2*>(pair));
}
"""


def decoded(imported):
    @T.prim_func
    def main(Q: T.Tensor((N, 4), "int8"), O: T.Tensor((N, 8), "float16"), P: T.Tensor((N, 8), "float32")):
        with T.Kernel(1, threads=N, prelude=None if imported else PORTABLE):
            if imported:
                T.import_source(PORTABLE)
            t = T.get_thread_binding()
            code, value = T.alloc_local((4,), "int8"), T.alloc_local((8,), "float16")
            for v in T.vectorized(4):
                code[v] = Q[t, v]
            T.call_extern("handle", "nibbles", T.address_of(code[0]), T.address_of(value[0]), 8)
            for v in T.vectorized(8):
                O[t, v] = value[v]
            for v in T.serial(8):
                P[t, v] = T.call_extern("float32", "shifted", value[v], 0.5)

    return main


@pytest.mark.parametrize("imported", [True, False])
def test_own_text(imported, device):
    codes = torch.randint(-128, 128, (N, 4), dtype=torch.int8, device=device)
    out, more = run(decoded(imported), [codes], ((N, 8), "float16"), ((N, 8), "float32"), device=device)
    low = codes.view(torch.uint8)
    expected = torch.stack([low & 15, low >> 4], -1).view(N, 8).float()
    assert torch.equal(out.float(), expected) and torch.equal(more, expected + 0.5)


def flipped():
    @T.prim_func
    def main(A: T.Tensor((N, 2), "float16"), B: T.Tensor((N, 2), "float16")):
        with T.Kernel(1, threads=N):
            T.import_source(TOOLKIT)
            t, pair = T.get_thread_binding(), T.alloc_local((2,), "float16")
            for v in T.vectorized(2):
                pair[v] = A[t, v]
            T.call_extern("handle", "flip", T.access_ptr(pair[0], "rw"))
            for v in T.vectorized(2):
                B[t, v] = pair[v]

    return main


@pytest.mark.skipif(toolkit_headers() is None, reason="needs the headers of the CUDA toolkit")
@pytest.mark.parametrize("compiler", ["nvrtc"])
def test_text_with_the_toolkits_types(compiler, device, monkeypatch):
    monkeypatch.setenv("TILELANG_CUDA_COMPILER", compiler)
    assert compile_cubin(compile_prim_func(flipped(), Target("cuda", "sm_90a", False), {}).source, "sm_90a")
    if device == "cuda":
        a = random((N, 2), "float16", device)
        assert torch.equal(run(flipped(), [a], ((N, 2), "float16"), device=device), a.flip(1) * 2)


def test_text_that_only_a_gpu_takes(device):
    if device == "cuda":
        pytest.skip("a GPU takes it")
    with pytest.raises(CompilationError, match=r"T\.import_source.*[\s\S]*on a GPU"):
        run(flipped(), [random((N, 2), "float16", device)], ((N, 2), "float16"), device=device)


ROWS = """
template <class In, class Out> __device__ void raised(const In* from, Out* to, int n = 4) {
  for (int i = 0; i < n; ++i) to[i] = Out(float(from[i]) + 1.0f);
}
__device__ float squared(float x) { return x * x; }
"""


def test_dtypes_by_keyword_results_left_alone_and_pointers_of_buffers(device):
    @T.prim_func
    def main(A: T.Tensor((N, 4, 8), "float32"), B: T.Tensor((N, 4, 8), "float16"), C: T.Tensor((N,), "float32")):
        with T.Kernel(1, threads=N, prelude=ROWS):
            t = T.get_thread_binding()
            S = T.alloc_shared((N, 4, 8), "float32")
            four = T.alloc_local((4,), "float32")
            T.copy(A, S)
            for k in T.serial(8):
                T.call_extern(
                    "raised",
                    S.access_ptr("r", offset=t * 32 + k * 4),
                    T.access_ptr(B, "w", offset=t * 32 + k * 4),
                    dtype="float16",
                )
            T.evaluate(T.call_extern("float32", "raised", T.access_ptr(S[t, 1, 0], "r", offset=4), four.data))
            C[t] = T.call_extern("squared", four[1], dtype="float32") + T.call_pure_extern("squared", four[2], dtype="float32")
            B.vstore([t, 3, 4], T.cast(S.vload([t, 0, 2], "float32x2"), "float16x2"))

    a = random((N, 4, 8), "float32", device)
    out, more = run(main, [a], ((N, 4, 8), "float16"), ((N,), "float32"), device=device)
    want = (a + 1).half()
    want[:, 3, 4:6] = a[:, 0, 2:4].half()
    assert torch.equal(out, want)
    torch.testing.assert_close(more, (a[:, 1, 5] + 1) ** 2 + (a[:, 1, 6] + 1) ** 2)


def test_functions_of_the_blocks_own_memory_leave_the_pipeline(device):
    def scaled(K, bk=64):
        @T.prim_func
        def main(A: T.Tensor((64, K), "float16"), B: T.Tensor((64, K), "float16"), C: T.Tensor((64, 64), "float32")):
            with T.Kernel(1, threads=128, prelude=ROWS):
                As, Bs = T.alloc_shared((64, bk), "float16"), T.alloc_shared((64, bk), "float16")
                Rs = T.alloc_shared((64, bk), "float16")
                before, after = T.alloc_local((8,), "float16"), T.alloc_local((8,), "float16")
                Cl = T.alloc_fragment((64, 64), "float32")
                t = T.get_thread_binding()
                T.clear(Cl)
                for k in T.Pipelined(T.ceildiv(K, bk), num_stages=2):
                    T.copy(A[0, k * bk], As)
                    T.copy(B[0, k * bk], Bs)
                    for i in T.serial(64 * bk // 8 // 128):
                        for v in T.vectorized(8):
                            before[v] = As[(i * 128 + t) // (bk // 8), (i * 128 + t) % (bk // 8) * 8 + v]
                        T.call_extern("handle", "raised", T.address_of(before[0]), T.address_of(after[0]), 8)
                        for v in T.vectorized(8):
                            Rs[(i * 128 + t) // (bk // 8), (i * 128 + t) % (bk // 8) * 8 + v] = after[v]
                    T.gemm(Rs, Bs, Cl, transpose_B=True)
                T.copy(Cl, C)

        return main

    a, b = random((64, 200), "float16", device), random((64, 200), "float16", device)
    options = {"target": {"kind": "cuda", "arch": "sm_90a"}} if device == "cpu" else {}
    kernel = tilelang.compile(scaled(200), **options)
    out = run(kernel, [a, b], ((64, 64), "float32"), device=device)
    reference = (a + 1).double() @ b.double().T
    torch.testing.assert_close(out.double(), reference, rtol=1e-3, atol=1e-3 * reference.abs().max().item())
    if device == "cpu":
        assert "copies As by tma load" in str(kernel.remarks)
