"""Tiles that persistent blocks share: every step once, nobody waits for blocks that may not have started, and the sums."""

from __future__ import annotations

from math import prod

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.transform.walks import bound, value
from tilelang import ir
from tilelang.engine import callback
from tilelang.errors import SimulationError
from tilelang.transform.rasterize_blocks import Scalars
from tilelang.transform.stream_k import Load, StreamWalk
from tilelang.transform.tile_walk import EvenWalk

HOPPER = {"kind": "cuda", "arch": "sm_90a"}
ON = {"tl.enable_stream_k": True, "tl.enable_tile_resizing": False}
CHECKS = "race,bounds,init,deadlock,misuse"


def turns(walk):
    """For each block its (place, first step, end, run, runs that it waits for), evaluated from what a kernel gets."""
    worker, wave, scalars = ir.var("worker"), ir.var("wave"), Scalars({}, None)
    turn, count = walk.turn(worker, wave, scalars), walk.count(worker)
    for w in range(walk.blocks):
        found = []
        for n in range(value(count, {worker: ir.const(w)})):
            known = bound(scalars, {worker: w, wave: n})
            place = tuple(value(i, known) for i in turn.indices)
            first, length = value(turn.first, known), value(turn.count, known)
            others = value(turn.others, known) if first == 0 and length < walk.steps else 0
            found.append((place, first, first + length, value(turn.rank, known), others))
        yield found


@pytest.mark.parametrize(
    "grid, panel, workers, steps, waves, parts, length",
    [
        ((4, 2, 1), None, 5, 9, 1, 5, 3),  # 3 tiles, 15 parts, 5 runs
        ((4, 2, 1), 2, 5, 7, 0, 3, 5),  # runs longer than a tile; the last part of a tile has one step
        ((3, 1, 1), None, 12, 10, 0, 4, 1),  # every tile in as many runs
        ((5, 3, 2), 2, 8, 11, 3, 4, 3),  # two layers
        ((1, 5, 1), None, 4, 11, 1, 3, 1),  # a block without a run
        ((2, 2, 1), None, 9, 10, 0, 5, 3),
        ((1, 7, 1), None, 3, 6, 2, 3, 1),
    ],
)
def test_every_step_once(grid, panel, workers, steps, waves, parts, length):
    walk = StreamWalk(grid, workers, panel, steps, waves, parts, length)
    blocks = list(turns(walk))
    assert len(blocks) == walk.blocks <= workers
    done = sorted((place, step) for block in blocks for place, first, end, _, _ in block for step in range(first, end))
    assert done == sorted((place, step) for place in {p for p, _ in done} for step in range(steps))
    assert len(done) == prod(grid) * steps
    owner = {rank: worker for worker, block in enumerate(blocks) for *_, rank, _ in block}
    given = {}  # of each run the tile of which it leaves a part
    for block in blocks:
        left = [(place, rank) for place, first, _, rank, _ in block if first > 0]
        assert len(left) <= 1, "one slot holds one part"
        given.update({rank: place for place, rank in left})
    for worker, block in enumerate(blocks):
        assert sum(end - first for _, first, end, _, _ in block) <= waves * steps + walk.share
        for place, first, end, rank, others in block:
            if first == 0 and end < steps:
                assert 0 < others <= walk.takes
                assert all(given.pop(rank + 1 + k) == place for k in range(others)), "runs of this tile, each taken once"
                assert all(owner[rank + 1 + k] < worker for k in range(others)), "blocks that start before"
    assert not given


def compiled(program, multiprocessors, **configs):
    target = {**HOPPER, "multiprocessors": multiprocessors}
    return tilelang.compile(program, target=target, execution_backend="simulator", pass_configs={**ON, **configs})


def shared(kernel) -> bool:
    return any("parts each" in r.text for r in kernel.remarks if r.rule == "persistent")


