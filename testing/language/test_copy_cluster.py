"""Copies that reach other blocks of a cluster: multicast loads, tiles sent from one block to another."""

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random
from tilelang.errors import SemanticError, UnsupportedError
from tilelang.simulator.check import check_kernel

SM90 = {"kind": "cuda", "arch": "sm_90a"}


def multicast(tiles, mask, policy):
    """Blocks of a cluster of 4 sum tiles: those of the mask the lowest one's, the others their own."""

    @T.prim_func
    def main(A: T.Tensor((8, tiles * 32, 64), "float16"), B: T.Tensor((8, 32, 64), "float32")):
        with T.Kernel(8, threads=128, cluster_dims=4) as bx:
            tile = T.alloc_shared((32, 64), "float16")
            total = T.alloc_fragment((32, 64), "float32")
            T.clear(total)
            for k in T.serial(tiles):
                T.copy_cluster(A[bx, k * 32, 0], tile, cluster_mask=mask, eviction_policy=policy)
                for i, j in T.Parallel(32, 64):
                    total[i, j] += tile[i, j]
            T.copy(total, B[bx, :, :])
            T.cluster_sync()

    return main


@pytest.mark.parametrize("tiles, mask, policy", [(3, 0b1111, None), (2, 0b1010, "evict_last")])
def test_multicast(tiles, mask, policy, device):
    a = random((8, tiles * 32, 64), "float16", device)
    out = run(multicast(tiles, mask, policy), [a], ((8, 32, 64), "float32"), device=device, target=SM90)
    own = a.float().view(8, tiles, 32, 64).sum(1)
    lowest = (mask & -mask).bit_length() - 1
    for block in range(8):
        source = block // 4 * 4 + lowest if mask >> block % 4 & 1 else block
        torch.testing.assert_close(out[block], own[source])


def multicast_by_hand(mask):
    @T.prim_func
    def main(A: T.Tensor((8, 64), "float32"), B: T.Tensor((4, 8, 64), "float32")):
        with T.Kernel(4, threads=64, cluster_dims=2) as bx:
            tile = T.alloc_shared((8, 64), "float32")
            full = T.alloc_cluster_barrier(64)
            T.tma_copy(A, tile, barrier=full, cluster_mask=mask, eviction_policy="evict_first")
            T.barrier_arrive(full)
            T.barrier_wait(full, 0)
            T.copy(tile, B[bx, :, :])
            T.cluster_sync()

    return main


def test_tma_copy_with_a_mask(device):
    a = random((8, 64), "float32", device)
    out = run(multicast_by_hand(0b11), [a], ((4, 8, 64), "float32"), device=device, target=SM90)
    assert torch.equal(out, a.expand(4, 8, 64))


def sent(rows, barrier):
    """Every block hands its tile to the next one of its cluster."""

    @T.prim_func
    def main(A: T.Tensor((4, rows, 32), "float32"), B: T.Tensor((4, rows, 32), "float32")):
        with T.Kernel(4, threads=96, cluster_dims=4) as bx:
            outbox = T.alloc_shared((rows, 32), "float32")
            inbox = T.alloc_shared((rows, 32), "float32")
            ready = T.alloc_cluster_barrier(1)
            T.copy(A[bx, :, :], outbox)
            T.cluster_sync()
            if barrier:
                if T.get_thread_binding() == 0:
                    T.mbarrier_arrive_expect_tx(ready, rows * 128)
                T.copy_cluster(outbox, inbox, dst_block=(T.block_rank_in_cluster() + 1) % 4, remote_barrier=ready)
                T.mbarrier_wait_parity(ready, 0)
            else:
                T.copy_cluster(outbox, inbox, dst_block=(T.block_rank_in_cluster() + 1) % 4)
                T.cluster_sync()
            T.copy(inbox, B[bx, :, :])
            T.cluster_sync()

    return main


@pytest.mark.parametrize("rows, barrier", [(13, False), (16, True)])
def test_shared_memory_to_another_block(rows, barrier, device):
    a = random((4, rows, 32), "float32", device)
    out = run(sent(rows, barrier), [a], ((4, rows, 32), "float32"), device=device, target=SM90)
    assert torch.equal(out, a.roll(1, 0))


