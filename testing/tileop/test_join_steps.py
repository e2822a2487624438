"""Steps of pipelined loops that compute operands in shared memory are joined where a block would wait alone."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T

from .test_tma import HOPPER

M, N, STEP = 64, 64, 64


def unpacked(K, blocks=2, carried=False, threads=128):
    """C = A @ (codes - 8)^T through a shared tile of unpacked codes; `carried`: the loop reads what an earlier step left."""

    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), Q: T.Tensor((N * blocks, K // 2), "uint8"), C: T.Tensor((M, N * blocks), "float16")):
        with T.Kernel(blocks, threads=threads) as bx:
            A_s, Q_s = T.alloc_shared((M, STEP), "float16"), T.alloc_shared((N, STEP // 2), "uint8")
            B_f, B_s = T.alloc_fragment((N, STEP), "float16"), T.alloc_shared((N, STEP), "float16")
            C_f = T.alloc_fragment((M, N), "float32")
            T.clear(C_f)
            if carried:
                T.clear(B_f)
            for k in T.Pipelined(T.ceildiv(K, STEP), num_stages=3):
                T.copy(A[0, k * STEP], A_s)
                T.copy(Q[bx * N, k * (STEP // 2)], Q_s)
                for i, j in T.Parallel(N, STEP):
                    code = T.cast((T.cast(Q_s[i, j // 2], "int32") >> ((j % 2) * 4)) & 15, "float16") - T.cast(8, "float16")
                    B_f[i, j] = code + B_f[i, j] if carried else code
                T.copy(B_f, B_s)
                T.gemm(A_s, B_s, C_f, transpose_B=True)
            T.copy(C_f, C[0, bx * N])

    return main


def values(K, blocks, carried):
    a, q = torch.randn(M, K).half(), torch.randint(0, 256, (N * blocks, K // 2), dtype=torch.uint8)
    codes = torch.stack([q & 15, q >> 4], -1).reshape(N * blocks, K).double() - 8
    if carried:
        codes = codes.reshape(-1, K // STEP, STEP).cumsum(1).reshape(codes.shape)
    return a, q, a.double() @ codes.T


@pytest.mark.parametrize(
    "K, asked, carried, joined", [(256, None, False, 2), (512, 4, False, 4), (192, None, False, 1), (256, 2, True, 1)]
)
def test_joined_steps(K, asked, carried, joined):
    a, q, want = values(K, 2, carried)
    configs = {} if asked is None else {"tl.joined_steps": asked}
    kernel = tilelang.compile(unpacked(K, carried=carried), target=HOPPER, execution_backend="simulator", pass_configs=configs)
    c = torch.full(want.shape, float("nan")).half()
    kernel(a, q, c)
    torch.testing.assert_close(c.double(), want, rtol=2e-3, atol=0.2)
    source = kernel.get_kernel_source()
    assert source.count("tl::wgmma_ss_steps<") == joined
    if joined > 1:
        assert source.count("tl::mbarrier_wait(full") == 1, "all tiles of joined steps are waited for at once"
    report = kernel.check(a, q, c, schedules=2)
    assert report.ok, str(report)


def test_sums_keep_their_order():
    a, q, want = values(256, 2, False)
    results = []
    for steps in (1, 2):
        kernel = tilelang.compile(
            unpacked(256), target=HOPPER, execution_backend="simulator", pass_configs={"tl.joined_steps": steps}
        )
        results.append(torch.full(want.shape, float("nan")).half())
        kernel(a, q, results[-1])
    assert torch.equal(*results)


def test_blocks_that_are_not_alone_keep_their_steps():
    for program in (unpacked(256, blocks=264), unpacked(256, threads=256)):
        source = tilelang.compile(program, target=HOPPER, execution_backend="simulator").get_kernel_source()
        assert source.count("tl::wgmma_ss_steps<") == 1