def program(M, N, K, bm, bn, threads, dtype="float16", out="float16", tb=True, kind="plain", stages=3, batch=1):
    sums = "int32" if dtype == "int8" else "float32"

    @T.prim_func
    def main(
        A: T.Tensor((batch, M, K), dtype), B: T.Tensor((N, K) if tb else (K, N), dtype), bias: T.Tensor((N,), "float32"),
        C: T.Tensor((batch, M, N), out),
    ):  # fmt: skip
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), batch, threads=threads) as (bx, by, bz):
            As = T.alloc_shared((bm, 64), dtype)
            Bs = T.alloc_shared((bn, 64) if tb else (64, bn), dtype)
            Cl = T.alloc_fragment((bm, bn), sums)
            Cs = T.alloc_shared((bm, 8 if kind == "registers" else bn), out)
            most = T.alloc_fragment((bm,), "float32")
            if kind == "bias first":
                for i, j in T.Parallel(bm, bn):
                    Cl[i, j] = T.if_then_else(bx * bn + j < N, bias[bx * bn + j], 0.0)
            elif kind != "cleared by the product":
                T.clear(Cl)
            T.fill(most, 0.0)
            if kind == "printed":
                T.print(most[0], msg="most")
            if kind == "after other launches":
                T.pdl_sync()
            for k in T.Pipelined(T.ceildiv(K, 64), num_stages=stages):
                T.copy(A[bz, by * bm, k * 64], As)
                if tb:
                    T.copy(B[bx * bn, k * 64], Bs)
                else:
                    T.copy(B[k * 64, bx * bn], Bs)
                T.gemm(As, Bs, Cl, transpose_B=tb, clear_accum=(k == 0) if kind == "cleared by the product" else False)
                if kind == "running maximum":
                    T.reduce_max(Cl, most, dim=1, clear=False)
            if kind == "bias last":
                for i, j in T.Parallel(bm, bn):
                    Cl[i, j] = T.max(Cl[i, j] + T.if_then_else(bx * bn + j < N, bias[bx * bn + j], 0.0), 0.0)
            if kind == "running maximum":
                for i, j in T.Parallel(bm, bn):
                    Cl[i, j] += most[i]
            if kind == "registers":
                T.copy(Cl, C[bz, by * bm, bx * bn])
            else:
                T.copy(Cl, Cs)
                T.copy(Cs, C[bz, by * bm, bx * bn])

    return main


def call(kernel, a, b, bias, shape, dtype):
    out = torch.full(shape, 77 if dtype == torch.int32 else float("nan")).to(dtype)
    kernel(a, b, bias, out)
    return out


@pytest.mark.parametrize("kind", ["plain", "bias last", "registers"])
@pytest.mark.parametrize(
    "M, N, K, bm, bn, threads, multiprocessors, tb, batch",
    [
        (128 * 3 - 8, 256 * 3 - 16, 64 * 13 + 8, 128, 256, 256, 5, True, 1),  # one whole tile each, and four shared
        (128 * 2, 256 * 2, 64 * 20, 128, 256, 256, 7, False, 1),  # fewer tiles than blocks
        (128, 256 - 24, 64 * 40 + 16, 128, 256, 256, 12, True, 1),  # one tile
        (40, 64 * 3 + 8, 64 * 24, 64, 64, 128, 9, True, 1),
        (128 * 2 - 8, 256, 64 * 9, 128, 256, 256, 4, True, 3),  # layers
    ],
)
def test_products(kind, M, N, K, bm, bn, threads, multiprocessors, tb, batch):
    a, b, bias = torch.randn(batch, M, K).half(), torch.randn(N, K).half(), torch.randn(N)
    source = program(M, N, K, bm, bn, threads, tb=tb, kind=kind, batch=batch)
    kernel = compiled(source, multiprocessors)
    assert shared(kernel)
    b_given = b if tb else b.T.contiguous()
    c = call(kernel, a, b_given, bias, (batch, M, N), torch.float16)
    wanted = a.double() @ b.double().T
    wanted = (wanted + bias).clamp(min=0) if kind == "bias last" else wanted
    torch.testing.assert_close(c.double(), wanted, rtol=2e-3, atol=2e-3 * K**0.5)
    assert all(torch.equal(c, call(kernel, a, b_given, bias, (batch, M, N), torch.float16)) for _ in range(2))


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3", "int8"])
def test_dtypes(dtype):
    M, N, K = 300, 500, 64 * 10
    a, b = torch.randint(-5, 6, (1, M, K)), torch.randint(-5, 6, (N, K))  # sums are exact
    torch_type = {"float8_e4m3": torch.float8_e4m3fn}.get(dtype) or getattr(torch, dtype)
    out = "int32" if dtype == "int8" else "float32"
    kernel = compiled(program(M, N, K, 128, 256, 256, dtype, out, kind="registers"), 8)
    assert shared(kernel)
    c = call(kernel, a.to(torch_type), b.to(torch_type), torch.zeros(N), (1, M, N), getattr(torch, out))
    assert torch.equal(c.long(), a @ b.T)


