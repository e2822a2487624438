"""Tiles that TMA brings and stores: against torch, with ragged edges, odd tile shapes and every swizzle."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import UnsupportedError

HOPPER = {"kind": "cuda", "arch": "sm_90a"}


def product(M, N, K, bm, bn, bk, dtype="float16", stages=3, threads=128, store=True):
    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((N, K), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=threads) as (bx, by):
            As = T.alloc_shared((bm, bk), dtype)
            Bs = T.alloc_shared((bn, bk), dtype)
            Cl = T.alloc_fragment((bm, bn), "float32" if dtype != "float64" else "float64")
            Cs = T.alloc_shared((bm, bn), dtype)
            T.clear(Cl)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=stages):
                T.copy(A[by * bm, k * bk], As)
                T.copy(B[bx * bn, k * bk], Bs)
                T.gemm(As, Bs, Cl, transpose_B=True)
            if store:
                T.copy(Cl, Cs)
                T.copy(Cs, C[by * bm, bx * bn])
            else:
                T.copy(Cl, C[by * bm, bx * bn])

    return main


def test_small_tiles_have_as_many_slots_as_hide_the_latency_of_memory():
    """A multiprocessor has 32 KB under way: 16 slots of 2 KB; of 8 KB and more, eight at most."""
    rows, columns = 32 * 64, 32

    def reader(bm):
        @T.prim_func
        def main(W: T.Tensor((rows, columns), "int32"), C: T.Tensor((bm,), "int32")):
            with T.Kernel(1, threads=128):
                W_s = T.alloc_shared((bm, columns), "int32")
                total, row = T.alloc_fragment((bm, columns), "int32"), T.alloc_fragment((bm,), "int32")
                T.clear(total)
                for k in T.Pipelined(rows // bm, num_stages=3):
                    T.copy(W[k * bm, 0], W_s)
                    for i, j in T.Parallel(bm, columns):
                        total[i, j] += W_s[i, j]
                T.reduce_sum(total, row, dim=1)
                T.copy(row, C)

        return main

    w = torch.randint(-1000, 1000, (rows, columns), dtype=torch.int32)
    for bm, slots in ((16, 16), (64, 8)):
        kernel = tilelang.compile(reader(bm), target=HOPPER, execution_backend="simulator")
        assert next(tile.stages for tile in kernel.resources[0].shared if tile.name == "W_s") == slots
        c = torch.full((bm,), -1, dtype=torch.int32)
        kernel(w, c)
        assert torch.equal(c, w.view(-1, bm, columns).sum((0, 2)).int())


def run(program, a, b, shape, dtype, **configs):
    kernel = tilelang.compile(program, target=HOPPER, execution_backend="simulator", pass_configs=configs)
    c = torch.full(shape, float("nan")).to(dtype)
    kernel(a, b, c)
    return kernel, c


@pytest.mark.parametrize(
    "bm, bn, bk, dtype",
    [
        (64, 64, 64, "float16"),  # 128-byte swizzle
        (64, 64, 32, "bfloat16"),  # 64
        (64, 48, 16, "float16"),  # 32, mma.sync beside it
        (128, 80, 128, "float16"),  # two boxes a tile
        (1, 64, 32, "float64"),  # one row: no box of a swizzle
        (3, 24, 64, "float32"),
        (64, 320, 64, "float16"),  # more rows than a box
    ],
)
@pytest.mark.parametrize("store", [True, False])
def test_products(bm, bn, bk, dtype, store):
    M, N, K = 2 * bm + 5, bn + 8, 3 * bk + 8
    torch_type = getattr(torch, dtype)
    a, b = torch.randn(M, K).to(torch_type), torch.randn(N, K).to(torch_type)
    _, c = run(product(M, N, K, bm, bn, bk, dtype, store=store), a, b, (M, N), torch_type)
    expected = a.double() @ b.double().T
    tolerance = {"float64": 1e-12, "float32": 2e-2, "float16": 2e-2, "bfloat16": 1e-1}[dtype]
    torch.testing.assert_close(c.double(), expected, rtol=tolerance, atol=tolerance * K**0.5)


@pytest.mark.parametrize("stages", [1, 2, 4])
def test_the_engine_does_not_change_results(stages):
    """The producer's ring, the plain pipeline and no TMA at all give the same bits."""
    M, N, K = 130, 72, 200
    a, b = torch.randn(M, K).half(), torch.randn(N, K).half()
    program = product(M, N, K, 64, 64, 64, stages=stages)
    results = [
        run(program, a, b, (M, N), torch.float16, **configs)[1]
        for configs in ({}, {"tl.disable_warp_specialized": True}, {"tl.disable_tma_lower": True}, {"tl.exact_num_stages": True})
    ]
    for other in results[1:]:
        assert torch.equal(results[0], other)


