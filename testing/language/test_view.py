"""T.view, T.reshape and T.Tensor over another buffer's data, in every scope."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from tilelang.errors import DTypeError, LayoutError, ShapeError


def test_reshaped_tensors():
    """Outside and inside of the launch, flat and back."""
    M, N = 24, 40

    @T.prim_func
    def main(A: T.Tensor((M, N), "float16"), B: T.Tensor((N, M), "float16"), C: T.Tensor((M * N,), "float16")):
        A_flat = T.reshape(A, [M * N])
        with T.Kernel(4, threads=64) as bx:
            B_rows = T.reshape(B, (M, N))
            tile = T.alloc_shared((6, N), "float16")
            T.copy(A_flat[bx * 240 : (bx + 1) * 240], C[bx * 240])
            T.copy(A[bx * 6, 0], tile)
            T.copy(tile, B_rows[bx * 6, 0])

    a = torch.randn(M, N).half()
    b, c = run(main, [a], ((N, M), "float16"), ((M * N,), "float16"), device="cpu")
    assert torch.equal(b.view(M, N), a) and torch.equal(c, a.flatten())


def test_tensor_over_data():
    @T.prim_func
    def main(A: T.Tensor((4, 6, 8), "float32"), B: T.Tensor((192,), "float32")):
        with T.Kernel(1, threads=32):
            rows = T.Tensor((24, 8), "float32", A.data)
            steps = T.StridedTensor((8, 24), (1, 8), "float32", data=A.data)
            for i, j in T.Parallel(24, 8):
                B[i * 8 + j] = rows[i, j] + steps[j, i]

    a = torch.randn(4, 6, 8)
    assert torch.equal(run(main, [a], ((192,), "float32"), device="cpu"), 2 * a.flatten())


@pytest.mark.parametrize("src, dst, width", [("float32", "uint8", 4), ("float16", "uint16", 1), ("int32", "float32", 1)])
def test_bits_in_global_memory(src, dst, width):
    N = 256

    @T.prim_func
    def main(A: T.Tensor((N,), src), B: T.Tensor((N * width,), dst)):
        with T.Kernel(1, threads=64):
            seen = T.view(A, (N * width,), dst)
            T.copy(seen, B)

    kinds = {
        "float32": torch.float32,
        "uint8": torch.uint8,
        "float16": torch.float16,
        "uint16": torch.uint16,
        "int32": torch.int32,
    }
    a = torch.randint(-(2**30), 2**30, (N,), dtype=torch.int32).view(torch.uint8)[: N * kinds[src].itemsize].view(kinds[src])
    out = run(main, [a], ((N * width,), dst), device="cpu")
    assert torch.equal(out.view(torch.uint8), a.view(torch.uint8))


@pytest.mark.parametrize("swizzled", [False, True])
def test_shared(swizzled):
    """What is stored as rows is read flat, as wider rows and as bytes; the barrier between is found."""
    M, N = 32, 64

    @T.prim_func
    def main(A: T.Tensor((M, N), "float16"), B: T.Tensor((M // 2, 2 * N), "float16"), C: T.Tensor((M, 2 * N), "uint8")):
        with T.Kernel(1, threads=64):
            tile = T.alloc_shared((M, N), "float16")
            flat = T.reshape(tile, (M * N,))
            wide = T.reshape(flat, (M // 2, 2 * N))
            raw = T.view(tile, (M, 2 * N), "uint8")
            if swizzled:
                T.annotate_layout({tile: tilelang.layout.make_swizzled_layout(tile)})
            T.copy(A, tile)
            for i in T.Parallel(M * N):
                flat[i] = -flat[i]
            T.copy(wide, B)
            T.copy(raw, C)

    a = torch.randn(M, N).half()
    b, c = run(main, [a], ((M // 2, 2 * N), "float16"), ((M, 2 * N), "uint8"), device="cpu")
    assert torch.equal(b.flatten(), -a.flatten())
    assert torch.equal(c.view(torch.float16), -a)


@pytest.mark.parametrize("rows", [64, 48])
def test_product_through_views(rows):
    """Operands that were filled flat, with a layout that the product asks for through the view."""
    K = 64

    @T.prim_func
    def main(A: T.Tensor((2, rows // 2, K), "float16"), B: T.Tensor((K, K), "float16"), C: T.Tensor((rows, K), "float32")):
        with T.Kernel(1, threads=128):
            A_tile = T.alloc_shared((2, rows // 2, K), "float16")
            B_tile = T.alloc_shared((K, K), "float16")
            acc = T.alloc_fragment((rows, K), "float32")
            A_rows = T.reshape(A_tile, (rows, K))
            T.copy(A, A_tile)
            T.copy(B, B_tile)
            T.gemm(A_rows, B_tile, acc, clear_accum=True)
            T.copy(acc, C)

    a, b = torch.randn(2, rows // 2, K).half(), torch.randn(K, K).half()
    out = run(main, [a, b], ((rows, K), "float32"), device="cpu")
    torch.testing.assert_close(out.double(), a.view(rows, K).double() @ b.double(), rtol=1e-3, atol=1e-3)


def test_registers():
    """A product's accumulator summed over groups of columns; a row vector as a matrix and back."""
    M, N, K, G = 64, 96, 32, 16

    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), B: T.Tensor((K, N), "float16"), C: T.Tensor((M, N // G), "float32")):
        with T.Kernel(1, threads=128):
            A_tile = T.alloc_shared((M, K), "float16")
            B_tile = T.alloc_shared((K, N), "float16")
            acc = T.alloc_fragment((M, N), "float32")
            groups = T.reshape(acc, (M, N // G, G))
            sums = T.alloc_fragment((M, N // G), "float32")
            T.copy(A, A_tile)
            T.copy(B, B_tile)
            T.gemm(A_tile, B_tile, acc, clear_accum=True)
            for i, g, j in T.Parallel(M, N // G, G):
                groups[i, g, j] = T.max(groups[i, g, j], 0) * (g + 1)
            T.reduce_sum(groups, sums, dim=2)
            T.copy(sums, C)

    a, b = torch.randn(M, K).half(), torch.randn(K, N).half()
    out = run(main, [a, b], ((M, N // G), "float32"), device="cpu")
    expected = (a.double() @ b.double()).relu().view(M, N // G, G) * torch.arange(1, N // G + 1)[:, None]
    torch.testing.assert_close(out.double(), expected.sum(-1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shapes", [((128,), (8, 16)), ((6, 20), (8, 15)), ((5, 7), (7, 5)), ((3, 100), (300,))])
def test_any_regrouping_of_registers(shapes):
    first, second = shapes

    @T.prim_func
    def main(A: T.Tensor(first, "float32"), B: T.Tensor(second, "float32")):
        with T.Kernel(1, threads=64):
            x = T.alloc_fragment(first, "float32")
            y = T.reshape(x, second)
            T.copy(A, x)
            T.copy(y, B)

    a = torch.randn(first)
    assert torch.equal(run(main, [a], (second, "float32"), device="cpu"), a.view(second))


def test_bits_of_registers():
    N = 512

    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((N * 2,), "uint16")):
        with T.Kernel(1, threads=64):
            x = T.alloc_fragment((N,), "float32")
            halves = T.view(x, (N * 2,), "uint16")
            words = T.view(x, dtype="uint32")
            T.copy(A, x)
            for i in T.Parallel(N):
                words[i] = words[i] ^ T.uint32(0x80000000)
            T.copy(halves, B)

    a = torch.randn(N)
    out = run(main, [a], ((N * 2,), "uint16"), device="cpu")
    assert torch.equal(out.view(torch.float32), -a)


def test_private_arrays():
    @T.prim_func
    def main(A: T.Tensor((64, 4), "uint32"), B: T.Tensor((64, 16), "uint8")):
        with T.Kernel(1, threads=64):
            tx = T.get_thread_binding()
            words = T.alloc_local((4,), "uint32")
            octets = T.view(words, (16,), "uint8")
            for i in T.vectorized(4):
                words[i] = A[tx, i]
            for i in T.serial(16):
                B[tx, i] = octets[i] + T.uint8(1)

    a = torch.randint(0, 256, (64, 16), dtype=torch.uint8)
    out = run(main, [a.view(torch.uint32)], ((64, 16), "uint8"), device="cpu")
    assert torch.equal(out, a + 1)


def test_a_view_is_current():
    """A value read through one name is not reread after a store through the other."""

    @T.prim_func
    def main(A: T.Tensor((4,), "float32")):
        with T.Kernel(1, threads=1):
            rows = T.reshape(A, (2, 2))
            old = A[0]
            rows[0, 0] = 5.0
            A[1] = old

    a = torch.tensor([1.0, 2, 3, 4])
    run(main, [a], device="cpu", inout=(0,))
    assert a.tolist() == [5, 1, 3, 4]


def test_dynamic_extent():
    n = T.dynamic("n")

    @T.prim_func
    def main(A: T.Tensor((n, 8), "float32"), B: T.Tensor((n * 8,), "float32")):
        with T.Kernel(T.ceildiv(n * 8, 64), threads=64) as bx:
            flat = T.reshape(A, (n * 8,))
            T.copy(flat[bx * 64], B[bx * 64 : (bx + 1) * 64])

    a = torch.randn(13, 8)
    assert torch.equal(run(main, [a], ((104,), "float32"), device="cpu"), a.flatten())


@pytest.mark.parametrize(
    "make, kind, text",
    [
        (lambda A, s: T.reshape(s, (63,)), ShapeError, "2016 bits, not 2048"),
        (lambda A, s: T.view(s, (64,), "float16"), ShapeError, "another size"),
        (lambda A, s: T.view(s, (4, 16), strides=(16, 1)), ShapeError, "only tensors in global memory"),
        (lambda A, s: T.reshape(s[0:4], (4,)), DTypeError, "whole buffer"),
        (lambda A, s: T.Tensor((4,), "float32", 7), DTypeError, "data of a buffer"),
        (lambda A, s: T.reshape(s, ()), ShapeError, "empty|another size"),
    ],
)
def test_refusals(make, kind, text):
    with pytest.raises(kind, match=text):

        @T.prim_func
        def main(A: T.Tensor((64,), "float32")):
            with T.Kernel(1, threads=32):
                s = T.alloc_shared((64,), "float32")
                make(A, s)

        tilelang.compile(main)


def test_the_root_is_annotated():
    @T.prim_func
    def main(A: T.Tensor((64, 64), "float16")):
        with T.Kernel(1, threads=32):
            s = T.alloc_shared((64, 64), "float16")
            rows = T.reshape(s, (32, 128))
            T.annotate_layout({rows: tilelang.layout.make_swizzled_layout(rows)})
            T.copy(A, s)

    with pytest.raises(LayoutError, match="annotate s"):
        tilelang.compile(main)
