"""Numbers of names that few programs use: TVM's aliases, proxies of scopes, schedulers, registers and named barriers by hand."""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random

SM90 = {"kind": "cuda", "arch": "sm_90a"}


@T.macro
def doubled(tile: T.SharedBuffer((64,), "float32"), acc: T.FragmentBuffer((64,), "float32"), one: T.LocalBuffer((1,), "float32")):
    for i in T.Parallel(64):
        acc[i] = tile[i] * one[0]


@T.prim_func
def proxies(A: T.Tensor((64,), "float32"), B: T.Tensor((64,), "float32")):
    with T.Kernel(1, threads=64):
        tile = T.alloc_shared((64,), "float32")
        acc = T.alloc_fragment((64,), "float32")
        one = T.alloc_local((1,), "float32")
        one[0] = 2
        T.copy(A, tile)
        doubled(tile, acc, one)
        T.copy(acc, B)


def test_proxies_of_scopes(device):
    a = random((64,), "float32", device)
    assert torch.equal(run(proxies, [a], ((64,), "float32"), device=device), a * 2)


@T.prim_func
def buffers(A: T.Tensor((128,), "float32"), B: T.Tensor((128,), "float32")):
    T.func_name("renamed")
    with T.Kernel(1, threads=128):
        tx = T.get_thread_binding()
        a = T.allocate((128,), "float32", "shared")
        b = T.sblock_alloc_buffer((128,), "float32", scope="shared")
        with T.sblock(T.StringImm("move")):
            a[tx] = A[tx]
            T.sync_threads()
            b[tx] = a[127 - tx]
            T.sync_threads()
        view = T.buffer_decl((64, 2), "float32", data=b.data, scope="shared")
        B[tx] = view[tx // 2, tx % 2]


def test_buffers_under_other_names(device):
    a = random((128,), "float32", device)
    kernel = tilelang.compile(buffers)
    assert "renamed" in kernel.get_kernel_source()
    assert torch.equal(run(kernel, [a], ((128,), "float32"), device=device), a.flip(0))


LANES = tuple(range(8))


@T.prim_func
def bits(A: T.Tensor((256,), "int32"), O: T.Tensor((2,), "int32"), R: T.Tensor((4, 8), "int32"), S: T.Tensor((4,), "float32")):
    with T.Kernel(1, threads=256):
        tx = T.get_thread_binding()
        T.atomic_and(O[0], A[tx])
        T.atomic_xor(O[1], A[tx])
        lanes = T.ramp(T.int32(3), 2, 8)
        if tx < 4:
            for lane in LANES:
                R[tx, lane] = T.extract_lane(lanes, lane) + tx
        rows = T.alloc_fragment((4, 64), "float32")
        total = T.alloc_fragment((4,), "float32")
        for i, j in T.Parallel(4, 64):
            rows[i, j] = T.cast(A[i * 64 + j] % 97, "float32")
        T.reduce(rows, total, "max", 1, True)
        T.copy(total, S)


def test_atomic_bits_ramps_and_reductions_by_name(device):
    a = torch.randint(0, 2**31 - 1, (256,), dtype=torch.int32, device=device)
    o = torch.tensor([-1, 0], dtype=torch.int32, device=device)
    r = torch.zeros((4, 8), dtype=torch.int32, device=device)
    s = torch.zeros(4, device=device)
    tilelang.compile(bits)(a, o, r, s)
    both, odd = -1, 0
    for value in a.tolist():
        both, odd = both & value, odd ^ value
    assert o.tolist() == [both, odd]
    assert torch.equal(r.cpu(), (torch.arange(8) * 2 + 3)[None, :] + torch.arange(4)[:, None])
    assert torch.equal(s, (a % 97).view(4, 64).amax(1).float())


class Snake(T.BaseTileScheduler):
    """Rows left to right and back."""

    def place(self):
        row, column = self.linear_idx // 4, self.linear_idx % 4
        return row, T.if_then_else(row % 2 == 0, column, 3 - column)


@T.prim_func
def walk(O: T.Tensor((3, 4), "int32")):
    with T.Kernel(5, threads=32) as block:
        tiles = Snake(block, 5, 12)
        while tiles.valid():
            if T.get_thread_binding() == 0:
                O[tiles.m_idx, tiles.n_idx] = tiles.linear_idx + 100 * tiles.current_iter
            tiles.next_tile()


def test_a_scheduler_of_ones_own(device):
    out = run(walk, [], ((3, 4), "int32"), device=device).cpu()
    order = torch.arange(12).view(3, 4)
    order[1] = order[1].flip(0)
    assert torch.equal(out, (order + 100 * (order // 5)).int())


@T.prim_func
def handed_over(A: T.Tensor((128,), "float32"), B: T.Tensor((128,), "float32")):
    with T.Kernel(1, threads=256):
        tile = T.alloc_shared((128,), "float32")
        tx = T.get_thread_binding()
        with T.WarpSpecializeFrame(0):
            T.set_max_nreg(40, 0)
            tile[tx] = A[tx] + 1
            T.named_barrier_arrive(1, 256)
        with T.ws(1):
            T.set_max_nreg(232, 1)
            T.sync_threads(1, 256)
            B[tx - 128] = tile[255 - tx]


def test_named_barriers_and_registers(device):
    a = random((128,), "float32", device)
    out = run(handed_over, [a], ((128,), "float32"), device=device, target=SM90)
    assert torch.equal(out, (a + 1).flip(0))


@T.prim_func
def across_blocks(A: T.Tensor((2, 32), "float32"), B: T.Tensor((2, 32), "float32")):
    with T.Kernel(2, threads=32, cluster_dims=2) as block:
        done = T.alloc_cluster_barrier([64])
        tx = T.get_thread_binding()
        A_s = T.alloc_shared((32,), "float32")
        A_s[tx] = A[block, tx]
        T.ptx_arrive_cluster_barrier(done[0], 0)
        T.ptx_arrive_cluster_barrier(done[0], 1)
        T.barrier_wait(done[0], 0)
        B[block, tx] = A_s[31 - tx]
        T.cluster_sync()


def test_barriers_of_other_blocks(device):
    a = random((2, 32), "float32", device)
    out = run(across_blocks, [a], ((2, 32), "float32"), device=device, target=SM90)
    assert torch.equal(out, a.flip(1))


@T.prim_func
def fenced(A: T.Tensor((64, 64), "float16"), C: T.Tensor((64, 64), "float32")):
    with T.Kernel(1, threads=128):
        a = T.alloc_shared((64, 64), "float16")
        acc = T.alloc_fragment((64, 64), "float32")
        T.copy(A, a)
        T.clear(acc)
        T.warpgroup_fence_operand(acc)
        T.wgmma_gemm(a, a, acc)
        T.wait_wgmma(0)
        T.warpgroup_fence_operand(acc)
        T.copy(acc, C)


def test_fences_of_operands(device):
    a = random((64, 64), "float16", device)
    out = run(fenced, [a], ((64, 64), "float32"), device=device, target=SM90)
    torch.testing.assert_close(out.double(), a.double() @ a.double(), rtol=1e-3, atol=1e-2)


n = T.SizeVar("n", "int32")


@T.prim_func
def pointers(A: T.Tensor((n,), "float32"), B: T.Tensor((n,), "float32")):
    with T.Kernel(T.ceildiv(n, 32), threads=32) as block:
        i = block * 32 + T.get_thread_binding()
        if i < n:
            T.buffer_store(B, A[i] * 3, [i])


def test_sizes_as_variables(device):
    a = random((77,), "float32", device)
    assert torch.equal(run(pointers, [a], ((77,), "float32"), device=device), a * 3)


@T.prim_func
def by_pointer(A: T.Tensor((128, 4), "float32"), B: T.Tensor((128,), "float32")):
    with T.Kernel(1, threads=128):
        tile = T.alloc_shared((128, 4), "float32")
        tx = T.get_thread_binding()
        T.ptx_cp_async(T.tvm_access_ptr(T.type_annotation("float32"), tile.data, tx * 4, 4, 2), T.access_ptr(A[tx, 0], "r"), 4)
        T.ptx_commit_group()
        T.ptx_wait_group(0)
        B[tx] = tile[tx, 3]


def test_typed_pointers(device):
    a = random((128, 4), "float32", device)
    assert torch.equal(run(by_pointer, [a], ((128,), "float32"), device=device), a[:, 3])


def test_where_accumulators_lie():
    """PTX ISA, "Matrix fragments for mma.m16n8k16": c0 and c1 side by side, c2 and c3 eight rows below."""
    places = {(lane, e): T.mma_store_index_map(lane, e) for lane in range(32) for e in range(8)}
    assert set(places.values()) == {(i, j) for i in range(16) for j in range(16)}
    assert [places[5, e] for e in range(8)] == [(1 + 8 * (e % 4 // 2), 2 + 8 * (e // 4) + e % 2) for e in range(8)]
    plain, ladder = T.TensorCoreIntrinEmitter, T.TensorCoreIntrinEmitterWithLadderTransform
    maps = [
        kind("float16", "float16", "float32", warp_row_tiles=16, warp_col_tiles=16).get_store_index_map()
        for kind in (plain, ladder)
    ]
    assert all(m(lane, e) == places[lane, e] for m in maps for lane in range(32) for e in range(8))


@T.prim_func
def by_hand(A: T.Tensor((128,), "float32"), B: T.Tensor((128,), "float32")):
    bx = T.env_thread("blockIdx.x")
    tx = T.env_thread("threadIdx.x")
    with T.launch_thread(bx, 2) as block, T.launch_thread(tx, 64) as thread:
        i = block * T.get_thread_extent(0) + thread
        B[i] = T.Select(i < 100, T.fma(A[i], A[i], 0.5), -1.0)


def test_axes_by_hand_and_one_rounding(device):
    a = random((128,), "float32", device)
    out = run(by_hand, [a], ((128,), "float32"), device=device)
    exact = a.double() * a.double() + 0.5  # 48 bits: exact in double, so that this rounds once
    exact[100:] = -1
    assert torch.equal(out, exact.float())
