"""T.gemm into tensor memory (sm_100a): against float64 in the simulator, and through NVRTC and ptxas. No such GPU was at hand."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.tileop.test_wgmma import BYTE, HALF, operand
from tilelang.errors import DTypeError, ResourceError, SemanticError, ShapeError, SimulationError, UnsupportedError
from tilelang.toolchain.nvrtc import compile_text

SM100 = {"kind": "cuda", "arch": "sm_100a"}


def compiled(func, arch="sm_100a"):
    return tilelang.compile(func, target={"kind": "cuda", "arch": arch}, execution_backend="simulator")


def assembles(kernel):
    """NVRTC and ptxas take the text for sm_100a."""
    cubin, log = compile_text(kernel.get_kernel_source(), "sm_100a", form="cubin", name="main", options=[], verbose=False)
    assert cubin and "for 'sm_100a'" in log


def clean(kernel, *inputs):
    report = kernel.check(*inputs, schedules=4)
    assert not report.findings, str(report)


def product(shape, tiles, types, trans_a=False, trans_b=True, waits="itself", a_in_tensor_memory=False, threads=128, stages=2):
    """C = A B by tiles (bm, bn, bk); `waits`: "itself", "author" (mbar of T.gemm) or "later" (T.tcgen05_mma_arrive)."""
    (m, n, k), (bm, bn, bk), (a_type, b_type, c_type) = shape, tiles, types
    late = waits != "itself"

    @T.prim_func
    def main(
        A: T.Tensor((k, m) if trans_a else (m, k), a_type),
        B: T.Tensor((n, k) if trans_b else (k, n), b_type),
        C: T.Tensor((m, n), c_type),
    ):
        with T.Kernel(T.ceildiv(n, bn), T.ceildiv(m, bm), threads=threads) as (bx, by):
            A_s = T.alloc_shared((bk, bm) if trans_a else (bm, bk), a_type)
            B_s = T.alloc_shared((bn, bk) if trans_b else (bk, bn), b_type)
            A_t = T.alloc_tmem((bm, bk), a_type) if a_in_tensor_memory else A_s
            C_t = T.alloc_tmem((bm, bn), c_type)
            C_f = T.alloc_fragment((bm, bn), c_type)
            done = T.alloc_barrier(1) if late else None
            for i in T.Pipelined(T.ceildiv(k, bk), num_stages=stages):
                if trans_a:
                    T.copy(A[i * bk, by * bm], A_s)
                else:
                    T.copy(A[by * bm, i * bk], A_s)
                if trans_b:
                    T.copy(B[bx * bn, i * bk], B_s)
                else:
                    T.copy(B[i * bk, bx * bn], B_s)
                if a_in_tensor_memory:
                    T.copy(A_s, A_t)
                if waits == "itself":
                    T.gemm(A_t, B_s, C_t, transpose_A=trans_a, transpose_B=trans_b, clear_accum=i == 0)
                elif waits == "author":
                    T.gemm(A_t, B_s, C_t, transpose_A=trans_a, transpose_B=trans_b, mbar=done, wg_wait=-1, clear_accum=i == 0)
                else:
                    T.tcgen05_gemm(A_t, B_s, C_t, transpose_A=trans_a, transpose_B=trans_b, mbar=None, clear_accum=i == 0)
                    T.tcgen05_mma_arrive(done)
                if late:
                    T.mbarrier_wait_parity(done, i % 2)
            T.copy(C_t, C_f)
            T.copy(C_f, C[by * bm, bx * bn])

    return main


def check(kernel, shape, types, trans_a=False, trans_b=True):
    m, n, k = shape
    a = operand((k, m) if trans_a else (m, k), types[0])
    b = operand((n, k) if trans_b else (k, n), types[1])
    integral = types[2] == "int32"
    c = torch.full((m, n), -7 if integral else float("nan"), dtype=getattr(torch, types[2]))
    kernel(a, b, c)
    wide = torch.int64 if integral else torch.float64
    left, right = (a.to(wide).T if trans_a else a.to(wide)), (b.to(wide).T if trans_b else b.to(wide))
    if integral:
        assert torch.equal(c.long(), left @ right)
    else:
        step = {"float16": 2.0**-11, "float32": 2.0**-10 if types[0] == "float32" else 2.0**-22}[types[2]]  # tf32 keeps 11 bits
        assert bool(((c.double() - left @ right).abs() <= step * (left.abs() @ right.abs()) * 2 + 1e-6).all())
    return a, b, c


@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("trans_b", [False, True])
@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("m, n, k", [(64, 64, 64), (128, 96, 32), (256, 256, 64)])
def test_half_in_every_order(m, n, k, dtype, trans_a, trans_b):
    types, shape = (dtype, dtype, "float32"), (m, n, 2 * k)
    kernel = compiled(product(shape, (m, n, k), types, trans_a, trans_b))
    assert "tl::tcgen05_mma_ss<" in kernel.get_kernel_source() and "tl::wgmma" not in kernel.get_kernel_source()
    check(kernel, shape, types, trans_a, trans_b)


@pytest.mark.parametrize("waits", ["itself", "author", "later"])
@pytest.mark.parametrize("a_in_tensor_memory", [False, True])
def test_waiting(waits, a_in_tensor_memory):
    types, shape = ("bfloat16", "bfloat16", "float32"), (256, 128, 192)
    kernel = compiled(product(shape, (128, 64, 64), types, waits=waits, a_in_tensor_memory=a_in_tensor_memory))
    clean(kernel, *check(kernel, shape, types))
    assembles(kernel)


@pytest.mark.parametrize(
    "types",
    [
        ("float16", "float16", "float16"),
        ("float8_e4m3fn", "float8_e5m2", "float32"),
        ("float8_e5m2", "float8_e4m3fn", "float16"),
        ("int8", "uint8", "int32"),
        ("uint8", "int8", "int32"),
        ("float32", "float32", "float32"),
    ],
    ids="-".join,
)
@pytest.mark.parametrize("m", [64, 128])
def test_other_types(types, m):
    shape = (m, 96, 128)
    kernel = compiled(product(shape, (m, 96, 64), types))
    check(kernel, shape, types)
    assembles(kernel)


@pytest.mark.parametrize("dtype", [*BYTE][:3])
def test_bytes_in_the_other_order(dtype):
    """8-bit operands may be contiguous along m and n, which wgmma has not."""
    types, shape = (dtype, dtype, "int32" if dtype == "int8" else "float32"), (128, 128, 64)
    kernel = compiled(product(shape, (128, 128, 64), types, trans_a=True, trans_b=False))
    check(kernel, shape, types, trans_a=True, trans_b=False)


@pytest.mark.parametrize("threads", [128, 256, 384])
@pytest.mark.parametrize("m, n", [(64, 40), (128, 112), (256, 48)])
def test_threads_share_the_way_out(m, n, threads):
    types, shape = ("float16", "float16", "float32"), (m, n, 64)
    kernel = compiled(product(shape, (m, n, 64), types, threads=threads))
    clean(kernel, *check(kernel, shape, types))


@pytest.mark.parametrize("waits", ["itself", "author"])
def test_ragged_shapes(waits):
    types, shape = ("float16", "float16", "float32"), (200, 90, 104)
    kernel = compiled(product(shape, (128, 64, 64), types, waits=waits))
    clean(kernel, *check(kernel, shape, types))


def test_the_text_of_ordinary_kernels_compiles():
    """Without tensor memory T.gemm is mma.sync, with TMA and producer warps as on sm_90a; wgmma is not of this architecture."""
    from testing.tileop.test_wgmma import program

    for types in (("float16", "float16", "float32"), ("float8_e4m3fn", "float8_e4m3fn", "float32"), ("int8", "int8", "int32")):
        kernel = compiled(program(128, 128, 64, types, 128, trans_b=True, tiles=4))
        source = kernel.get_kernel_source()
        assert "tl::mma_m16n8k" in source and "tl::wgmma" not in source and "tl::tma_load" in source
        assembles(kernel)


def test_warps_with_roles():
    """A warp loads by TMA, one issues products, four others take the result: barriers by hand, two stages."""
    m, n, k, bk, stages = 128, 128, 256, 64, 2

    @T.prim_func
    def main(A: T.Tensor((m, k), "float16"), B: T.Tensor((n, k), "float16"), C: T.Tensor((m, n), "float16")):
        with T.Kernel(1, threads=256) as _:
            A_s = T.alloc_shared((stages, m, bk), "float16")
            B_s = T.alloc_shared((stages, n, bk), "float16")
            C_t = T.alloc_tmem((m, n), "float32")
            C_f = T.alloc_fragment((m, n), "float32")
            loaded, consumed, done = T.alloc_barrier([1] * stages), T.alloc_barrier([1] * stages), T.alloc_barrier(1)
            warp = T.get_warp_idx()
            if warp == 4:
                for i in T.serial(k // bk):
                    T.mbarrier_wait_parity(consumed[i % stages], 1 - i // stages % 2)
                    T.tma_copy(A[0, i * bk], A_s[i % stages, :, :], barrier=loaded[i % stages])
                    T.tma_copy(B[0, i * bk], B_s[i % stages, :, :], barrier=loaded[i % stages])
                    if T.get_thread_binding() == 128:
                        T.mbarrier_arrive(loaded[i % stages])
            if warp == 5:
                for i in T.serial(k // bk):
                    T.mbarrier_wait_parity(loaded[i % stages], i // stages % 2)
                    T.tcgen05_gemm(
                        A_s[i % stages, :, :],
                        B_s[i % stages, :, :],
                        C_t,
                        transpose_B=True,
                        mbar=consumed[i % stages],
                        clear_accum=i == 0,
                    )
                T.tcgen05_mma_arrive(done)
            if warp < 4:
                T.mbarrier_wait_parity(done, 0)
                T.copy(C_t, C_f)
                T.copy(C_f, C)

    kernel = compiled(main)
    a, b = torch.randn(m, k).half(), torch.randn(n, k).half()
    c = torch.full((m, n), float("nan"), dtype=torch.float16)
    kernel(a, b, c)
    assert torch.allclose(c.double(), a.double() @ b.double().T, rtol=2e-3, atol=2e-3)
    clean(kernel, a, b, c)
    assembles(kernel)


@pytest.mark.parametrize("dtype", ["float32", "int32", "float16", "uint8"])
@pytest.mark.parametrize("rows", [64, 256])
def test_round_trip(dtype, rows):
    """Fragments and shared tiles go to tensor memory and back, by slices, filled tiles too."""

    @T.prim_func
    def main(A: T.Tensor((rows, 64), dtype), B: T.Tensor((rows, 64), dtype), C: T.Tensor((rows, 64), dtype)):
        with T.Kernel(1, threads=128) as _:
            tile = T.alloc_tmem((rows, 64), dtype)
            filled = T.alloc_tmem((2, rows, 32), dtype)
            half = T.alloc_fragment((rows, 32), dtype)
            shared = T.alloc_shared((rows, 64), dtype)
            T.copy(A, shared)
            T.copy(shared, tile)
            for j in T.serial(2):
                T.copy(tile[:, j * 32 : (j + 1) * 32], half)
                T.copy(half, B[0, j * 32])
            T.fill(filled, 3)
            T.copy(filled[1, :, :], half)
            T.copy(half, C[0, 0])
            T.copy(filled[0, :, :], C[0, 32])

    kernel = compiled(main)
    a = (torch.randn(rows, 64) * 20).to(getattr(torch, dtype))
    b, c = torch.zeros_like(a), torch.zeros_like(a)
    kernel(a, b, c)
    assert torch.equal(b, a) and torch.equal(c, torch.full_like(c, 3))
    clean(kernel, a, b, c)
    assembles(kernel)


def test_the_way_out_meets_no_banks():
    """A row in each thread: 16 bytes at a time into a swizzled tile, which TMA stores."""

    @T.prim_func
    def main(C: T.Tensor((256, 128), "float32")):
        with T.Kernel(2, threads=128) as bx:
            tile, C_s = T.alloc_tmem((128, 128), "float32"), T.alloc_shared((128, 128), "float32")
            C_f = T.alloc_fragment((128, 128), "float32")
            T.fill(tile, 2.0)
            T.copy(tile, C_f)
            T.copy(C_f, C_s)
            T.copy(C_s, C[bx * 128, 0])

    kernel = compiled(main)
    c = torch.zeros(256, 128)
    kernel(c)
    assert bool((c == 2).all())
    writes = [r.values for r in kernel.remarks if r.rule == "access" and r.values.get("buffers") == ["C_s"]]
    assert writes and all(v["bytes"] == 16 and v.get("bank_conflicts", 1) == 1 for v in writes), writes


def test_columns_go_back_early():
    @T.prim_func
    def main(A: T.Tensor((128, 32), "float32"), B: T.Tensor((128, 32), "float32")):
        with T.Kernel(1, threads=128) as _:
            tile = T.alloc_tmem((128, 32), "float32")
            T.copy(A, tile)
            T.copy(tile, B)
            T.deallocate_tmem(tile)

    kernel = compiled(main)
    a, b = torch.randn(128, 32), torch.zeros(128, 32)
    kernel(a, b)
    assert torch.equal(a, b) and kernel.get_kernel_source().count("tcgen05_dealloc") == 1
    clean(kernel, a, b)
    assembles(kernel)


def attention(batch, length, dim, block, threads=128):
    """softmax(Q K^T) V, not causal: scores, probabilities and the output's sum in tensor memory, a row in each thread."""
    scale = dim**-0.5 * 1.44269504

    @T.prim_func
    def main(
        Q: T.Tensor((batch, length, dim), "float16"),
        K: T.Tensor((batch, length, dim), "float16"),
        V: T.Tensor((batch, length, dim), "float16"),
        O: T.Tensor((batch, length, dim), "float32"),
    ):
        with T.Kernel(T.ceildiv(length, 128), batch, threads=threads) as (bx, by):
            Q_s, K_s, V_s = (T.alloc_shared((n, dim), "float16") for n in (128, block, block))
            S_t, P_t, O_t = (
                T.alloc_tmem((128, block), "float32"),
                T.alloc_tmem((128, block), "float16"),
                T.alloc_tmem((128, dim), "float32"),
            )
            S_f, P_f = T.alloc_fragment((128, block), "float32"), T.alloc_fragment((128, block), "float16")
            O_f = T.alloc_fragment((128, dim), "float32")
            top, before, total, part, factor = (T.alloc_fragment((128,), "float32") for _ in range(5))
            T.copy(Q[by, bx * 128, 0], Q_s)
            T.fill(top, -T.infinity("float32"))
            T.clear(total)
            T.clear(O_t)
            for k in T.Pipelined(T.ceildiv(length, block), num_stages=2):
                T.copy(K[by, k * block, 0], K_s)
                T.copy(V[by, k * block, 0], V_s)
                T.gemm(Q_s, K_s, S_t, transpose_B=True, clear_accum=True)
                T.copy(S_t, S_f)
                for i, j in T.Parallel(128, block):
                    S_f[i, j] = T.if_then_else(k * block + j < length, S_f[i, j] * scale, -T.infinity("float32"))
                T.copy(top, before)
                T.reduce_max(S_f, top, dim=1, clear=False)
                for i in T.Parallel(128):
                    factor[i] = T.exp2(before[i] - top[i])
                for i, j in T.Parallel(128, block):
                    S_f[i, j] = T.exp2(S_f[i, j] - top[i])
                T.reduce_sum(S_f, part, dim=1)
                for i in T.Parallel(128):
                    total[i] = total[i] * factor[i] + part[i]
                T.copy(S_f, P_f)
                T.copy(P_f, P_t)
                T.copy(O_t, O_f)
                for i, j in T.Parallel(128, dim):
                    O_f[i, j] = O_f[i, j] * factor[i]
                T.copy(O_f, O_t)
                T.gemm(P_t, V_s, O_t)
            T.copy(O_t, O_f)
            for i, j in T.Parallel(128, dim):
                O_f[i, j] = O_f[i, j] / total[i]
            T.copy(O_f, O[by, bx * 128, 0])

    return main


