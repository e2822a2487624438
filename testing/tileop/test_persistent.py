"""Blocks that compute several tiles: against torch, with ragged edges, pairs of unequal work, and under the checker."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.target import resolve_target

from .test_tma import HOPPER, product, run

WORKERS = 132


def persistence(kernel) -> list:
    return [r for r in kernel.remarks if r.rule == "persistent" and "blocks" in r.values]


@pytest.mark.parametrize(
    "M, N, K, bk, stages, pieces",
    [
        (128 * 12 - 8, 256 * 12 - 16, 96, 32, 2, 1),  # narrow steps: the whole tile fits beside the ring
        (128 * 12, 256 * 12 - 16, 5 * 64 + 8, 64, 3, 2),
        (128 * 13 - 120, 256 * 11, 4 * 64, 64, 4, 2),
    ],
)
def test_products(M, N, K, bk, stages, pieces):
    a, b = torch.randn(M, K).half(), torch.randn(N, K).half()
    kernel, c = run(product(M, N, K, 128, 256, bk, threads=256, stages=stages), a, b, (M, N), torch.float16)
    (remark,) = persistence(kernel)
    assert remark.values["blocks"] == WORKERS and remark.values["pieces"] == pieces
    torch.testing.assert_close(c.float(), a.float() @ b.float().T, rtol=2e-2, atol=2e-2)


def test_as_many_blocks_as_the_product_has_multiprocessors():
    M, N, K = 128 * 12, 256 * 12, 64
    a, b = torch.randn(M, K).half(), torch.randn(N, K).half()
    program = product(M, N, K, 128, 256, 64, threads=256)
    kernel = tilelang.compile(program, target={**HOPPER, "multiprocessors": 114}, execution_backend="simulator")
    c = torch.full((M, N), float("nan")).half()
    kernel(a, b, c)
    assert persistence(kernel)[0].values["blocks"] == 114 and str(kernel.target) == "cuda sm_90a, 114 multiprocessors (simulated)"
    torch.testing.assert_close(c.float(), a.float() @ b.float().T, rtol=2e-2, atol=2e-2)
    assert resolve_target({**HOPPER, "multiprocessors": WORKERS}) == resolve_target(HOPPER)


def layers(count, M, N, K, bm=128, bn=256, bk=64):
    """`count` products in one launch, whose author walks over the grid in panels of three rows."""

    @T.prim_func
    def main(A: T.Tensor((count, M, K), "float16"), B: T.Tensor((count, N, K), "float16"), C: T.Tensor((count, M, N), "float16")):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), count, threads=256) as (bx, by, bz):
            As = T.alloc_shared((bm, bk), "float16")
            Bs = T.alloc_shared((bn, bk), "float16")
            Cl = T.alloc_fragment((bm, bn), "float32")
            Cs = T.alloc_shared((bm, bn), "float16")
            T.use_swizzle(3)
            row = by * bm
            T.clear(Cl)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=3):
                T.copy(A[bz, row, k * bk], As)
                T.copy(B[bz, bx * bn, k * bk], Bs)
                T.gemm(As, Bs, Cl, transpose_B=True)
            T.copy(Cl, Cs)
            T.copy(Cs, C[bz, row, bx * bn])

    return main


@pytest.mark.parametrize(
    "count, rows, columns, panel",
    [(1, 41, 4, 14), (2, 25, 3, 13), (1, 12, 12, 12), (1, 1, 140, None), (1, 140, 1, None)],  # of 14, 14, 13; 13, 12; one
)
def test_panels(count, rows, columns, panel):
    """As many rows as a square patch of 132 tiles has, by bytes; every tile is computed, as in the order that the author gave."""
    M, N, K = 128 * rows - 8, 256 * columns - 16, 64
    a, b = torch.randn(count, M, K).half(), torch.randn(count, N, K).half()
    kernel, c = run(layers(count, M, N, K), a, b, (count, M, N), torch.float16)
    (remark,) = persistence(kernel)
    assert (f"in panels of {panel} rows" in remark.text) is (panel is not None)
    torch.testing.assert_close(c.float(), a.float() @ b.float().mT, rtol=2e-2, atol=2e-2)
    kernel, exact = run(layers(count, M, N, K), a, b, (count, M, N), torch.float16, **{"tl.exact_rasterization": True})
    assert "panels" not in persistence(kernel)[0].text and torch.equal(c, exact)


def test_it_can_be_switched_off():
    M, N, K = 128 * 12, 256 * 12, 64
    a, b = torch.randn(M, K).half(), torch.randn(N, K).half()
    program = product(M, N, K, 128, 256, 64, threads=256)
    kernel, c = run(program, a, b, (M, N), torch.float16, **{"tl.enable_persistent_blocks": False})
    assert not persistence(kernel)
    assert torch.equal(c, run(program, a, b, (M, N), torch.float16)[1])


def attention(heads, length, dim, causal, bm=128, bn=128, threads=256):
    shape, scale = (heads, length, dim), dim**-0.5 * 1.44269504

    @T.prim_func
    def main(
        Q: T.Tensor(shape, "float16"), K: T.Tensor(shape, "float16"), V: T.Tensor(shape, "float16"), O: T.Tensor(shape, "float16")
    ):
        with T.Kernel(T.ceildiv(length, bm), heads, threads=threads) as (bx, by):
            Qs, Ks = T.alloc_shared((bm, dim), "float16"), T.alloc_shared((bn, dim), "float16")
            Vs, Os = T.alloc_shared((bn, dim), "float16"), T.alloc_shared((bm, dim), "float16")
            s, p = T.alloc_fragment((bm, bn), "float32"), T.alloc_fragment((bm, bn), "float16")
            o = T.alloc_fragment((bm, dim), "float32")
            m, before = T.alloc_fragment((bm,), "float32"), T.alloc_fragment((bm,), "float32")
            l, row = T.alloc_fragment((bm,), "float32"), T.alloc_fragment((bm,), "float32")
            T.copy(Q[by, bx * bm, 0], Qs)
            T.clear(o)
            T.clear(l)
            T.fill(m, -1e30)
            for k in T.Pipelined(T.ceildiv((bx + 1) * bm, bn) if causal else T.ceildiv(length, bn), num_stages=2):
                T.copy(K[by, k * bn, 0], Ks)
                T.clear(s)
                T.gemm(Qs, Ks, s, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                for i, j in T.Parallel(bm, bn):
                    visible = (k * bn + j <= bx * bm + i) if causal else (k * bn + j < length)
                    s[i, j] = T.if_then_else(visible, s[i, j], -1e30)
                T.copy(m, before)
                T.reduce_max(s, m, dim=1, clear=False)
                for i, j in T.Parallel(bm, bn):
                    s[i, j] = T.exp2((s[i, j] - m[i]) * scale)
                T.reduce_sum(s, row, dim=1)
                for i in T.Parallel(bm):
                    l[i] = l[i] * T.exp2((before[i] - m[i]) * scale) + row[i]
                for i, j in T.Parallel(bm, dim):
                    o[i, j] *= T.exp2((before[i] - m[i]) * scale)
                T.copy(s, p)
                T.copy(V[by, k * bn, 0], Vs)
                T.gemm(p, Vs, o, policy=T.GemmWarpPolicy.FullRow)
            for i, j in T.Parallel(bm, dim):
                o[i, j] /= l[i]
            T.copy(o, Os)
            T.copy(Os, O[by, bx * bm, 0])

    return main


def test_queries_of_one_slot_are_given_back_early():
    """Where no second slot fits (head size 256), the producer loads the next ones beside the last product."""
    heads, length, dim = 140, 128, 256
    q, k, v = (torch.randn(heads, length, dim).half() for _ in range(3))
    kernel = tilelang.compile(attention(heads, length, dim, False, bn=64), target=HOPPER, execution_backend="simulator")
    assert persistence(kernel) and kernel_stages(kernel)["Qs"] == 1
    out = torch.full(q.shape, float("nan")).half()
    kernel(q, k, v, out)
    expected = torch.nn.functional.scaled_dot_product_attention(q.float(), k.float(), v.float())
    torch.testing.assert_close(out.float(), expected, rtol=2e-2, atol=4e-3)
    source = kernel.get_kernel_source()
    assert source.index("mbarrier_arrive(empty_2)") < source.rindex("wgmma_rs_steps") < source.rindex("mbarrier_arrive(empty_1")


def kernel_stages(kernel) -> dict:
    return {tile.name: tile.stages for tile in kernel.resources[0].shared}


@pytest.mark.parametrize("heads, length, causal, persists", [
    (68, 200, False, True),  # the queries are loaded by the producer, too
    (134, 250, True, True),  # pairs of a short and a long tile
    (45, 384, True, False),  # three tiles a head make no pairs
])  # fmt: skip
def test_attention(heads, length, causal, persists):
    q, k, v = (torch.randn(heads, length, 128).half() for _ in range(3))
    kernel = tilelang.compile(attention(heads, length, 128, causal), target=HOPPER, execution_backend="simulator")
    out = torch.full(q.shape, float("nan")).half()
    kernel(q, k, v, out)
    assert bool(persistence(kernel)) == persists
    assert kernel_stages(kernel)["Qs"] == (2 if persists else 1)
    expected = torch.nn.functional.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=causal)
    torch.testing.assert_close(out.float(), expected, rtol=2e-2, atol=4e-3)


@pytest.mark.parametrize("heads, multiprocessors, tail", [(5, 8, 1), (7, 12, 1), (12, 12, 0), (7, 9, 7)])
def test_the_last_heads_are_dealt_out_tile_by_tile(heads, multiprocessors, tail):
    """Where the pairs of short and long tiles are no multiple of the blocks."""
    q, k, v = (torch.randn(heads, 512, 64).half() for _ in range(3))
    target = {**HOPPER, "multiprocessors": multiprocessors}
    kernel = tilelang.compile(attention(heads, 512, 64, True), target=target, execution_backend="simulator")
    text = persistence(kernel)[0].text
    assert (f"the last {tail} layers tile by tile" in text or tail == heads and "the longest first" in text) is bool(tail)
    out = torch.full(q.shape, float("nan")).half()
    kernel(q, k, v, out)
    expected = torch.nn.functional.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=True)
    torch.testing.assert_close(out.float(), expected, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("causal", [False, True])
def test_no_defects_are_found(causal):
    heads, length = (133, 64) if not causal else (133, 256)
    q, k, v = (torch.randn(heads, length, 64).half() for _ in range(3))
    program = attention(heads, length, 64, causal, bn=256)
    kernel = tilelang.compile(program, target=HOPPER, execution_backend="simulator")
    assert persistence(kernel)
    report = kernel.check(q, k, v, torch.empty_like(q), schedules=2)
    assert not report.findings, report


def test_work_that_only_data_knows_is_left_to_the_hardware():
    """Static shares of tiles of unknown length would be unequal."""
    M, N, K = 128 * 12, 256 * 12, 256

    @T.prim_func
    def main(
        A: T.Tensor((M, K), "float16"),
        B: T.Tensor((N, K), "float16"),
        steps: T.Tensor((12,), "int32"),
        C: T.Tensor((M, N), "float16"),
    ):
        with T.Kernel(T.ceildiv(N, 256), T.ceildiv(M, 128), threads=256) as (bx, by):
            As, Bs = T.alloc_shared((128, 64), "float16"), T.alloc_shared((256, 64), "float16")
            Cl = T.alloc_fragment((128, 256), "float32")
            T.clear(Cl)
            for k in T.Pipelined(steps[by], num_stages=3):
                T.copy(A[by * 128, k * 64], As)
                T.copy(B[bx * 256, k * 64], Bs)
                T.gemm(As, Bs, Cl, transpose_B=True)
            T.copy(Cl, C[by * 128, bx * 256])

    kernel = tilelang.compile(main, target=HOPPER, execution_backend="simulator")
    a, b, steps = torch.randn(M, K).half(), torch.randn(N, K).half(), torch.randint(0, 5, (12,), dtype=torch.int32)
    c = torch.full((M, N), float("nan")).half()
    kernel(a, b, steps, c)
    assert not persistence(kernel)
    depth = (steps * 64).repeat_interleave(128)[:, None]
    masked = torch.where(torch.arange(K)[None, :] < depth, a.float(), 0)
    torch.testing.assert_close(c.float(), masked @ b.float().T, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("leave", [False, True])
def test_tiles_that_stay_in_loops_of_the_author(leave):
    """A tile that every pass of an outer loop loads anew; one pass may end early, and then the block loads it itself."""
    blocks, tiles, K = 3, 5, 64

    @T.prim_func
    def main(
        A: T.Tensor((tiles, 64, K), "float16"),
        B: T.Tensor((4, 64, K), "float16"),
        n: T.Tensor((blocks, tiles), "int32"),
        O: T.Tensor((blocks, tiles, 64, 64), "float32"),
    ):
        with T.Kernel(blocks, threads=128) as bx:
            As, Bs = T.alloc_shared((64, K), "float16"), T.alloc_shared((64, K), "float16")
            acc = T.alloc_fragment((64, 64), "float32")
            for t in T.serial(tiles):
                T.copy(A[t, 0, 0], As)
                if leave:
                    if n[bx, t] == 0:
                        T.continue_loop()
                T.clear(acc)
                for k in T.Pipelined(n[bx, t], num_stages=2):
                    T.copy(B[k, 0, 0], Bs)
                    T.gemm(As, Bs, acc, transpose_B=True)
                T.copy(acc, O[bx, t, 0, 0])

    kernel = tilelang.compile(main, target=HOPPER, execution_backend="simulator")
    assert any("copies As by tma load" in str(r) for r in kernel.remarks) != leave
    counts = torch.randint(0, 5, (blocks, tiles), dtype=torch.int32)
    counts[0, 0] = counts[1, 2] = 0
    a, b = torch.randn(tiles, 64, K).half(), torch.randn(4, 64, K).half()
    out = torch.full((blocks, tiles, 64, 64), float("nan"))
    kernel(a, b, counts, out)
    for x in range(blocks):
        for t in range(tiles):
            if leave and not counts[x, t]:
                assert out[x, t].isnan().all()
                continue
            expected = sum((a[t].float() @ b[k].float().T for k in range(int(counts[x, t]))), torch.zeros(64, 64))
            torch.testing.assert_close(out[x, t], expected, rtol=2e-2, atol=2e-2)
    report = kernel.check(a, b, counts, torch.zeros_like(out), schedules=2)
    assert not report.findings, report


@pytest.mark.parametrize("threads", [128, 256])
@pytest.mark.parametrize("through_shared", [False, True])
def test_parts_of_an_accumulator(threads, through_shared):
    """Columns and rows of a fragment, from where its digits begin, need no detour."""
    M, N, K = 128, 192, 64

    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), B: T.Tensor((N, K), "float16"), C: T.Tensor((M, N), "float16")):
        with T.Kernel(1, threads=threads):
            As, Bs = T.alloc_shared((M, K), "float16"), T.alloc_shared((N, K), "float16")
            Cl, Cs = T.alloc_fragment((M, N), "float32"), T.alloc_shared((M, 64), "float16")
            T.copy(A, As)
            T.copy(B, Bs)
            T.clear(Cl)
            T.gemm(As, Bs, Cl, transpose_B=True)
            for i, j in T.Parallel(M, 64):
                Cl[i, j + 64] = Cl[i, j + 64] * 2
            for part in T.unroll(3):
                if through_shared:
                    T.copy(Cl[0:M, part * 64 : part * 64 + 64], Cs)
                    T.copy(Cs, C[0, part * 64])
                else:
                    T.copy(Cl[0:M, part * 64 : part * 64 + 64], C[0, part * 64])

    a, b = torch.randn(M, K).half(), torch.randn(N, K).half()
    kernel, c = run(main, a, b, (M, N), torch.float16)
    assert not any("shared memory: its layout" in str(r) for r in kernel.remarks)
    expected = a.float() @ b.float().T
    expected[:, 64:128] *= 2
    torch.testing.assert_close(c.float(), expected, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("rows, columns, panel", [(12, 12, 6), (23, 9, 8), (4, 4, None)])
def test_blocks_of_one_tile_start_in_panels(rows, columns, panel):
    """Where the author asked for no order, and more blocks are left than run at once."""
    M, N, K = 128 * rows - 8, 128 * columns - 16, 96
    a, b = torch.randn(M, K).half(), torch.randn(N, K).half()
    program = product(M, N, K, 128, 128, 64, threads=256)
    target = {**HOPPER, "multiprocessors": 24}
    configs = {"tl.enable_tile_resizing": False, "tl.enable_persistent_blocks": False}
    for more in ({}, {"tl.exact_rasterization": True}):
        kernel = tilelang.compile(program, target=target, execution_backend="simulator", pass_configs={**configs, **more})
        order = [r.values["panel"] for r in kernel.remarks if r.rule == "order"]
        assert order == ([] if panel is None or more else [panel])
        c = torch.full((M, N), float("nan")).half()
        kernel(a, b, c)
        torch.testing.assert_close(c.float(), a.float() @ b.float().T, rtol=2e-2, atol=2e-2)
