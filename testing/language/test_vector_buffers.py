"""Tiles and arrays of vector dtypes: an index that leaves out the lanes names all of them."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.reference import random
from tilelang.errors import DTypeError


@pytest.mark.parametrize("target", ["auto", "c"])
def test_arrays_of_vectors(target, device):
    @T.prim_func
    def main(A: T.Tensor((128,), "float32"), B: T.Tensor((128,), "float32"), C: T.Tensor((64, 2), "float32")):
        with T.Kernel(1, threads=32):
            tx = T.get_thread_binding()
            pairs = T.alloc_local((2,), "float32x2")
            tile = T.alloc_shared((64,), T.float32x2)
            for k in T.unroll(2):
                pairs[k] = A[tx * 4 + k * 2 : tx * 4 + k * 2 + 2]
            pairs[0] = pairs[0] * pairs[1] + T.Broadcast(T.float32(1), 2)
            for k in T.unroll(2):
                B[tx * 4 + k * 2 : tx * 4 + k * 2 + 2] = pairs[k]
                tile[tx * 2 + k] = pairs[k]
            T.sync_threads()
            T.copy(tile, C)

    a = random((128,), "float32", device)
    b, c = tilelang.compile(main, out_idx=[1, 2], target="auto" if device == "cuda" else target)(a)
    pairs = a.view(32, 2, 2)
    expected = torch.stack([pairs[:, 0] * pairs[:, 1] + 1, pairs[:, 1]], 1)
    torch.testing.assert_close(b, expected.reshape(-1))
    torch.testing.assert_close(c, expected.reshape(64, 2))


def test_a_vector_of_a_fragment(device):
    @T.prim_func
    def main(A: T.Tensor((64, 2), "float16"), B: T.Tensor((64,), "float16")):
        with T.Kernel(1, threads=32):
            tile = T.alloc_fragment((64,), "float16x2")
            T.copy(A, tile)
            for i in T.Parallel(64):
                tile[i] = tile[i] + tile[i]
            for i in T.Parallel(64):
                B[i] = tile[i, 0] - tile[i, 1]

    a = random((64, 2), "float16", device)
    torch.testing.assert_close(tilelang.compile(main, out_idx=-1)(a), 2 * a[:, 0] - 2 * a[:, 1], rtol=1e-2, atol=1e-2)


def test_a_slice_of_what_it_reads(device):
    """All lanes are read before the first is written."""

    @T.prim_func
    def main(A: T.Tensor((64,), "float32")):
        with T.Kernel(1, threads=32):
            tx = T.get_thread_binding()
            A[tx * 2 : tx * 2 + 2] = T.mul2(A[tx * 2 : tx * 2 + 2], T.Broadcast(A[tx * 2], 2))

    a = random((64,), "float32", device)
    out = a.clone()
    tilelang.compile(main)(out)
    torch.testing.assert_close(out, (a.view(32, 2) * a.view(32, 2)[:, :1]).view(-1))


def test_workspaces_are_of_scalars():
    @T.prim_func
    def main(A: T.Tensor((64,), "float16")):
        pairs = T.alloc_global((32,), "float16x2")
        with T.Kernel(1, threads=32):
            A[0:2] = pairs[0]

    with pytest.raises(DTypeError, match="a workspace of the vector type float16x2"):
        tilelang.compile(main)