@pytest.mark.parametrize("length, dim, block, threads", [(256, 64, 64, 128), (200, 64, 128, 128), (160, 128, 64, 256)])
def test_attention(length, dim, block, threads):
    kernel = compiled(attention(2, length, dim, block, threads))
    q, k, v = (torch.randn(2, length, dim).half() for _ in range(3))
    out = torch.full((2, length, dim), float("nan"))
    kernel(q, k, v, out)
    exact = torch.softmax(q.double() @ k.double().transpose(1, 2) * dim**-0.5, -1) @ v.double()
    assert torch.allclose(out.double(), exact, atol=3e-3)
    clean(kernel, q, k, v, out)
    assembles(kernel)


# ---------------------------------------------------------------------- misuse


def _refused(error, part, arch="sm_100a", **changes):
    shape, tiles, types = changes.pop("shape", (128, 64, 64)), changes.pop("tiles", (128, 64, 64)), changes.pop("types", None)
    with pytest.raises(error) as caught:
        compiled(product(shape, tiles, types or ("float16", "float16", "float32"), **changes), arch)
    assert part in str(caught.value), str(caught.value)


def test_refusals():
    _refused(UnsupportedError, "the target is sm_90a", arch="sm_90a")
    _refused(UnsupportedError, "came with sm_100a", arch="sm_80")
    _refused(ResourceError, "takes 1024 columns", tiles=(512, 256, 32))
    _refused(ShapeError, "64 or a multiple of 128", tiles=(96, 64, 64))
    _refused(ShapeError, "n of 16", tiles=(128, 40, 64))
    _refused(ShapeError, "k of float16 is a multiple of 16", tiles=(128, 64, 24))
    _refused(UnsupportedError, "cannot read A", types=("float32", "float32", "float32"), trans_a=True)
    _refused(UnsupportedError, "whole warpgroups", threads=64)
    _refused(DTypeError, "does not multiply", types=("bfloat16", "bfloat16", "float16"))


