"""T.tma_gather4 and T.tma_scatter4 (sm_100) against indexing, in the simulator and through NVRTC and ptxas. No such GPU was at
hand."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.tileop.test_tcgen05 import assembles, clean, compiled
from tilelang.errors import ShapeError, UnsupportedError


def shuffled(rows, width, columns, dtype, swizzle, policy=None):
    """B[where[i]] = A[which[i]], `width` columns from the `columns`-th on, 8 rows at a time."""

    @T.prim_func
    def main(
        A: T.Tensor((rows, 256), dtype),
        which: T.Tensor((16,), "int32"),
        where: T.Tensor((16,), "int32"),
        B: T.Tensor((rows, 256), dtype),
    ):
        with T.Kernel(2, threads=64) as bx:
            tile = T.alloc_shared((8, width), dtype)
            full = T.alloc_barrier(1)
            first = bx * 8
            if T.get_thread_binding() == 0:
                T.mbarrier_arrive_expect_tx(full, 2 * T.tma_gather4_bytes(width, dtype))
            for half in T.unroll(2):
                part = [which[first + half * 4 + r] for r in range(4)]
                T.tma_gather4(
                    A, tile[half * 4 : half * 4 + 4, :], columns, part, barrier=full, swizzle=swizzle, eviction_policy=policy
                )
            T.mbarrier_wait_parity(full, 0)
            for half in T.unroll(2):
                part = [where[first + half * 4 + r] for r in range(4)]
                T.tma_scatter4(tile[half * 4 : half * 4 + 4, :], B, columns, part, eviction_policy=policy)

    return main


@pytest.mark.parametrize(
    "dtype, width, columns, swizzle",
    [
        ("float16", 64, 64, 128),
        ("float16", 128, 0, 64),
        ("float32", 16, 8, 32),
        ("float32", 64, 192, None),
        ("uint8", 64, 32, 64),
    ],
)
def test_rows(dtype, width, columns, swizzle):
    rows = 40
    kernel = compiled(shuffled(rows, width, columns, dtype, swizzle, "evict_first" if swizzle == 64 else None))
    a = (torch.randn(rows, 256) * 30).to(getattr(torch, dtype))
    which, where = torch.randint(0, rows, (16,), dtype=torch.int32), torch.randperm(rows)[:16].int()
    which[3] = rows + 2  # outside: zeros
    where[5] = -1  # and not stored
    b = torch.full((rows, 256), 7).to(a.dtype)
    expected = b.clone()
    for i, j in zip(which.tolist(), where.tolist()):
        if j >= 0:
            expected[j, columns : columns + width] = a[i, columns : columns + width] if i < rows else 0
    kernel(a, which, where, b)
    assert torch.equal(b, expected)
    clean(kernel, a, which, where, b)
    assembles(kernel)


def test_rows_feed_products():
    """Rows of A by number, under the swizzle that T.gemm asks for."""

    @T.prim_func
    def main(
        A: T.Tensor((64, 64), "float16"),
        rows: T.Tensor((64,), "int32"),
        B: T.Tensor((64, 64), "float16"),
        C: T.Tensor((64, 64), "float32"),
    ):
        with T.Kernel(1, threads=128) as _:
            A_s, B_s = T.alloc_shared((64, 64), "float16"), T.alloc_shared((64, 64), "float16")
            C_t, full = T.alloc_tmem((64, 64), "float32"), T.alloc_barrier(1)
            if T.get_thread_binding() == 0:
                T.mbarrier_arrive_expect_tx(full, 16 * T.tma_gather4_bytes(64, "float16"))
            for i in T.serial(16):
                T.tma_gather4(A, A_s[i * 4 : i * 4 + 4, :], 0, [rows[i * 4 + r] for r in range(4)], barrier=full)
            T.copy(B, B_s)
            T.mbarrier_wait_parity(full, 0)
            T.gemm(A_s, B_s, C_t, transpose_B=True, clear_accum=True)
            T.copy(C_t, C)

    kernel = compiled(main)
    a, b, rows = torch.randn(64, 64).half(), torch.randn(64, 64).half(), torch.randint(0, 64, (64,), dtype=torch.int32)
    c = torch.full((64, 64), float("nan"))
    kernel(a, rows, b, c)
    assert torch.allclose(c.double(), a[rows.long()].double() @ b.double().T, atol=1e-4)
    clean(kernel, a, rows, b, c)
    assembles(kernel)


def test_refusals():
    with pytest.raises(UnsupportedError, match="rows by number on sm_100; the target is sm_90a"):
        compiled(shuffled(40, 64, 0, "float16", 128), "sm_90a")
    with pytest.raises(UnsupportedError, match="stores rows by number on sm_100a alone; the target is sm_120a"):
        compiled(shuffled(40, 64, 0, "float16", 128), "sm_120a")
    with pytest.raises(UnsupportedError, match="does not start on a multiple of 8 elements"):
        compiled(shuffled(40, 64, 4, "float16", 128))
    with pytest.raises(ShapeError, match="four whole rows"):

        @T.prim_func
        def main(A: T.Tensor((64, 64), "float16")):
            with T.Kernel(1, threads=128) as _:
                A_s, full = T.alloc_shared((64, 64), "float16"), T.alloc_barrier(1)
                T.tma_gather4(A, A_s[0:8, :], 0, [0, 1, 2, 3], barrier=full)

        compiled(main)