@pytest.mark.parametrize("kind", ["bias first", "running maximum", "cleared by the product", "printed", "after other launches"])
def test_loops_that_do_more_than_add_up_are_not_cut(kind):
    M, N, K = 128 * 3, 256 * 2, 64 * 9
    a, b, bias = torch.randn(1, M, K).half(), torch.randn(N, K).half(), torch.randn(N)
    kernel = compiled(program(M, N, K, 128, 256, 256, kind=kind), 5)
    assert not shared(kernel)
    c = call(kernel, a, b, bias, (1, M, N), torch.float16)
    sums = torch.stack([a[0, :, : 64 * (k + 1)].float() @ b[:, : 64 * (k + 1)].float().T for k in range(9)])
    wanted = sums[-1] + bias if kind == "bias first" else sums[-1]
    if kind == "running maximum":
        most = sums.reshape(9, M, 2, 256).amax(dim=(0, 3)).clamp(min=0)
        wanted = (sums[-1].reshape(M, 2, 256) + most[..., None]).reshape(M, N)
    torch.testing.assert_close(c[0].float(), wanted, rtol=2e-3, atol=1e-1)


def test_sums_that_fill_no_whole_slot_are_not_shared():
    """mma.sync spreads 80 x 40 sums over more registers than there are sums: the launch starts over with a tile a block."""
    M, N, K = 80 * 2, 40 * 2, 64 * 24
    a, b, bias = torch.randn(1, M, K).half(), torch.randn(N, K).half(), torch.zeros(N)
    kernel = compiled(program(M, N, K, 80, 40, 128), 9, **{"tl.disable_wgmma": True})
    assert not shared(kernel) and any("no tiles that blocks share" in r.text for r in kernel.remarks)
    c = call(kernel, a, b, bias, (1, M, N), torch.float16)
    torch.testing.assert_close(c[0].float(), a[0].float() @ b.float().T, rtol=2e-3, atol=1e-1)


def test_it_can_be_switched_off():
    M, N, K = 128 * 3, 256 * 2, 64 * 9
    a, b, bias = torch.randn(1, M, K).half(), torch.randn(N, K).half(), torch.zeros(N)
    source = program(M, N, K, 128, 256, 256)
    kernel = compiled(source, 5, **{"tl.enable_stream_k": False})
    assert not shared(kernel)
    c, other = (call(k, a, b, bias, (1, M, N), torch.float16) for k in (kernel, compiled(source, 5)))
    torch.testing.assert_close(c, other, rtol=1e-3, atol=1e-2)