def test_elements_are_refused():
    with pytest.raises(SemanticError, match="only whole tiles"):

        @T.prim_func
        def main(B: T.Tensor((128, 32), "float32")):
            with T.Kernel(1, threads=128) as _:
                tile = T.alloc_tmem((128, 32), "float32")
                for i, j in T.Parallel(128, 32):
                    B[i, j] = tile[i, j]

        compiled(main)


def test_a_product_that_nobody_waits_for():
    @T.prim_func
    def main(A: T.Tensor((128, 64), "float16"), C: T.Tensor((128, 128), "float32")):
        with T.Kernel(1, threads=128) as _:
            A_s = T.alloc_shared((128, 64), "float16")
            C_t = T.alloc_tmem((128, 128), "float32")
            done = T.alloc_barrier(1)
            T.copy(A, A_s)
            T.tcgen05_gemm(A_s, A_s, C_t, transpose_B=True, mbar=done, clear_accum=True)
            T.copy(C_t, C)

    kernel = compiled(main)
    with pytest.raises(SimulationError, match="while the tcgen05.mma of line .* is under way"):
        kernel(torch.zeros(128, 64).half(), torch.zeros(128, 128))


# ---------------------------------------------------------------------- pairs of blocks


def paired(m, n, k, bk, arrive, a_in_tensor_memory=False):
    """C = A B; each block of a pair has 128 rows of A and C, and half of the columns of B."""

    @T.prim_func
    def main(A: T.Tensor((m, k), "float16"), B: T.Tensor((n, k), "float16"), C: T.Tensor((m, n), "float32")):
        with T.Kernel(m // 128, threads=128, cluster_dims=2) as bx:
            rank = T.block_rank_in_cluster()
            A_s = T.alloc_shared((128, bk), "float16")
            B_s = T.alloc_shared((n // 2, bk), "float16")
            A_t = T.alloc_tmem((128, bk), "float16") if a_in_tensor_memory else A_s
            C_t = T.alloc_tmem((128, n), "float32")
            C_f = T.alloc_fragment((128, n), "float32")
            done = T.alloc_cluster_barrier([1])
            for i in T.serial(k // bk):
                T.copy(A[bx * 128, i * bk], A_s)
                T.copy(B[rank * (n // 2), i * bk], B_s)
                if a_in_tensor_memory:
                    T.copy(A_s, A_t)
                T.cluster_sync()
                if arrive:
                    T.tcgen05_gemm(A_t, B_s, C_t, transpose_B=True, mbar=None, use_2cta=True, clear_accum=i == 0)
                    T.tcgen05_mma_arrive(done, arrive_2cta=True)
                else:
                    T.tcgen05_gemm(A_t, B_s, C_t, transpose_B=True, mbar=done, use_2cta=True, clear_accum=i == 0)
                T.mbarrier_wait_parity(done, i % 2)
            T.copy(C_t, C_f)
            T.copy(C_f, C[bx * 128, 0])

    return main


@pytest.mark.parametrize("arrive, a_in_tensor_memory, n", [(False, False, 128), (True, False, 32), (False, True, 64)])
def test_pairs(arrive, a_in_tensor_memory, n):
    m, k = 512, 128
    kernel = compiled(paired(m, n, k, 64, arrive, a_in_tensor_memory))
    a, b = torch.randn(m, k).half(), torch.randn(n, k).half()
    c = torch.full((m, n), float("nan"))
    kernel(a, b, c)
    assert torch.allclose(c.double(), a.double() @ b.double().T, rtol=1e-5, atol=1e-4)
    assert "cluster_sync" in kernel.get_kernel_source()
    clean(kernel, a, b, c)
    assembles(kernel)


def test_pairs_need_clusters():
    with pytest.raises(UnsupportedError, match="cluster_dims=2"):

        @T.prim_func
        def main(A: T.Tensor((128, 64), "float16")):
            with T.Kernel(1, threads=128) as _:
                A_s = T.alloc_shared((128, 64), "float16")
                C_t = T.alloc_tmem((128, 256), "float32")
                T.copy(A, A_s)
                T.tcgen05_gemm(A_s, A_s, C_t, transpose_B=True, mbar=None, use_2cta=True, clear_accum=True)

        compiled(main)
