"""Matrix multiply: transposes, dtypes, warp policies, tiles, pipeline depths and ragged problems, covered pairwise."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.gemm import POLICIES, TYPES, Types, check, gemm, inputs
from testing.programs.launch import run
from testing.programs.matrix import sampled
from testing.programs.reference import assert_close, random

F16 = TYPES[0]
BY_NAME = {t.name: t for t in TYPES}


@sampled(
    {
        "types": TYPES,
        "tile": [(64, 64, 32), (128, 32, 64), (48, 80, 32), (96, 112, 48), (16, 64, 96), (1, 64, 32), (33, 40, 24)],
        "problem": [(128, 128, 64), (100, 72, 56), (77, 53, 39), (33, 17, 5), (1, 130, 96)],
        "transposes": ["NN", "NT", "TN", "TT"],
        "policy": list(POLICIES),
        "stages": [0, 1, 2, 3, 4],
        "threads": [32, 128, 256],
        "epilogue": ["direct", "shared"],
    }
)
def test_gemm(types, tile, problem, transposes, policy, stages, threads, epilogue, device):
    M, N, K = problem
    a, b = inputs(M, N, K, types, transposes, device)
    program = gemm(M, N, K, tile, types, transposes, policy, stages, threads, epilogue)
    out = run(program, [a, b], ((M, N), types.out), device=device)
    check(out, a, b, types, transposes)


def test_float32_inputs_lose_only_tf32_bits(device):
    M, N, K = 64, 48, 80
    a, b = random((M, K), "float32", device), random((K, N), "float32", device)
    out = run(gemm(M, N, K, (64, 48, 16), BY_NAME["tf32"], stages=2), [a, b], ((M, N), "float32"), device=device)
    x, y = a.double(), b.double()
    assert_close(out, x @ y, "tf32", terms=1, scale=x.abs() @ y.abs() / 8)


def registers(M, N, K, side):
    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), B: T.Tensor((K, N), "float16"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(1, threads=128) as _:
            As = T.alloc_shared((M, K), "float16")
            Bs = T.alloc_shared((K, N), "float16")
            Al = T.alloc_fragment((M, K), "float16")
            Bl = T.alloc_fragment((K, N), "float16")
            Cl = T.alloc_fragment((M, N), "float32")
            T.copy(A, As)
            T.copy(B, Bs)
            T.clear(Cl)
            if side == "rs":
                T.copy(As, Al)
                T.gemm(Al, Bs, Cl)
            elif side == "sr":
                T.copy(Bs, Bl)
                T.gemm(As, Bl, Cl)
            else:
                T.copy(As, Al)
                T.copy(Bs, Bl)
                T.gemm(Al, Bl, Cl)
            T.copy(Cl, C)

    return main


@pytest.mark.parametrize("side", ["rs", "sr", "rr"])
@pytest.mark.parametrize("shape", [(64, 64, 32), (48, 80, 64), (112, 96, 16)], ids=str)
def test_operands_in_registers(side, shape, device):
    M, N, K = map(int, shape)
    a, b = inputs(M, N, K, F16, "NN", device)
    out = run(registers(M, N, K, side), [a, b], ((M, N), "float32"), device=device)
    check(out, a, b, Types("", "float16", "float16", "float32", "float32"))


def direct_from_global(M, N, K, dtype):
    """Operands that come straight from global memory into fragments, without shared memory written by hand."""

    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((N, K), dtype), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 64), threads=64) as (bx, by):
            Al = T.alloc_fragment((64, 32), dtype)
            Bs = T.alloc_shared((32, 32), dtype)
            Cl = T.alloc_fragment((64, 32), "float32")
            T.clear(Cl)
            for k in T.serial(T.ceildiv(K, 32)):
                T.copy(A[by * 64, k * 32], Al)
                T.copy(B[bx * 32, k * 32], Bs)
                T.gemm(Al, Bs, Cl, transpose_B=True)
            T.copy(Cl, C[by * 64, bx * 32])

    return main


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_fragment_operand_from_global(dtype, device):
    M, N, K = 70, 50, 100
    types = Types("", dtype, dtype, "float32", "float32")
    a, b = inputs(M, N, K, types, "NT", device)
    check(run(direct_from_global(M, N, K, dtype), [a, b], ((M, N), "float32"), device=device), a, b, types, "NT")


def clear_accum(M, N, K, bk):
    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), B: T.Tensor((K, N), "float16"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(1, threads=128) as _:
            As = T.alloc_shared((M, bk), "float16")
            Bs = T.alloc_shared((bk, N), "float16")
            Cl = T.alloc_fragment((M, N), "float32")
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=2):
                T.copy(A[0, k * bk], As)
                T.copy(B[k * bk, 0], Bs)
                T.gemm(As, Bs, Cl, clear_accum=k == 0)
            T.copy(Cl, C)

    return main


def test_clear_accum_in_the_first_step(device):
    a, b = inputs(64, 64, 96, F16, "NN", device)
    out = run(clear_accum(64, 64, 96, 32), [a, b], ((64, 64), "float32"), device=device)
    check(out, a, b, Types("", "float16", "float16", "float32", "float32"))


def axpby(M, N, K, alpha, beta):
    """D = alpha * A @ B + beta * C, with the accumulator updated elementwise."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), "float16"),
        B: T.Tensor((K, N), "float16"),
        C: T.Tensor((M, N), "float32"),
        D: T.Tensor((M, N), "float32"),
    ):
        with T.Kernel(T.ceildiv(N, 48), T.ceildiv(M, 64), threads=128) as (bx, by):
            As = T.alloc_shared((64, 32), "float16")
            Bs = T.alloc_shared((32, 48), "float16")
            Cl = T.alloc_fragment((64, 48), "float32")
            Dl = T.alloc_fragment((64, 48), "float32")
            T.clear(Dl)
            T.copy(C[by * 64, bx * 48], Cl)
            for k in T.Pipelined(T.ceildiv(K, 32), num_stages=3):
                T.copy(A[by * 64, k * 32], As)
                T.copy(B[k * 32, bx * 48], Bs)
                T.gemm(As, Bs, Dl)
            for i, j in T.Parallel(64, 48):
                Dl[i, j] = alpha * Dl[i, j] + beta * Cl[i, j]
            T.copy(Dl, D[by * 64, bx * 48])

    return main


