"""T.tvm_load_matrix_sync and its kin: products of a warp's matrices against float64, of every shape, order and memory."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from tilelang.errors import DTypeError, SemanticError, ShapeError, UnsupportedError

TILES = 2  # of C along each dimension, and of K


def product(mnk, types, orders, memory="shared", separate=False):
    """C = A B + D by tiles of (m, n, k); `orders` of A, B and C in memory; a warp for each tile of C."""
    (m, n, k), (a_type, c_type), (a_order, b_order, c_order) = mnk, types, orders
    M, N, K = (x * TILES for x in mnk)
    shapes = [s if order == "row_major" else s[::-1] for s, order in zip(((M, K), (K, N), (M, N)), orders)]

    def at(X, row, column, order):
        return T.address_of(X[row, column] if order == "row_major" else X[column, row])

    @T.prim_func
    def main(
        A: T.Tensor(shapes[0], a_type),
        B: T.Tensor(shapes[1], a_type),
        D: T.Tensor(shapes[2], c_type),
        C: T.Tensor(shapes[2], c_type),
    ):
        with T.Kernel(1, threads=32 * TILES * TILES):
            warp = T.get_thread_binding() // 32
            i, j = warp // TILES * m, warp % TILES * n
            if memory == "shared":
                A_s, B_s = T.alloc_shared(shapes[0], a_type), T.alloc_shared(shapes[1], a_type)
                C_s = T.alloc_shared(shapes[2], c_type)
                T.copy(A, A_s)
                T.copy(B, B_s)
                T.copy(D, C_s)
            else:
                A_s, B_s, C_s = A, B, D
            a = T.alloc_buffer((m * k * TILES,), a_type, scope="wmma.matrix_a")
            b = T.alloc_buffer((TILES, k, n), a_type, scope="wmma.matrix_b")
            c = T.alloc_buffer((m * n,), c_type, scope="wmma.accumulator")
            d = T.alloc_buffer((m, n), c_type, scope="wmma.accumulator") if separate else c
            T.tvm_load_matrix_sync(c.data, m, n, k, 0, at(C_s, i, j, c_order), shapes[2][1], c_order)
            for s in T.unroll(TILES):
                T.tvm_load_matrix_sync(a.data, m, n, k, s, at(A_s, i, s * k, a_order), shapes[0][1], a_order)
                T.tvm_load_matrix_sync(b.data, m, n, k, s, at(B_s, s * k, j, b_order), shapes[1][1], b_order)
            if separate:
                T.tvm_fill_fragment(d.data, m, n, k, 0, 1)
                T.tvm_mma_sync(d.data, 0, a.data, 0, b.data, 0, c.data, 0)
                T.tvm_mma_sync(d.data, 0, a.data, 1, b.data, 1, d.data, 0)
            else:
                for s in T.unroll(TILES):
                    T.tvm_mma_sync(c, 0, a, s, b, s, c, 0)
            if memory == "shared":
                T.sync_threads()
                T.tvm_store_matrix_sync(d.data, m, n, k, 0, at(C_s, i, j, c_order), shapes[2][1], c_order)
                T.sync_threads()
                T.copy(C_s, C)
            else:
                T.tvm_store_matrix_sync(d.data, m, n, k, 0, at(C, i, j, c_order), shapes[2][1], c_order)

    return main


ROW, COLUMN = "row_major", "col_major"
HALVES, SHAPES = ("float16", "float32"), ((16, 16, 16), (32, 8, 16), (8, 32, 16))
CASES = [
    *((mnk, HALVES, (a, b, c), "shared", False) for mnk in SHAPES for a, b, c in ((ROW, ROW, COLUMN), (COLUMN, COLUMN, ROW))),
    *((mnk, HALVES, (a, b, c), "global", True) for mnk in SHAPES for a, b, c in ((ROW, COLUMN, ROW), (COLUMN, ROW, COLUMN))),
    ((16, 16, 16), ("float16", "float16"), (ROW, "column_major", ROW), "shared", True),
    ((8, 32, 16), ("bfloat16", "float32"), (ROW, ROW, ROW), "shared", False),
    *((mnk, ("int8", "int32"), (ROW, COLUMN, ROW), "shared", False) for mnk in SHAPES),
    ((16, 16, 16), ("uint8", "int32"), (COLUMN, ROW, COLUMN), "global", True),
    ((16, 16, 8), ("float32", "float32"), (ROW, ROW, ROW), "shared", False),
    ((16, 16, 8), ("float32", "float32"), (COLUMN, COLUMN, COLUMN), "global", True),
    ((8, 8, 4), ("float64", "float64"), (ROW, ROW, ROW), "shared", False),
    ((8, 8, 4), ("float64", "float64"), (COLUMN, COLUMN, COLUMN), "global", True),
]


@pytest.mark.parametrize("mnk, types, orders, memory, separate", CASES)
def test_product(mnk, types, orders, memory, separate, device):
    M, N, K = (x * TILES for x in mnk)
    a_type, c_type = (getattr(torch, t) for t in types)
    integral = types[1] == "int32"

    def draw(shape, of):
        if integral:
            return torch.randint(0 if of is torch.uint8 else -128, 128, shape, device=device).to(of)
        return torch.randn(shape, device=device).to(of)

    a, b, d = draw((M, K), a_type), draw((K, N), a_type), draw((M, N), c_type)
    given = [x if order == ROW else x.t().contiguous() for x, order in zip((a, b, d), orders)]
    out = run(product(mnk, types, orders, memory, separate), given, (tuple(given[2].shape), types[1]), device=device)
    out = out if orders[2] == ROW else out.t()
    exact = a.double() @ b.double() + d.double()
    if integral:
        assert torch.equal(out.double(), exact)
    else:
        tolerance = {"float16": 2e-2, "float32": 2e-3 if types[0] == "float32" else 1e-4, "float64": 1e-12}[types[1]]
        torch.testing.assert_close(out.double(), exact, rtol=0, atol=tolerance * K**0.5 * 4)


def test_shared_operands_come_by_ldmatrix():
    source = tilelang.compile(
        product((16, 16, 16), HALVES, (ROW, ROW, ROW)), target={"kind": "cuda", "arch": "sm_80"}
    ).get_kernel_source()
    assert "ldmatrix_x4(" in source and "ldmatrix_x4_trans(" in source and "mma_m16n8k16" in source


@pytest.mark.parametrize(
    "statement, error, words",
    [
        (lambda a, b, c, A: T.tvm_fill_fragment(a.data, 16, 16, 8, 0, 0), UnsupportedError, "16 x 16 x 16, 32 x 8 x 16"),
        (lambda a, b, c, A: T.tvm_fill_fragment(A, 16, 16, 16, 0, 0), SemanticError, "no matrices of a warp"),
        (lambda a, b, c, A: T.tvm_fill_fragment(a, 16, 16, 16, 1, 0), ShapeError, "matrix 1 of"),
        (lambda a, b, c, A: T.tvm_load_matrix_sync(a, 16, 16, 16, 0, A, 16, "row_major"), DTypeError, "float32"),
        (lambda a, b, c, A: T.tvm_load_matrix_sync(c, 16, 16, 16, 0, A, 16, "rows"), SemanticError, "layout='rows'"),
        (lambda a, b, c, A: T.tvm_store_matrix_sync(c, 16, 16, 16, 0, c, 16, "row_major"), SemanticError, "target of"),
        (lambda a, b, c, A: T.tvm_mma_sync(c, 0, a, 0, b, 0, c, 0), SemanticError, "holds nothing yet"),
        (lambda a, b, c, A: T.tvm_mma_sync(c, 0, b, 0, a, 0, c, 0), SemanticError, "A of T.tvm_mma_sync"),
        (lambda a, b, c, A: filled(a, b, c, (16, 16, 16), (32, 8, 16)), ShapeError, "of matrices of shapes"),
        (lambda a, b, c, A: T.alloc_buffer((40,), "float16", scope="wmma.matrix_a"), ShapeError, "40 elements"),
        (lambda a, b, c, A: T.alloc_buffer((256,), "float16", scope="wmma.matrix"), SemanticError, "wmma.accumulator"),
        (lambda a, b, c, A: T.tvm_bmma_sync(c, 0, a, 0, b, 0, c, 0), UnsupportedError, "1-bit"),
    ],
)
def test_misuse(statement, error, words):
    @T.prim_func
    def main(A: T.Tensor((16, 16), "float32")):
        with T.Kernel(1, threads=32):
            a = T.alloc_buffer((256,), "float16", scope="wmma.matrix_a")
            b = T.alloc_buffer((256,), "float16", scope="wmma.matrix_b")
            statement(a, b, T.alloc_buffer((256,), "float32", scope="wmma.accumulator"), A)

    with pytest.raises(error, match=words):
        main.get()


def filled(a, b, c, first, second):
    T.tvm_fill_fragment(a, *first, 0, 0)
    T.tvm_fill_fragment(b, *first, 0, 0)
    T.tvm_fill_fragment(c, *second, 0, 0)
    T.tvm_mma_sync(c, 0, a, 0, b, 0, c, 0)
