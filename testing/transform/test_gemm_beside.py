"""Products beside what does not depend on them: the waits that stand where, the numbers, and no race."""

from __future__ import annotations

import re

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.toolchain import diagnostics
from tilelang.tools.compile_only import compile_only

HOPPER = {"kind": "cuda", "arch": "sm_90a"}
CHECKS = "race,bounds,init,deadlock,misuse"


def scaled(M, N, K):
    """Float8 products whose sums are scaled step by step: the scales are loaded beside the product."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), "float8_e4m3"), B: T.Tensor((N, K), "float8_e4m3"), S: T.Tensor((M, K // 128), "float32"),
        C: T.Tensor((M, N), "float32"),
    ):  # fmt: skip
        with T.Kernel(T.ceildiv(N, 128), T.ceildiv(M, 128), threads=256) as (bx, by):
            As, Bs = T.alloc_shared((128, 128), "float8_e4m3"), T.alloc_shared((128, 128), "float8_e4m3")
            scale = T.alloc_shared((128,), "float32")
            part, sums = T.alloc_fragment((128, 128), "float32"), T.alloc_fragment((128, 128), "float32")
            T.clear(sums)
            for k in T.Pipelined(K // 128, num_stages=2):
                T.copy(A[by * 128, k * 128], As)
                T.copy(B[bx * 128, k * 128], Bs)
                for i in T.Parallel(128):
                    scale[i] = T.if_then_else(by * 128 + i < M, S[by * 128 + i, k] * 2.0, 0.0)
                T.clear(part)
                T.gemm(As, Bs, part, transpose_B=True)
                for i, j in T.Parallel(128, 128):
                    sums[i, j] += part[i, j] * scale[i]
            T.copy(sums, C[by * 128, bx * 128])

    return main


def gradients(L, D):
    """dV = P^T dO and dK = dS^T Q with two independent products first, as in attention's backward pass."""

    @T.prim_func
    def main(
        Q: T.Tensor((L, D), "float16"), K: T.Tensor((128, D), "float16"), V: T.Tensor((128, D), "float16"),
        dO: T.Tensor((L, D), "float16"), dK: T.Tensor((128, D), "float32"), dV: T.Tensor((128, D), "float32"),
        dQ: T.Tensor((L, D), "float32"),
    ):  # fmt: skip
        with T.Kernel(1, threads=256) as _:
            Ks, Vs = T.alloc_shared((128, D), "float16"), T.alloc_shared((128, D), "float16")
            q, do = T.alloc_shared((64, D), "float16"), T.alloc_shared((64, D), "float16")
            p, ds = T.alloc_fragment((128, 64), "float32"), T.alloc_fragment((128, 64), "float32")
            p_half, ds_half = T.alloc_fragment((128, 64), "float16"), T.alloc_fragment((128, 64), "float16")
            ds_shared = T.alloc_shared((128, 64), "float16")
            dk, dv = T.alloc_fragment((128, D), "float32"), T.alloc_fragment((128, D), "float32")
            dq = T.alloc_fragment((64, D), "float32")
            T.copy(K, Ks)
            T.copy(V, Vs)
            T.clear(dk)
            T.clear(dv)
            for k in T.Pipelined(L // 64, num_stages=2):
                T.copy(Q[k * 64, 0], q)
                T.clear(p)
                T.gemm(Ks, q, p, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                for i, j in T.Parallel(128, 64):
                    p[i, j] = T.exp2(p[i, j] * 0.05)
                T.copy(dO[k * 64, 0], do)
                T.clear(ds)
                T.gemm(Vs, do, ds, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                T.copy(p, p_half)
                T.gemm(p_half, do, dv, policy=T.GemmWarpPolicy.FullRow)
                for i, j in T.Parallel(128, 64):
                    ds_half[i, j] = p[i, j] * ds[i, j] * 0.05
                T.gemm(ds_half, q, dk, policy=T.GemmWarpPolicy.FullRow)
                T.copy(ds_half, ds_shared)
                T.clear(dq)
                T.gemm(ds_shared, Ks, dq, transpose_A=True)
                for i, j in T.Parallel(64, D):
                    T.atomic_add(dQ[k * 64 + i, j], dq[i, j])
            T.copy(dk, dK)
            T.copy(dv, dV)

    return main


def latent(L, D):
    """Keys that are values, in two slots: a rotated loop would hold both."""

    @T.prim_func
    def main(Q: T.Tensor((64, D), "float16"), KV: T.Tensor((L, D), "float16"), O: T.Tensor((64, D), "float32")):
        with T.Kernel(1, threads=256) as _:
            q, kv = T.alloc_shared((64, D), "float16"), T.alloc_shared((64, D), "float16")
            s, o = T.alloc_fragment((64, 64), "float32"), T.alloc_fragment((64, D), "float32")
            p = T.alloc_shared((64, 64), "float16")
            T.copy(Q, q)
            T.clear(o)
            for k in T.Pipelined(L // 64, num_stages=2):
                T.copy(KV[k * 64, 0], kv)
                T.gemm(q, kv, s, transpose_B=True, policy=T.GemmWarpPolicy.FullCol, clear_accum=True)
                for i, j in T.Parallel(64, 64):
                    s[i, j] = T.exp2(s[i, j] * 0.05)
                T.copy(s, p)
                T.gemm(p, kv, o, policy=T.GemmWarpPolicy.FullCol)
            T.copy(o, O)

    return main


def compiled(program, **configs):
    return tilelang.compile(program, target=HOPPER, execution_backend="simulator", pass_configs=configs)


def events(kernel):
    """What the consumers' loop does, in order: P product, a number: how many may stay under way, e exp2, s scales, r release."""
    body = kernel.get_kernel_source().split("} else {")[-1]
    names = {"wgmma_ss_steps": "P", "wgmma_rs_steps": "P", "exp2": "e", "scale[": "s", "mbarrier_arrive": "r"}
    found = re.findall(r"tl::(wgmma_[sr]s_steps|exp2|mbarrier_arrive)|tl::wgmma_wait<(\d)>|(scale\[)", body)
    return "".join(names.get(name, "") + wait + names.get(scale, "") for name, wait, scale in found)


@pytest.fixture(params=[False, True], ids=["plain", "checked"])
def checked(request, monkeypatch):
    if request.param:
        monkeypatch.setenv("TILELANG_CHECK", CHECKS)
    return request.param


def test_scales(checked):
    M, N, K = 200, 128, 128 * 5
    a, b = (torch.randn(n, K).to(torch.float8_e4m3fn) for n in (M, N))
    s = torch.rand(M, K // 128)
    kernel = compiled(scaled(M, N, K))
    assert events(kernel) == "Ps0rs"  # its scales are computed beside the product
    c = torch.full((M, N), float("nan"))
    kernel(a, b, s, c)
    parts = torch.einsum("mgk,ngk->gmn", a.float().view(M, -1, 128), b.float().view(N, -1, 128))
    torch.testing.assert_close(c, (parts * 2 * s.T[:, :, None]).sum(0), rtol=1e-3, atol=1e-2)


def test_gradients(checked):
    L, D = 64 * 4, 128
    q, do = (torch.randn(L, D).half() for _ in range(2))
    k, v = (torch.randn(128, D).half() for _ in range(2))
    kernel = compiled(gradients(L, D))
    assert events(kernel) == "PP1eP1PP0rr"  # P beside dP, dV beside dS, dK beside dQ
    dk, dv = torch.full((128, D), float("nan")), torch.full((128, D), float("nan"))
    dq = torch.zeros(L, D)
    kernel(q, k, v, do, dk, dv, dq)
    p = torch.exp2(k.float() @ q.float().T * 0.05)
    ds = (p * (v.float() @ do.float().T) * 0.05).half().float()
    for got, wanted in ((dv, p.half().float() @ do.float()), (dk, ds @ q.float()), (dq, ds.T @ k.float())):
        torch.testing.assert_close(got, wanted, rtol=5e-3, atol=5e-3 * wanted.abs().max().item())


def test_two_slots_are_not_held_by_two_iterations(checked):
    L, D = 64 * 5, 512
    q, kv = torch.randn(64, D).half(), torch.randn(L, D).half()
    kernel = compiled(latent(L, D))
    assert any("would hold both slots of kv, with none to load into" in r.text for r in kernel.remarks)
    o = torch.full((64, D), float("nan"))
    kernel(q, kv, o)
    p = torch.exp2(q.float() @ kv.float().T * 0.05).half().float()
    torch.testing.assert_close(o, p @ kv.float(), rtol=5e-3, atol=5e-3 * o.abs().max().item())


def test_it_can_be_switched_off():
    kernel = compiled(gradients(128, 128), **{"tl.disable_gemm_overlap": True})
    assert re.search("P[1-9]|PP", events(kernel)) is None


@pytest.mark.parametrize("refused, producer", [(1, True), (2, False)])
def test_what_ptxas_serialises_is_lowered_again(refused, producer, monkeypatch):
    """First with its products waited for at once, then without a producer."""
    codes = iter(["C7510"] * refused + [None] * 3)
    monkeypatch.setattr(diagnostics, "serialised", lambda log: next(codes))
    monkeypatch.setenv("TILELANG_DISABLE_CACHE", "1")
    monkeypatch.delenv("TILELANG_SIMULATE", raising=False)
    kernel = compile_only(gradients(128, 128), target=HOPPER)
    source = kernel.get_kernel_source()
    assert ("tma_load" in source and "mbarrier_wait(full" in source and "tx >= 256" in source) is producer
    assert len(re.findall("wgmma_wait<0>", source)) >= 5 or not producer
    assert any(("waited for at once" if producer else "no producer warp") in r.text for r in kernel.remarks.of("missed"))
