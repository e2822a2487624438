"""Warps and blocks: shuffles, votes, elections, reductions over thread indices, asynchronous copies by hand."""

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random
from tilelang.errors import DTypeError, FrontendError, SemanticError, UnsupportedError

N = 128


@T.prim_func
def shuffles(
    A: T.Tensor((N,), "float32"), K: T.Tensor((N,), "int32"), O: T.Tensor((8, N), "float32"), M: T.Tensor((6, N), "uint32")
):
    with T.Kernel(1, threads=N):
        t = T.get_thread_binding()
        a = A[t]
        O[0, t] = T.shfl_sync(a, 5)
        O[1, t] = T.shfl_up(a, 3, width=8)
        O[2, t] = T.shfl_down(a, 2, width=16)
        O[3, t] = T.shfl_xor(a, 9, width=8)
        O[4, t] = T.shfl_sync(a, 3, 4)
        O[5, t] = T.tvm_warp_shuffle_down(0xFFFFFFFF, a, 1, 32, 32)
        O[6, t] = T.cast(
            T.get_warp_group_idx() + T.get_warp_group_idx(16, 2) * 10 + T.get_warp_idx_sync() * 100 + T.get_lane_idx() * 1000,
            "float32",
        )
        O[7, t] = T.cast(
            T.syncthreads_count(a > 0)
            + T.cast(T.syncthreads_and(a > -100), "int32") * 1000
            + T.cast(T.syncthreads_or(a > 100), "int32") * 5000,
            "float32",
        )
        M[0, t] = T.ballot_sync(a > 0)
        M[1, t] = T.match_any_sync(K[t])
        M[2, t] = T.match_all_sync(K[t // 64 * 64])
        M[3, t] = T.activemask()
        M[4, t] = T.cast(T.any_sync(K[t] == 3), "uint32") * 2 + T.cast(T.all_sync(K[t] < 4), "uint32")
        M[5, t] = T.cast(T.shuffle_elect(64), "uint32")


def test_shuffles_and_votes(device):
    a, k = random(N, "float32", device), random(N, "int32", device, 0, 4)
    o, m = run(shuffles, [a, k], ((8, N), "float32"), ((6, N), "uint32"), device=device)
    a, k, t = a.cpu(), k.cpu(), torch.arange(N)
    lane, base = t % 32, t // 32 * 32

    def from_lane(source):
        return a[base + source]

    up = torch.where(lane - 3 < lane // 8 * 8, lane, lane - 3)
    down = torch.where(lane + 2 > lane // 16 * 16 + 15, lane, lane + 2)
    xor = torch.where((lane ^ 9) > lane // 8 * 8 + 7, lane, lane ^ 9)
    last = torch.where(lane == 31, lane, lane + 1)
    rows = [
        from_lane(torch.full_like(t, 5)),
        from_lane(up),
        from_lane(down),
        from_lane(xor),
        from_lane(lane // 4 * 4 + 3),
        from_lane(last),
    ]
    rows.append((t // 128 + t // 32 * 10 + t // 32 * 100 + t % 32 * 1000).float())
    rows.append(torch.full((N,), float((a > 0).sum() + 1000)))
    assert torch.equal(o.cpu(), torch.stack(rows))
    bits = 1 << torch.arange(32)
    ballot = ((a > 0).view(4, 32) * bits).sum(1).repeat_interleave(32)
    same = ((k.view(4, 32, 1) == k.view(4, 1, 32)) * bits).sum(2).view(-1)
    votes = (k == 3).view(4, 32).any(1).repeat_interleave(32) * 2 + 1
    m = m.cpu().view(torch.int32).long() & 0xFFFFFFFF
    assert torch.equal(m[0], ballot) and torch.equal(m[1], same) and torch.equal(m[4], votes)
    assert (m[2] == 0xFFFFFFFF).all() and (m[3] == 0xFFFFFFFF).all()
    elected = m[5].view(2, 64)
    assert (elected.sum(1) == 1).all() and (elected[:, 32:] == 0).all()


def allreduce(threads, axis, kind):
    x, y = threads

    @T.prim_func
    def main(A: T.Tensor((y, x), "float32"), O: T.Tensor((y, x), "float32")):
        with T.Kernel(1, threads=(x, y)):
            tx, ty = T.get_thread_binding(0), T.get_thread_binding(1)
            own = T.alloc_local((1,), "float32")
            total = T.alloc_local((1,), "float32")
            own[0] = A[ty, tx]
            combine = (lambda p, q: p + q) if kind == "sum" else (lambda p, q: T.max(p, q))
            identity = T.float32(0) if kind == "sum" else T.min_value("float32")
            with T.attr(T.comm_reducer(combine, [identity]), "reduce_scope", T.reinterpret(T.uint64(0), dtype="handle")):
                T.evaluate(T.tvm_thread_allreduce(T.uint32(1), own[0], True, total[0], (tx, ty)[axis], dtype="handle"))
            O[ty, tx] = total[0]

    return main


@pytest.mark.parametrize("threads, axis, kind", [((32, 4), 0, "sum"), ((8, 12), 1, "max"), ((48, 2), 0, "sum")])
def test_tvm_thread_allreduce(threads, axis, kind, device):
    x, y = threads
    a = random((y, x), "float32", device)
    out = run(allreduce(threads, axis, kind), [a], ((y, x), "float32"), device=device)
    d, dim = a.double(), 1 - axis
    want = d.sum(dim, keepdim=True) if kind == "sum" else d.amax(dim, keepdim=True)
    assert_close(out, want.expand(y, x), terms=threads[axis], scale=d.abs().sum(dim, keepdim=True).expand(y, x))


@T.prim_func
def truth(A: T.Tensor((3, 40), "float32"), O: T.Tensor((6,), "int32")):
    with T.Kernel(1, threads=32):
        x = T.alloc_shared((40,), "float32")
        f = T.alloc_fragment((40,), "float32")
        T.copy(A[1, :], x)
        T.copy(A[2, :], f)
        if T.any_of(A[0, :]):
            O[0] = 1
        else:
            O[0] = 0
        O[1] = T.any_of(x)
        O[2] = T.all_of(f)
        O[3] = T.all_of(x[3:7])
        O[4] = T.any_of(A[0:2, 5:9])
        O[5] = T.all_of(A)


def test_any_of_all_of(device):
    a = random((3, 40), "float32", device)
    a[0], a[1, 2] = 0, 0
    out = run(truth, [a], ((6,), "int32"), device=device)
    assert out.tolist() == [0, 1, 1, 1, 1, 0]


@T.prim_func
def by_hand(A: T.Tensor((64, 64), "float16"), B: T.Tensor((64, 64), "float16"), O: T.Tensor((64, 64), "float16")):
    with T.Kernel(2, threads=64) as bx:
        x = T.alloc_shared((32, 64), "float16")
        y = T.alloc_shared((32, 64), "float16")
        t = T.get_thread_binding()
        T.async_copy(A[bx * 32, 0], x)
        for i in T.serial(4):
            T.ptx_cp_async(
                T.access_ptr(y[i * 8 + t // 8, t % 8 * 8], "w", 8),
                T.access_ptr(B[bx * 32 + i * 8 + t // 8, t % 8 * 8], "r", 8),
                8,
                i < 3,
            )
        T.ptx_commit_group()
        T.ptx_wait_group(0)
        T.tvm_storage_sync("shared")
        for i, j in T.Parallel(32, 64):
            O[bx * 32 + i, j] = x[i, j] + y[i, j]


def test_asynchronous_copies_by_hand(device):
    a, b = random((64, 64), "float16", device), random((64, 64), "float16", device)
    out = run(by_hand, [a, b], ((64, 64), "float16"), device=device)
    b = b.clone()
    b[24:32], b[56:] = 0, 0
    assert torch.equal(out, a + b)


@pytest.mark.parametrize(
    "statement, kind, part",
    [
        (lambda x, G: T.shuffle_elect(40), SemanticError, "multiple of 32"),
        (lambda x, G: T.match_any_sync(T.cast(1, "int8")), DTypeError, "32- or 64-bit"),
        (lambda x, G: T.named_barrier_arrive(16, 64), SemanticError, "barrier 16"),
        (lambda x, G: T.named_barrier_arrive(1, 40), SemanticError, "multiple of 32"),
        (lambda x, G: T.tvm_storage_sync("global"), SemanticError, "'global'"),
        (lambda x, G: T.any_of(x[0]), DTypeError, "T.any_of takes a buffer or a region"),
        (
            lambda x, G: T.tvm_thread_allreduce(1, x[0], True, x[0], T.get_thread_binding()),
            FrontendError,
            "outside a reduce_scope",
        ),
        (lambda x, G: T.attr(None, "reduce_scope", 0), DTypeError, "T.comm_reducer"),
        (lambda x, G: T.attr(None, "unroll", 0), SemanticError, "'unroll'"),
        (lambda x, G: T.attr(None, "thread_extent", 0), DTypeError, "the axis of a thread_extent is None"),
        (lambda x, G: T.async_copy(x, G), SemanticError, "from shared.dyn"),
        (lambda x, G: T.ptx_cp_async(G, x, 4), DTypeError, "T.access_ptr"),
        (lambda x, G: T.ptx_cp_async(T.address_of(x[0]), T.address_of(G[0]), 3), SemanticError, "4, 8 or 16 bytes"),
        (lambda x, G: T.ptx_wait_group(G[0]), UnsupportedError, "part of the instruction"),
        (lambda x, G: T.ptx_wait_group(-1), SemanticError, "0 or more"),
    ],
)
def test_refusals(statement, kind, part):
    @T.prim_func
    def main(G: T.Tensor((8,), "float32")):
        with T.Kernel(1):
            x = T.alloc_shared((8,), "float32")
            statement(x, G)

    with pytest.raises(kind) as caught:
        main.get()
    assert part in str(caught.value)


@T.prim_func
def reductions(
    A: T.Tensor((N,), "int32"), F: T.Tensor((N,), "float32"), O: T.Tensor((10, N), "int32"), R: T.Tensor((4, N), "float32")
):
    with T.Kernel(1, threads=N):
        t = T.get_thread_binding()
        a = A[t]
        O[0, t] = T.warp_reduce_max(a)
        O[1, t] = T.warp_reduce_min(a)
        O[2, t] = T.warp_reduce_bitand(a)
        O[3, t] = T.warp_reduce_bitor(a)
        O[4, t] = T.reinterpret(T.ballot(a > 0), "int32")
        O[5, t] = T.shift_left(a, 2) + T.shift_right(a, 3)
        O[6, t] = T.bitwise_xor(a, 5)
        O[7, t] = T.align_up(t, 24) + T.get_block_binding()
        O[8, t] = T.get_warp_idx() * 32 + T.get_lane_idx()
        O[9, t] = T.Cast("int32", F[t])
        R[0, t] = T.warp_reduce_sum(F[t])
        R[1, t] = T.nearbyint(F[t] * 4.0)
        R[2, t] = T.fast_rcp(T.__exp(F[t]))
        R[3, t] = T.ieee_frsqrt(T.abs(F[t]) + 1.0)


def test_reductions_and_small_names(device):
    a, f = random(N, "int32", device), random(N, "float32", device)
    o, r = run(reductions, [a, f], ((10, N), "int32"), ((4, N), "float32"), device=device)
    x, t, d = a.cpu().view(4, 32), torch.arange(N), f.cpu().double()
    both, either = x[:, 0].clone(), x[:, 0].clone()
    for k in range(1, 32):
        both, either = both & x[:, k], either | x[:, k]
    signs = ((x > 0) * (1 << torch.arange(32))).sum(1)
    signs = torch.where(signs >= 2**31, signs - 2**32, signs).int()
    warps = torch.stack([x.amax(1), x.amin(1), both, either, signs]).repeat_interleave(32, 1)
    flat = a.cpu()
    rest = [(flat << 2) + (flat >> 3), flat ^ 5, ((t + 23) // 24 * 24).int(), t.int(), d.trunc().int()]
    assert torch.equal(o.cpu(), torch.cat([warps, torch.stack(rest)]))
    sums = d.view(4, 32).sum(1).repeat_interleave(32)
    assert_close(r[0], sums, terms=32, scale=torch.full((N,), 40.0))
    assert torch.equal(r[1].cpu(), (f.cpu() * 4).round())
    assert_close(r[2:], torch.stack([(-d).exp(), (d.abs() + 1).rsqrt()]), ulps=16)