def rows_sent(device_rows):
    @T.prim_func
    def main(A: T.Tensor((2, 8, 32), "float16"), B: T.Tensor((2, 8, 32), "float16")):
        with T.Kernel(2, threads=32, cluster_dims=2) as bx:
            tile = T.alloc_shared((8, 32), "float16")
            inbox = T.alloc_shared((8, 32), "float16")
            ready = T.alloc_cluster_barrier(1)
            T.copy(A[bx, :, :], tile)
            T.copy(A[bx, :, :], inbox)
            T.cluster_sync()
            if T.get_thread_binding() == 0:
                T.mbarrier_arrive_expect_tx(ready, device_rows * 16 * 2)
            T.copy_cluster(
                tile[0:device_rows, 8:24], inbox[8 - device_rows : 8, 8:24], dst_block=1 - bx % 2, remote_barrier=ready
            )
            T.mbarrier_wait_parity(ready, 0)
            T.copy(inbox, B[bx, :, :])
            T.cluster_sync()

    return main


def test_part_of_a_tile_goes_row_by_row(device):
    a = random((2, 8, 32), "float16", device)
    out = run(rows_sent(3), [a], ((2, 8, 32), "float16"), device=device, target=SM90)
    expected = a.clone()
    expected[:, 5:8, 8:24] = a.flip(0)[:, 0:3, 8:24]
    assert torch.equal(out, expected)


def misuse(statement, dims=2):
    @T.prim_func
    def main(A: T.Tensor((8, 64), "float32")):
        with T.Kernel(4, threads=64, cluster_dims=dims):
            tile = T.alloc_shared((8, 64), "float32")
            other = T.alloc_shared((8, 64), "float32")
            bar = T.alloc_cluster_barrier(1)
            statement(A, tile, other, bar)

    return main


@pytest.mark.parametrize(
    "statement, words",
    [
        (lambda a, t, o, b: T.copy_cluster(a, t), "cluster_mask=... to load"),
        (lambda a, t, o, b: T.copy_cluster(a, t, cluster_mask=3, dst_block=1), "cluster_mask=... to load"),
        (lambda a, t, o, b: T.copy_cluster(a, t, cluster_mask=8), "bits 0 to 1"),
        (lambda a, t, o, b: T.copy_cluster(a, t, dst_block=1), "both are shared tiles"),
        (lambda a, t, o, b: T.copy_cluster(a, t, cluster_mask=3, remote_barrier=b), "T.tma_copy"),
        (lambda a, t, o, b: T.tma_copy(t, a, cluster_mask=3), "only loads"),
        (lambda a, t, o, b: T.copy_cluster(t, o[:4, :], dst_block=1), "extents"),
    ],
)
def test_misuse(statement, words):
    with pytest.raises(SemanticError) as caught:
        misuse(statement).get()
    assert words in str(caught.value)


def test_without_a_cluster():
    with pytest.raises(SemanticError, match="without clusters"):
        misuse(lambda a, t, o, b: T.copy_cluster(a, t, cluster_mask=1), 1).get()


def test_pieces_that_do_not_lie_together():
    with pytest.raises(UnsupportedError, match="16 bytes"):
        tilelang.compile(
            misuse(lambda a, t, o, b: T.copy_cluster(t[:, 0:3], o[:, 0:3], dst_block=1, remote_barrier=b)), target=SM90
        )


@pytest.mark.parametrize(
    "program, shapes, dtype",
    [
        (multicast(2, 0b0110, None), [(8, 64, 64), (8, 32, 64)], ["float16", "float32"]),
        (multicast_by_hand(0b11), [(8, 64), (4, 8, 64)], ["float32"] * 2),
        (sent(13, False), [(4, 13, 32)] * 2, ["float32"] * 2),
        (sent(16, True), [(4, 16, 32)] * 2, ["float32"] * 2),
        (rows_sent(3), [(2, 8, 32)] * 2, ["float16"] * 2),
    ],
    ids=["multicast", "by hand", "elements", "tile", "rows"],
)
def test_the_checker_finds_nothing(program, shapes, dtype, device):
    if device == "cuda":
        pytest.skip("the checker watches the simulator")
    tensors = [random(s, d, device) for s, d in zip(shapes, dtype)]
    report = check_kernel(tilelang.compile(program, target=SM90), *tensors, schedules=2)
    assert not report.findings, str(report)
