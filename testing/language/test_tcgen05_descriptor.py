"""Descriptors for tcgen05.mma made by hand: their bits (PTX ISA, "Shared memory descriptor")."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.tileop.test_tcgen05 import compiled
from tilelang.errors import DTypeError, SemanticError, UnsupportedError


def bits(mode):
    @T.prim_func
    def main(A: T.Tensor((2,), "int64")):
        with T.Kernel(1, threads=32):
            tile = T.alloc_shared((128, 64), "float16")
            desc, other = T.alloc_tcgen05_smem_desc(), T.alloc_tcgen05_smem_desc()
            T.initialize_tcgen05_descriptor(desc, T.address_of(tile[0, 0]), 1, 64, swizzle_mode=mode)
            T.initialize_tcgen05_descriptor(other, T.address_of(tile[64, 0]), 256, 32, swizzle_mode=mode)
            if T.get_thread_binding() == 0:
                A[0] = T.cast(desc[0], "int64")
                A[1] = T.cast(other[0], "int64")

    return main


@pytest.mark.parametrize("mode", [0, 2, 4, 6])
def test_bits(mode):
    a = torch.zeros(2, dtype=torch.int64)
    compiled(bits(mode))(a)
    first, second = (x % 2**64 for x in a.tolist())
    for word, leading, stride in ((first, 1, 64), (second, 256, 32)):
        assert word >> 16 & 0x3FFF == leading and word >> 32 & 0x3FFF == stride and word >> 61 == mode
        assert word >> 46 & 7 == 1 and not word >> 49 & 0xFFF  # the constant 0b001; base offset, mode of the leading offset
    assert (second & 0x3FFF) - (first & 0x3FFF) == 64 * 64 * 2 // 16


def test_misuse():
    with pytest.raises(UnsupportedError, match="the target is sm_90a"):
        compiled(bits(2), "sm_90a")
    for error, arguments, words in (
        (SemanticError, {"swizzle_mode": 3}, "swizzle_mode=3"),
        (UnsupportedError, {"base_offset": 1}, "base_offset"),
    ):
        with pytest.raises(error, match=words):

            @T.prim_func
            def main(A: T.Tensor((2,), "int64")):
                with T.Kernel(1, threads=32):
                    tile, desc = T.alloc_shared((128, 64), "float16"), T.alloc_tcgen05_smem_desc()
                    T.initialize_tcgen05_descriptor(desc, T.address_of(tile[0, 0]), 1, 64, **arguments)

            compiled(main)
    with pytest.raises(DTypeError, match="uint64"):

        @T.prim_func
        def narrow(A: T.Tensor((2,), "int64")):
            with T.Kernel(1, threads=32):
                T.alloc_tcgen05_smem_desc("uint32")

        compiled(narrow)