def test_no_defects_are_found():
    """Races, bounds, hangs and misuse under several schedules."""
    M, N, K = 130, 136, 200
    a, b = torch.randn(M, K).half(), torch.randn(N, K).half()
    kernel = tilelang.compile(product(M, N, K, 64, 128, 64), target=HOPPER, execution_backend="simulator")
    assert any("tma load" in str(remark) for remark in kernel.remarks)
    report = kernel.check(a, b, torch.empty(M, N).half(), schedules=3)
    assert not report.findings, report


@pytest.mark.parametrize(
    "configs, word", [({"tl.disable_tma_lower": True}, "tma"), ({"tl.disable_warp_specialized": True}, "mbarrier")]
)
def test_engines_can_be_switched_off(configs, word):
    program = product(128, 128, 128, 64, 64, 64)
    kernel = tilelang.compile(program, target=HOPPER, execution_backend="simulator", pass_configs=configs)
    assert f"tl::{word}" not in kernel.get_kernel_source()


def test_a_loop_that_runs_again_keeps_its_phases():
    """A ring inside another loop, with trip counts that depend on data."""
    blocks, tiles, K = 3, 4, 64

    @T.prim_func
    def main(
        A: T.Tensor((64, 8 * K), "float16"),
        n: T.Tensor((blocks, tiles), "int32"),
        O: T.Tensor((blocks, tiles, 64, 64), "float32"),
    ):
        with T.Kernel(blocks, threads=128) as bx:
            As = T.alloc_shared((64, K), "float16")
            acc = T.alloc_fragment((64, 64), "float32")
            for t in T.serial(tiles):
                T.clear(acc)
                for k in T.Pipelined(n[bx, t], num_stages=3):
                    T.copy(A[0, k * K], As)
                    T.gemm(As, As, acc, transpose_B=True)
                T.copy(acc, O[bx, t, 0, 0])

    counts = torch.randint(0, 9, (blocks, tiles), dtype=torch.int32)
    counts[0, 0] = 0
    a = torch.randn(64, 8 * K).half()
    kernel = tilelang.compile(main, target=HOPPER, execution_backend="simulator")
    assert "tl::tma_load" in kernel.get_kernel_source()
    out = torch.full((blocks, tiles, 64, 64), float("nan"))
    kernel(a, counts, out)
    for i in range(blocks):
        for t in range(tiles):
            part = a[:, : int(counts[i, t]) * K].float()
            torch.testing.assert_close(out[i, t], part @ part.T, rtol=1e-3, atol=1e-3 * 20)
    report = kernel.check(a, counts, out, schedules=2)
    assert not report.findings, report


def shifted(first, to):
    """Tiles that start `first` columns into A and go to row `to` of B on: neither need be where TMA can start."""

    @T.prim_func
    def main(A: T.Tensor((64, 320), "float16"), B: T.Tensor((128, 256), "float16")):
        with T.Kernel(4, threads=128) as bx:
            As = T.alloc_shared((64, 64), "float16")
            for k in T.Pipelined(1, num_stages=2):
                T.copy(A[0, (bx + k) * 64 + first], As)
                T.copy(As, B[to * bx, bx * 64])

    return main


@pytest.mark.parametrize("first, to, loads, stores", [(0, 0, 1, 1), (8, 8, 1, 1), (1, 0, 0, 1), (4, 1, 0, 1), (0, -1, 1, 0)])
def test_where_boxes_start(first, to, loads, stores):
    """16 bytes apart along a row, and stored ones not below 0; the hardware calls others an illegal instruction."""
    a, b = torch.randn(64, 320).half(), torch.full((128, 256), -7.0).half()
    expected = b.clone()
    for bx in range(4):
        rows = [r for r in range(64) if r + to * bx >= 0]
        expected[[r + to * bx for r in rows], bx * 64 : bx * 64 + 64] = a[rows, bx * 64 + first : bx * 64 + first + 64]
    kernel = tilelang.compile(shifted(first, to), target=HOPPER, execution_backend="simulator")
    kernel(a, b)
    assert torch.equal(b, expected)
    text = kernel.get_kernel_source()
    assert (text.count("tl::tma_load("), text.count("tl::tma_store(")) == (loads, stores)


def test_an_explicit_copy_says_where_it_cannot_start():
    @T.prim_func
    def main(A: T.Tensor((64, 72), "float16")):
        with T.Kernel(1, threads=128):
            As = T.alloc_shared((64, 64), "float16")
            full = T.alloc_barrier(1)
            T.tma_copy(A[0, 4], As, barrier=full)

    with pytest.raises(UnsupportedError, match="A does not start on a multiple of 8 elements"):
        tilelang.compile(main, target=HOPPER, execution_backend="simulator")