def test_two_launches_each_have_slots_of_their_own():
    M, N, K = 128, 256, 64 * 20

    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), B: T.Tensor((N, K), "float16"), C: T.Tensor((2, M, N), "float32")):
        for part in range(2):
            with T.Kernel(T.ceildiv(N, 256), T.ceildiv(M, 128), threads=256) as (bx, by):
                As, Bs = T.alloc_shared((128, 64), "float16"), T.alloc_shared((256, 64), "float16")
                Cl = T.alloc_fragment((128, 256), "float32")
                T.clear(Cl)
                for k in T.Pipelined(T.ceildiv(K, 64), num_stages=3):
                    T.copy(A[by * 128, k * 64], As)
                    T.copy(B[bx * 256, k * 64], Bs)
                    T.gemm(As, Bs, Cl, transpose_B=True)
                for i, j in T.Parallel(128, 256):
                    Cl[i, j] *= part + 1
                T.copy(Cl, C[part, by * 128, bx * 256])

    kernel = compiled(main, 6)
    names = [w.name for w in kernel.artifact.plan.workspaces]
    assert shared(kernel) and len(set(names)) == len(names) == 4
    a, b = torch.randn(M, K).half(), torch.randn(N, K).half()
    c = torch.full((2, M, N), float("nan"))
    kernel(a, b, c)
    wanted = a.float() @ b.float().T
    torch.testing.assert_close(c, torch.stack([wanted, 2 * wanted]), rtol=1e-3, atol=1e-2)


def test_the_checker_follows_the_flags(monkeypatch):
    """What one block leaves and another takes is ordered by a flag: no race, nothing read that nobody wrote."""
    monkeypatch.setenv("TILELANG_CHECK", CHECKS)
    M, N, K = 128 * 2 - 8, 256, 64 * 9
    a, b, bias = torch.randn(1, M, K).half(), torch.randn(N, K).half(), torch.zeros(N)
    kernel = compiled(program(M, N, K, 128, 256, 256), 3)
    assert shared(kernel)
    c = call(kernel, a, b, bias, (1, M, N), torch.float16)
    torch.testing.assert_close(c[0].float(), a[0].float() @ b.float().T, rtol=2e-3, atol=1e-1)


@pytest.mark.parametrize(
    "columns, rows, steps, worth",
    [
        (32, 64, 128, True),  # 8192 x 8192 x 8192: 15.5 waves
        (20, 16, 80, True),  # 2048 x 5120 x 5120: 2.4
        (16, 32, 64, False),  # 4096 x 4096 x 4096: 3.9
        (33, 12, 4, False),  # three waves, all full
        (20, 16, 2, False),  # of two steps
    ],
)
def test_the_estimate(columns, rows, steps, worth):
    load = Load(steps, 1024, 128 * 256 * 4, 128 * 128, 256 * 128)
    walk = EvenWalk((columns, rows, 1), 132, 16)
    assert (load.least(walk) < load.clocks(walk)) is worth


EARLY = """template <int N, int Threads, class T>
TL_FUNC void take_early(T* sums, const T* slot, const uint32_t* flags, int thread) {
  for (int i = 0; i < N; i += 4) {
    T part[4];
    tl::load<16>(part, slot + i * Threads + thread * 4);
    for (int j = 0; j < 4; ++j) sums[i + j] += part[j];
  }
}
"""


def test_the_checker_sees_who_does_not_wait(monkeypatch):
    monkeypatch.setenv("TILELANG_CHECK", CHECKS)
    M, N, K = 128 * 2 - 8, 256, 64 * 9
    take, entry = "tl::take_sums<128, 256>(", 'extern "C" __global__'
    monkeypatch.setattr(callback, "_REGISTERED", {})
    callback.register_cuda_postproc(lambda code, _: code.replace(take, "take_early<128, 256>(").replace(entry, EARLY + entry, 1))
    kernel = compiled(program(M, N, K, 128, 256, 256), 3)
    assert "take_early<128, 256>(Cl" in kernel.get_kernel_source()
    with pytest.raises(SimulationError, match="read of unordered write, byte .* of partial_sums"):
        call(kernel, torch.randn(1, M, K).half(), torch.randn(N, K).half(), torch.zeros(N), (1, M, N), torch.float16)