def test_epilogue_with_another_operand(device):
    M, N, K = 90, 100, 72
    a, b = inputs(M, N, K, F16, "NN", device)
    c = random((M, N), "float32", device)
    out = run(axpby(M, N, K, 0.5, -1.5), [a, b, c], ((M, N), "float32"), device=device)
    x, y, z = a.double(), b.double(), c.double()
    assert_close(out, 0.5 * x @ y - 1.5 * z, terms=K, scale=x.abs() @ y.abs() + z.abs())


def batched(B, M, N, K):
    @T.prim_func
    def main(X: T.Tensor((B, M, K), "float16"), Y: T.Tensor((B, N, K), "float16"), Z: T.Tensor((B, M, N), "float16")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 64), B, threads=64) as (bx, by, bz):
            Xs = T.alloc_shared((64, 32), "float16")
            Ys = T.alloc_shared((32, 32), "float16")
            Zl = T.alloc_fragment((64, 32), "float32")
            T.clear(Zl)
            for k in T.Pipelined(T.ceildiv(K, 32), num_stages=2):
                T.copy(X[bz, by * 64 : (by + 1) * 64, k * 32 : (k + 1) * 32], Xs)
                T.copy(Y[bz, bx * 32, k * 32], Ys)
                T.gemm(Xs, Ys, Zl, transpose_B=True)
            T.copy(Zl, Z[bz, by * 64, bx * 32])

    return main


def test_batched(device):
    B, M, N, K = 3, 70, 45, 40
    x, y = random((B, M, K), "float16", device), random((B, N, K), "float16", device)
    out = run(batched(B, M, N, K), [x, y], ((B, M, N), "float16"), device=device)
    a, b = x.double(), y.double().mT
    assert_close(out, a @ b, terms=K, scale=a.abs() @ b.abs(), arithmetic="float32")


def two_products(M, K, H, N):
    """(A @ B) @ C with the middle result in registers: the accumulator of one is the operand of the next."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), "float16"),
        B: T.Tensor((K, H), "float16"),
        C: T.Tensor((H, N), "float16"),
        D: T.Tensor((M, N), "float32"),
    ):
        with T.Kernel(1, threads=128) as _:
            As = T.alloc_shared((M, K), "float16")
            Bs = T.alloc_shared((K, H), "float16")
            Cs = T.alloc_shared((H, N), "float16")
            S = T.alloc_fragment((M, H), "float32")
            P = T.alloc_fragment((M, H), "float16")
            O = T.alloc_fragment((M, N), "float32")
            T.copy(A, As)
            T.copy(B, Bs)
            T.copy(C, Cs)
            T.clear(S)
            T.clear(O)
            T.gemm(As, Bs, S, policy=T.GemmWarpPolicy.FullRow)
            T.copy(S, P)
            T.gemm(P, Cs, O, policy=T.GemmWarpPolicy.FullRow)
            T.copy(O, D)

    return main


@pytest.mark.parametrize("shape", [(64, 32, 64, 48), (80, 48, 112, 96)], ids=["even", "odd"])
def test_chained(shape, device):
    M, K, H, N = shape
    a, b, c = random((M, K), "float16", device), random((K, H), "float16", device, -0.3, 0.3), random((H, N), "float16", device)
    out = run(two_products(M, K, H, N), [a, b, c], ((M, N), "float32"), device=device)
    x, y, z = a.double(), b.double(), c.double()
    middle = (x @ y).to(torch.float16).double()
    # The middle result may round the other way: one unit of float16 in each of H terms.
    assert_close(out, middle @ z, "float32", terms=1, scale=middle.abs() @ z.abs() * 2 + 1e-3, arithmetic="float16")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_out_idx(dtype, device):
    """The launcher allocates the result; a second call gets a tensor of its own."""
    M, N, K = 65, 40, 33
    types = next(t for t in TYPES if t.a == dtype)
    kernel = tilelang.compile(gemm(M, N, K, (64, 32, 32), types, "NT", stages=2), out_idx=[-1])
    pairs = [inputs(M, N, K, types, "NT", device) for _ in range(2)]
    results = [kernel(*pair) for pair in pairs]
    assert results[0].data_ptr() != results[1].data_ptr()
    for (a, b), out in zip(pairs, results):
        check(out, a, b, types, "NT")
