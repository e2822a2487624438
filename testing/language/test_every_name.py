"""Names that other tests do not run: their numbers, a kernel for each family."""

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random
from tilelang.errors import DTypeError, SemanticError, ShapeError

SM90 = {"kind": "cuda", "arch": "sm_90a"}
FAST = {"__exp": torch.exp, "__exp10": lambda x: 10**x, "__log": torch.log, "__log2": torch.log2, "__log10": torch.log10,
        "__sin": torch.sin, "__cos": torch.cos, "__tan": torch.tan}  # fmt: skip


@T.prim_func
def launch(O: T.Tensor((8, 3, 2, 32, 2), "int32")):
    with T.Kernel(2, 3, threads=(32, 2)) as (bx, by):
        tx, ty, tz = T.get_thread_bindings()
        x, y, z = T.get_thread_extents()
        blocks = T.get_block_bindings()
        across, down, deep = T.get_block_extents()
        i, j = blocks[0], blocks[1]
        O[0, by, bx, tx, ty] = tx + 100 * ty + 1000 * tz
        O[1, by, bx, tx, ty] = x + 100 * y + 1000 * z
        O[2, by, bx, tx, ty] = i + 100 * j
        O[3, by, bx, tx, ty] = across + 10 * down + 100 * deep + 1000 * T.get_block_extent(1) + 10000 * T.cdiv(5, 2)
        O[4, by, bx, tx, ty] = T.bitwise_and(tx, 12) + 100 * T.bitwise_or(tx, 1)
        O[5, by, bx, tx, ty] = T.bitwise_not(tx)
        total = T.alloc_var("int32", init=0)
        for k in T.Serial(3):
            for q in T.Unroll(2):
                total += k * q
        for k in T.serial(9):
            if k < 2:
                T.continue_loop()
            if k > 4:
                T.break_loop()
            total += 100 * k
        O[6, by, bx, tx, ty] = total
        O[7, by, bx, tx, ty] = T.get_block_binding(0) + T.get_thread_binding(1) * 10


def test_launches_and_loops(device):
    out = run(launch, [], ((8, 3, 2, 32, 2), "int32"), device=device).cpu()
    by, bx, tx, ty = torch.meshgrid(*(torch.arange(n) for n in (3, 2, 32, 2)), indexing="ij")
    ones = torch.ones_like(tx)
    expected = [
        tx + 100 * ty, ones * (32 + 200 + 1000), bx + 100 * by, ones * (2 + 30 + 100 + 3000 + 30000), (tx & 12) + 100 * (tx | 1),
        ~tx, ones * (3 + 900), bx + 10 * ty,
    ]  # fmt: skip
    assert torch.equal(out, torch.stack(expected).to(torch.int32))


n = T.symbolic("n")


@T.prim_func
def elementwise(A: T.Tensor((n,), "float32"), F: T.Tensor((8, n), "float32"), O: T.Tensor((4, n), "float32")):
    with T.Kernel(T.ceildiv(n, 64), threads=64) as bx:
        T.import_source("template <class V> __device__ inline V cubed(V x) { return x * x * x; }")
        i = bx * 64 + T.get_thread_binding()
        if i < n:
            for k, name in enumerate(FAST):
                F[k, i] = getattr(T, name)(A[i])
            O[0, i] = T.fabs(A[i] - 1)
            O[1, i] = T.fmul(A[i], 3.0)
            O[2, i] = T.call_pure_extern("float32", "cubed", A[i])
            O[3, i] = T.tvm_warp_shuffle(0xFFFFFFFF, A[i], 5, 32, 32)


def test_fast_math_and_calls(device):
    a = random((128,), "float32", device, 0.1, 1.4)
    fast, out = run(elementwise, [a], ((8, 128), "float32"), ((4, 128), "float32"), device=device)
    exact = torch.stack([f(a.double()) for f in FAST.values()])
    torch.testing.assert_close(fast.double(), exact, rtol=2e-5, atol=2e-6)
    lanes = a.view(4, 32)[:, 5:6].expand(4, 32).reshape(-1)
    torch.testing.assert_close(out, torch.stack([(a - 1).abs(), a * 3, a**3, lanes]))


LANES = [tuple(range(4 << k)) for k in range(5)]


@T.prim_func
def vectors(
    A: T.Tensor((256,), "bfloat16"), O: T.Tensor((5, 64), "float32"), S: T.Tensor((32,), "float32"), M: T.Tensor((32,), "uint32")
):
    with T.Kernel(1, threads=32):
        t = T.get_thread_binding()
        wide = T.alloc_local((64,), "bfloat16")
        for v in T.Vectorized(8):
            wide[v] = A[t * 8 + v]
        for k, name in enumerate(("bfloat16x4", "bfloat16x8", "bfloat16x16", "bfloat16x32", "bfloat16x64")):
            assert getattr(T, name).lanes == 4 << k
            values = T.broadcast(A[k], 4 << k)
            if t == 0:
                for lane in LANES[k]:
                    O[k, lane] = T.cast(T.extract_lane(values, lane), "float32") + lane
        S[t] = T.tvm_warp_shuffle_up(0xFFFFFFFF, T.cast(wide[3], "float32"), 1, 32, 32)
        M[t] = T.tvm_warp_activemask()


