"""Tile programs on target="c": the same text as for a GPU, on CPU tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.reference import assert_close, random


def compiled(program, **options):
    return tilelang.compile(program, target="c", **options)


def scale(dtype, rows, columns):
    M, N = T.dynamic("M, N")

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), "float32"), factor: T.float32):
        with T.Kernel(T.ceildiv(N, columns), T.ceildiv(M, rows), threads=128) as (bx, by):
            tile = T.alloc_shared((rows, columns), dtype)
            T.copy(A[by * rows, bx * columns], tile)
            for i, j in T.Parallel(rows, columns):
                B[by * rows + i, bx * columns + j] = T.cast(tile[i, j], "float32") * factor

    return main


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float8_e4m3", "float8_e5m2", "int8", "uint8", "float64"])
def test_every_element_type_and_ragged_edges(dtype):
    kernel = compiled(scale(dtype, 8, 32))
    for shape in [(1, 1), (17, 70), (16, 64), (0, 5)]:
        a = random(shape, dtype, "cpu")
        b = torch.full((shape[0] + 1, shape[1]), torch.nan)
        kernel(a, b[:-1], 1.5)
        assert torch.equal(b[:-1].double(), (a.to(torch.float32) * 1.5).double())
        assert b[-1].isnan().all()


def test_numpy_arrays_are_used_in_place():
    kernel = compiled(scale("float32", 8, 32))
    a, b = np.random.rand(9, 33).astype("float32"), np.empty((9, 33), "float32")
    kernel(a, b, 2.0)
    np.testing.assert_array_equal(b, a * 2)


def test_outputs_are_allocated_by_the_launcher():
    kernel = compiled(scale("float16", 8, 32), out_idx=[1])
    a = torch.randn(20, 40).half()
    assert torch.equal(kernel(a, 3.0), a.float() * 3)


REDUCTIONS = {
    "sum": (T.reduce_sum, lambda x, d: x.sum(d)),
    "max": (T.reduce_max, lambda x, d: x.amax(d)),
    "min": (T.reduce_min, lambda x, d: x.amin(d)),
    "absmax": (T.reduce_absmax, lambda x, d: x.abs().amax(d)),
}


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("clear", [True, False])
@pytest.mark.parametrize("kind", REDUCTIONS)
def test_reductions(kind, dim, clear):
    reduce, expected = REDUCTIONS[kind]
    kept = 37 if dim == 1 else 53

    @T.prim_func
    def main(A: T.Tensor((37, 53), "float32"), B: T.Tensor((kept,), "float32")):
        with T.Kernel(1, threads=64):
            tile = T.alloc_fragment((37, 53), "float32")
            out = T.alloc_fragment((kept,), "float32")
            T.copy(A, tile)
            T.copy(B, out)
            reduce(tile, out, dim=dim, clear=clear)
            T.copy(out, B)

    a, b = torch.randn(37, 53), torch.randn(kept)
    found = b.clone()
    compiled(main)(a, found)
    wanted = expected(a.double(), dim)
    if not clear:
        wanted = expected(torch.stack([b.double(), wanted]), 0) if kind in ("max", "min", "absmax") else wanted + b.double()
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "int32"])
def test_sum_of_magnitudes_of_the_middle_dimension(dtype):
    @T.prim_func
    def main(A: T.Tensor((5, 30, 17), dtype), B: T.Tensor((5, 17), dtype)):
        with T.Kernel(1, threads=64):
            tile = T.alloc_shared((5, 30, 17), dtype)
            out = T.alloc_fragment((5, 17), dtype)
            T.copy(A, tile)
            T.reduce_abssum(tile, out, dim=1)
            T.copy(out, B)

    a = random((5, 30, 17), dtype, "cpu", -50, 50)
    torch.testing.assert_close(compiled(main, out_idx=[1])(a), a.double().abs().sum(1).to(a.dtype))


def matmul(M, N, K, tile, a_dtype, b_dtype, c_dtype, transposes):
    bm, bn, bk = tile
    ta, tb = transposes
    a_shape, b_shape = ((K, M) if ta else (M, K)), ((N, K) if tb else (K, N))

    @T.prim_func
    def main(A: T.Tensor(a_shape, a_dtype), B: T.Tensor(b_shape, b_dtype), C: T.Tensor((M, N), c_dtype)):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=128) as (bx, by):
            a_tile = T.alloc_shared((bk, bm) if ta else (bm, bk), a_dtype)
            b_tile = T.alloc_shared((bn, bk) if tb else (bk, bn), b_dtype)
            c_tile = T.alloc_fragment((bm, bn), c_dtype)
            T.clear(c_tile)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=2):
                if ta:
                    T.copy(A[k * bk, by * bm], a_tile)
                else:
                    T.copy(A[by * bm, k * bk], a_tile)
                if tb:
                    T.copy(B[bx * bn, k * bk], b_tile)
                else:
                    T.copy(B[k * bk, bx * bn], b_tile)
                T.gemm(a_tile, b_tile, c_tile, transpose_A=ta, transpose_B=tb)
            T.copy(c_tile, C[by * bm, bx * bn])

    return main


@pytest.mark.parametrize(
    "types, tile, transposes",
    [
        (("float32", "float32", "float32"), (64, 64, 32), (False, False)),
        (("float32", "float32", "float32"), (13, 37, 5), (True, True)),  # no whole vector, no whole register block
        (("float64", "float64", "float64"), (16, 40, 8), (False, True)),
        (("float16", "float16", "float32"), (32, 100, 16), (True, False)),
        (("bfloat16", "bfloat16", "bfloat16"), (48, 16, 32), (False, True)),
        (("float8_e4m3", "float8_e5m2", "float32"), (16, 24, 32), (False, True)),
        (("int8", "int8", "int32"), (32, 48, 16), (False, False)),
        (("uint8", "int8", "int32"), (7, 9, 11), (True, True)),
    ],
    ids=str,
)
def test_gemm(types, tile, transposes):
    M, N, K = 70, 75, 45
    a = random((K, M) if transposes[0] else (M, K), types[0], "cpu")
    b = random((N, K) if transposes[1] else (K, N), types[1], "cpu")
    c = compiled(matmul(M, N, K, tile, *types, transposes), out_idx=[2])(a, b)
    x, y = (t.double().T if flip else t.double() for t, flip in zip((a, b), transposes))
    if types[2] == "int32":
        assert torch.equal(c.double(), x @ y)
    else:
        assert_close(c, x @ y, terms=K, scale=x.abs() @ y.abs())


def test_gemm_of_a_block_and_in_place_scaling():
    """Operands that are slices of tiles, an accumulator that is used as an operand after a conversion."""

    @T.prim_func
    def main(A: T.Tensor((32, 64), "float16"), B: T.Tensor((2, 64, 48), "float16"), C: T.Tensor((32, 48), "float32")):
        with T.Kernel(1, threads=128):
            a = T.alloc_shared((32, 64), "float16")
            b = T.alloc_shared((2, 64, 48), "float16")
            c = T.alloc_fragment((32, 48), "float32")
            T.copy(A, a)
            T.copy(B, b)
            T.clear(c)
            for s in range(2):
                T.gemm(a[0:32, s * 32 : s * 32 + 32], b[s, s * 32 : s * 32 + 32, 0:48], c)
            for i, j in T.Parallel(32, 48):
                c[i, j] = T.max(c[i, j], 0.0) * 0.5
            T.copy(c, C)

    a, b = torch.randn(32, 64).half(), torch.randn(2, 64, 48).half()
    c = compiled(main, out_idx=[2])(a, b)
    x, y = a.double(), b.double()
    wanted = (x[:, :32] @ y[0, :32] + x[:, 32:] @ y[1, 32:]).clamp(min=0) * 0.5
    torch.testing.assert_close(c.double(), wanted, rtol=1e-4, atol=1e-4)


def test_is_cpu_kernel_with_local_tiles():
    @T.prim_func
    def main(A: T.Tensor((40, 24), "float32"), B: T.Tensor((24, 36), "float32"), C: T.Tensor((40, 36), "float32")):
        with T.Kernel(T.ceildiv(36, 16), T.ceildiv(40, 16), is_cpu=True) as (bx, by):
            a = T.alloc_local((16, 8), "float32")
            b = T.alloc_local((8, 16), "float32")
            c = T.alloc_local((16, 16), "float32")
            T.clear(c)
            for k in T.serial(3):
                T.copy(A[by * 16, k * 8], a)
                T.copy(B[k * 8, bx * 16], b)
                T.gemm(a, b, c)
            T.copy(c, C[by * 16, bx * 16])

    a, b = torch.randn(40, 24), torch.randn(24, 36)
    torch.testing.assert_close(compiled(main, out_idx=[2])(a, b), a @ b, rtol=1e-4, atol=1e-4)


def test_softmax_with_math_in_vector_loops():
    @T.prim_func
    def main(A: T.Tensor((33, 200), "float32"), B: T.Tensor((33, 200), "float32")):
        with T.Kernel(T.ceildiv(33, 8), threads=128) as bx:
            x = T.alloc_fragment((8, 200), "float32")
            top = T.alloc_fragment((8,), "float32")
            total = T.alloc_fragment((8,), "float32")
            T.copy(A[bx * 8, 0], x)
            T.reduce_max(x, top, dim=1)
            for i, j in T.Parallel(8, 200):
                x[i, j] = T.exp(x[i, j] - top[i])
            T.reduce_sum(x, total, dim=1)
            for i, j in T.Parallel(8, 200):
                x[i, j] = x[i, j] / total[i]
            T.copy(x, B[bx * 8, 0])

    a = torch.randn(33, 200) * 5
    torch.testing.assert_close(compiled(main, out_idx=[1])(a), a.softmax(1))


def test_atomics_of_blocks_that_run_at_the_same_time():
    @T.prim_func
    def main(A: T.Tensor((64, 100), "float32"), total: T.Tensor((100,), "float32"), top: T.Tensor((1,), "int32")):
        with T.Kernel(64, threads=128) as bx:
            row = T.alloc_fragment((100,), "float32")
            T.copy(A[bx, 0], row)
            T.atomic_add(total, row)
            for i in T.Parallel(100):
                T.atomic_max(top[0], T.cast(A[bx, i] * 100.0, "int32"))

    a = torch.rand(64, 100)
    total, top = torch.zeros(100), torch.zeros(1, dtype=torch.int32)
    compiled(main)(a, total, top)
    torch.testing.assert_close(total.double(), a.double().sum(0), rtol=1e-5, atol=1e-5)
    assert top.item() == int((a * 100).int().max())


def test_halo_loads_give_zero_outside():
    M, N = T.dynamic("M, N")

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), B: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 16), T.ceildiv(M, 8), threads=128) as (bx, by):
            for i, j in T.Parallel(8, 16):
                y = by * 8 + i
                x = bx * 16 + j
                B[y, x] = A[y - 1, x] + A[y + 1, x] + A[y, x - 2] + A[y, x + 2]

    kernel = compiled(main)
    for shape in [(30, 50), (1, 1), (8, 16), (25, 17)]:
        a, b = torch.randn(shape), torch.full(shape, torch.nan)
        kernel(a, b)
        p = torch.nn.functional.pad(a, (2, 2, 1, 1))
        rows, columns = shape
        wanted = p[:rows, 2:-2] + p[2:, 2:-2] + p[1:-1, :columns] + p[1:-1, 4:]
        torch.testing.assert_close(b, wanted)


def test_triangular_conditions_become_loop_bounds():
    @T.prim_func
    def main(A: T.Tensor((50, 50), "float32"), B: T.Tensor((50, 50), "float32")):
        with T.Kernel(4, 4, threads=128) as (bx, by):
            for i, j in T.Parallel(16, 16):
                if by * 16 + i >= bx * 16 + j and 2 * i < 29:
                    B[by * 16 + i, bx * 16 + j] = A[by * 16 + i, bx * 16 + j]

    a, b = torch.randn(50, 50), torch.full((50, 50), -7.0)
    kernel = compiled(main)
    kernel(a, b)
    y, x = torch.meshgrid(torch.arange(50), torch.arange(50), indexing="ij")
    assert torch.equal(b, torch.where((y >= x) & (y % 16 < 15), a, -7.0))
    assert "if (" not in kernel.get_kernel_source()


def test_a_large_tile_leaves_the_stack_alone():
    @T.prim_func
    def main(A: T.Tensor((2048, 1024), "float32"), B: T.Tensor((2048, 1024), "float32")):
        with T.Kernel(2, threads=128) as bx:
            tile = T.alloc_shared((1024, 1024), "float32")
            T.copy(A[bx * 1024, 0], tile)
            T.copy(tile, B[bx * 1024, 0])

    a = torch.randn(2048, 1024)
    assert torch.equal(compiled(main, out_idx=[1])(a), a)


def test_powers_of_two():
    """float8_e8m0fnu, all codes but NaN's: the scales of MX formats."""

    @T.prim_func
    def main(A: T.Tensor((255,), "float8_e8m0fnu"), B: T.Tensor((255,), "float32"), C: T.Tensor((255,), "float8_e8m0fnu")):
        with T.Kernel(1, threads=32):
            for i in T.Parallel(255):
                B[i] = T.cast(A[i], "float32")
                C[i] = T.cast(B[i], "float8_e8m0fnu")

    codes = torch.arange(255, dtype=torch.uint8).view(torch.float8_e8m0fnu)
    b, c = compiled(main, out_idx=[1, 2])(codes)
    assert torch.equal(b.double(), 2.0 ** (torch.arange(255, dtype=torch.float64) - 127))
    assert torch.equal(c.view(torch.uint8), codes.view(torch.uint8))


def test_products_by_hand():
    """T.wgmma_gemm is a product like any other here, and T.wait_wgmma has nothing to wait for."""

    @T.prim_func
    def main(A: T.Tensor((64, 32), "float16"), B: T.Tensor((32, 64), "float16"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(1, threads=128):
            a, b = T.alloc_shared((64, 32), "float16"), T.alloc_shared((32, 64), "float16")
            c = T.alloc_fragment((64, 64), "float32")
            T.copy(A, a)
            T.copy(B, b)
            T.wgmma_gemm(a, b, c, clear_accum=True)
            T.wait_wgmma(0)
            T.copy(c, C)

    a, b = torch.randn(64, 32).half(), torch.randn(32, 64).half()
    torch.testing.assert_close(compiled(main, out_idx=-1)(a, b), a.float() @ b.float(), rtol=1e-4, atol=1e-4)
