"""T.ptx_wgmma_rs by hand: A in registers, B stepped along k by its descriptor."""

from __future__ import annotations

import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random
from tilelang.layout import make_wgmma_swizzled_layout

SM90 = {"kind": "cuda", "arch": "sm_90a"}


@T.prim_func
def steps(A: T.Tensor((64, 32), "float16"), B: T.Tensor((32, 32), "float16"), C: T.Tensor((64, 32), "float32")):
    """Two instructions along k. PTX ISA, "wgmma.mma_async": rows of A are a lane's group and eight below it."""
    with T.Kernel(1, threads=128):
        tx = T.get_thread_binding()
        B_s = T.alloc_shared((32, 32), "float16")
        T.annotate_layout({B_s: make_wgmma_swizzled_layout(B_s)})
        a, c = T.alloc_local((16,), "float16"), T.alloc_local((16,), "float32")
        desc = T.alloc_wgmma_desc()
        T.copy(B, B_s)
        T.initialize_wgmma_descriptor(desc, T.address_of(B_s[0, 0]), 2, 1, 32)
        for i in T.serial(16):
            row, column = tx // 32 * 16 + tx % 32 // 4 + i // 2 % 2 * 8, i // 8 * 16 + i // 4 % 2 * 8 + tx % 4 * 2 + i % 2
            a[i] = A[row, column]
        T.warpgroup_arrive()
        T.ptx_wgmma_rs("float32", "m64n32k16", True, "fp16", "fp16", "fp32", a.data, 0, desc.data, 0, c.data, 0, False, 1, 1)
        T.increase_descriptor_offset(desc, 32)
        T.ptx_wgmma_rs("float32", "m64n32k16", True, "fp16", "fp16", "fp32", a.data, 8, desc.data, 0, c.data, 0, True, 1, 1)
        T.warpgroup_commit_batch()
        T.warpgroup_wait(0)
        for i in T.serial(16):
            C[tx // 32 * 16 + tx % 32 // 4 + i // 2 % 2 * 8, i // 4 * 8 + tx % 4 * 2 + i % 2] = c[i]


def test_two_steps(device):
    a, b = random((64, 32), "float16", device), random((32, 32), "float16", device)
    out = run(steps, [a, b], ((64, 32), "float32"), device=device, target=SM90)
    torch.testing.assert_close(out.double(), a.double() @ b.double().T, rtol=1e-4, atol=1e-3)