def test_vectors(device):
    a = random((256,), "bfloat16", device)
    o, s, m = run(vectors, [a], ((5, 64), "float32"), ((32,), "float32"), ((32,), "uint32"), device=device)
    for k in range(5):
        assert torch.equal(o[k, : 4 << k].cpu(), a[k].float().cpu() + torch.arange(4 << k))
    own = a.view(32, 8)[:, 3].float()
    assert torch.equal(s, torch.cat([own[:1], own[:-1]])) and (m.cpu().view(torch.int32) == -1).all()


@T.prim_func
def cluster(O: T.Tensor((4, 4, 3), "int32")):
    with T.Kernel(4, 4, cluster_dims=(2, 2, 1), threads=32) as (bx, by):
        cx, cy, cz = T.get_cluster_ids()
        dims = T.get_cluster_dims()
        counts = T.get_cluster_extents()
        T.cluster_arrive_relaxed()
        T.cluster_wait()
        T.cluster_arrive()
        if T.get_thread_binding() == 0:
            O[by, bx, 0] = cx + 10 * cy + 100 * cz
            O[by, bx, 1] = dims[0] + 10 * dims[1] + 100 * dims[2]
            O[by, bx, 2] = counts[0] + 10 * counts[1] + 100 * counts[2]
        T.cluster_wait()


def test_clusters(device):
    out = run(cluster, [], ((4, 4, 3), "int32"), device=device, target=SM90).cpu()
    y, x = torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")
    expected = torch.stack([x // 2 + 10 * (y // 2), torch.full((4, 4), 122), torch.full((4, 4), 122)], -1)
    assert torch.equal(out, expected.to(torch.int32))


@T.prim_func
def barriers(A: T.Tensor((128, 64), "float32"), B: T.Tensor((128, 64), "float32"), C: T.Tensor((128,), "float32")):
    with T.Kernel(1, threads=256):
        T.no_set_max_nreg()
        tile = T.alloc_shared((128, 64), "float32")
        row = T.alloc_shared((128,), "float32")
        full, copied, ready = T.alloc_barrier(1), T.alloc_barrier(128), T.alloc_barrier([1])
        t = T.get_thread_binding()
        with T.WarpSpecialize(0):
            if t == 0:
                T.mbarrier_expect_tx(ready, 0)
                T.ptx_arrive_barrier_expect_tx(ready[0], 0)
            T.ptx_wait_barrier(ready, 0)
            T.tma_copy(A, tile, barrier=full)
            if t == 0:
                T.ptx_arrive_barrier(full)
            T.ptx_cp_async(T.access_ptr(row[t], "w"), T.access_ptr(A[t, 0], "r"), 1)
            T.cp_async_barrier_noinc(copied)
            T.barrier_wait(copied, 0)
        with T.ws(1):
            T.barrier_wait(full, 0)
            T.barrier_wait(copied, 0)
            C[t - 128] = row[255 - t]
            T.tma_copy(tile, B)
            T.tma_store_arrive()
            T.tma_store_wait(0, read=False)


def test_barriers(device):
    a = random((128, 64), "float32", device)
    b, c = run(barriers, [a], ((128, 64), "float32"), ((128,), "float32"), device=device, target=SM90)
    assert torch.equal(b, a) and torch.equal(c, a[:, 0].flip(0))


@T.prim_func
def products(A: T.Tensor((64, 64), "float16"), B: T.Tensor((64, 64), "float16"), C: T.Tensor((64, 64), "float32")):
    with T.Kernel(1, threads=128):
        T.disable_warp_group_reg_alloc()
        a = T.alloc_shared((64, 64), "float16")
        b = T.alloc_shared((64, 64), "float16")
        acc = T.alloc_fragment((64, 64), "float32")
        T.annotate_layout({a: T.make_mma_swizzle_layout(a)})
        T.copy(A, a)
        T.copy(B, b)
        T.clear(acc)
        T.warpgroup_arrive()
        T.wgmma_gemm(a, b, acc)
        T.warpgroup_commit_batch()
        T.warpgroup_wait(0)
        T.copy(acc, C)


def test_wgmma_by_hand(device):
    a, b = random((64, 64), "float16", device), random((64, 64), "float16", device)
    out = run(products, [a, b], ((64, 64), "float32"), device=device, target=SM90)
    torch.testing.assert_close(out, a.float() @ b.float(), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "statement, error",
    [
        (lambda A: T.get_thread_binding(3), ShapeError),
        (lambda A: T.get_block_extent(5), ShapeError),
        (lambda A: T.get_cluster_id(4), ShapeError),
        (lambda A: T.tma_store_wait(-1), SemanticError),
        (lambda A: T.set_max_nreg(23, 1), SemanticError),
        (lambda A: T.WarpSpecialize(9), SemanticError),
        (lambda A: T.barrier_wait(A, 0), DTypeError),
        (lambda A: T.warpgroup_wait(9), SemanticError),
        (lambda A: T.extract_lane(T.broadcast(A[0], 4), 4), (ShapeError, SemanticError, DTypeError)),
    ],
)
def test_misuse(statement, error):
    @T.prim_func
    def main(A: T.Tensor((8,), "float32")):
        with T.Kernel(1, threads=128):
            statement(A)

    with pytest.raises(error):
        tilelang.compile(main, target=SM90)
