"""T.gemm on warpgroups (sm_90a) and on warps (sm_80, sm_89), end to end in the simulator, against float64."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T

HALF = {"float16": torch.float16, "bfloat16": torch.bfloat16}
BYTE = {"float8_e4m3fn": torch.float8_e4m3fn, "float8_e5m2": torch.float8_e5m2, "int8": torch.int8, "uint8": torch.uint8}


def program(m, n, k, types, threads, trans_a=False, trans_b=False, policy="Square", a_in_registers=False, tiles=1, bk=None):
    """C = A B over one tile of m x n, `tiles` steps of k."""
    a_type, b_type, c_type = types
    shape_a = (k * tiles, m) if trans_a else (m, k * tiles)
    shape_b = (n, k * tiles) if trans_b else (k * tiles, n)

    @T.prim_func
    def main(A: T.Tensor(shape_a, a_type), B: T.Tensor(shape_b, b_type), C: T.Tensor((m, n), c_type)):
        with T.Kernel(1, threads=threads) as _:
            A_s = T.alloc_shared((k, m) if trans_a else (m, k), a_type)
            B_s = T.alloc_shared((n, k) if trans_b else (k, n), b_type)
            A_f = T.alloc_fragment((m, k), a_type)
            C_f = T.alloc_fragment((m, n), c_type)
            T.clear(C_f)
            for i in T.Pipelined(tiles, num_stages=2):
                if trans_a:
                    T.copy(A[i * k, 0], A_s)
                else:
                    T.copy(A[0, i * k], A_s)
                if trans_b:
                    T.copy(B[0, i * k], B_s)
                else:
                    T.copy(B[i * k, 0], B_s)
                if a_in_registers:
                    T.copy(A_s, A_f)
                    T.gemm(A_f, B_s, C_f, transpose_B=trans_b, policy=getattr(T.GemmWarpPolicy, policy))
                else:
                    T.gemm(A_s, B_s, C_f, transpose_A=trans_a, transpose_B=trans_b, policy=getattr(T.GemmWarpPolicy, policy))
            T.copy(C_f, C)

    return main


def compiled(func, arch="sm_90a", **configs):
    pass_configs = {key.replace("__", "."): value for key, value in configs.items()}
    return tilelang.compile(func, target={"kind": "cuda", "arch": arch}, execution_backend="simulator", pass_configs=pass_configs)


def operand(shape, dtype):
    if dtype in ("int8", "uint8"):
        return torch.randint(-128 if dtype == "int8" else 0, 128, shape).to(BYTE[dtype])
    return torch.randn(shape).to({**HALF, **BYTE, "float32": torch.float32, "float64": torch.float64}[dtype])


def check(kernel, m, n, k, types, trans_a=False, trans_b=False):
    a = operand((k, m) if trans_a else (m, k), types[0])
    b = operand((n, k) if trans_b else (k, n), types[1])
    integral = types[2] == "int32"
    c = torch.full((m, n), -7 if integral else float("nan"), dtype=getattr(torch, types[2]))
    kernel(a, b, c)
    wide = torch.int64 if integral else torch.float64
    exact = (a.to(wide).T if trans_a else a.to(wide)) @ (b.to(wide).T if trans_b else b.to(wide))
    if integral:
        assert torch.equal(c.long(), exact)
        return
    # The sum of magnitudes bounds what rounding each addition can do; float16 accumulators keep 11 bits.
    size = (a.double().abs().T if trans_a else a.double().abs()) @ (b.double().abs().T if trans_b else b.double().abs())
    step = 2.0**-11 if types[2] == "float16" else 2.0**-22
    assert bool(((c.double() - exact).abs() <= step * size * 2 + 1e-6).all())


@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("trans_b", [False, True])
@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("m, n, k, threads", [(64, 64, 64, 128), (128, 192, 32, 256), (128, 48, 16, 128), (256, 256, 64, 256)])
def test_half_in_every_order(m, n, k, threads, dtype, trans_a, trans_b):
    types = (dtype, dtype, "float32")
    kernel = compiled(program(m, n, k, types, threads, trans_a, trans_b, tiles=3))
    uses = "tl::wgmma_ss" in kernel.get_kernel_source()
    rows = {32, 64, 128}  # bytes of a row that a swizzle spans
    legal = all(any(c * 2 % w == 0 for w in rows) for c in ((m if trans_a else k), (k if trans_b else n)))
    assert uses == (legal and (trans_b or n % 8 == 0))
    check(kernel, m, n, 3 * k, types, trans_a, trans_b)


@pytest.mark.parametrize("policy", ["Square", "FullRow", "FullCol"])
@pytest.mark.parametrize("threads", [128, 256, 384])
def test_policies(policy, threads):
    types = ("float16", "float16", "float32")
    check(compiled(program(192, 96, 64, types, threads, trans_b=True, policy=policy)), 192, 96, 64, types, trans_b=True)


@pytest.mark.parametrize(
    "types",
    [
        ("float16", "float16", "float16"),
        ("float8_e4m3fn", "float8_e4m3fn", "float32"),
        ("float8_e4m3fn", "float8_e5m2", "float32"),
        ("float8_e5m2", "float8_e5m2", "float32"),
        ("int8", "int8", "int32"),
        ("uint8", "int8", "int32"),
    ],
    ids="-".join,
)
@pytest.mark.parametrize("n", [64, 80])
def test_other_types(types, n):
    kernel = compiled(program(128, n, 64, types, 128, trans_b=True, tiles=2))
    assert "tl::wgmma_ss" in kernel.get_kernel_source()
    check(kernel, 128, n, 128, types, trans_b=True)


@pytest.mark.parametrize("trans_b", [False, True])
@pytest.mark.parametrize("dtype", [*HALF, "float8_e4m3fn"])
def test_a_in_registers(dtype, trans_b):
    types = (dtype, dtype, "float32")
    kernel = compiled(program(128, 64, 64, types, 256, trans_b=trans_b, a_in_registers=True, tiles=2))
    assert ("tl::wgmma_rs" in kernel.get_kernel_source()) == (trans_b or dtype in HALF)
    check(kernel, 128, 64, 128, types, trans_b=trans_b)


@pytest.mark.parametrize("clear", [True, False, "first"])
def test_clear_accum(clear):
    @T.prim_func
    def main(A: T.Tensor((64, 96), "float16"), B: T.Tensor((96, 64), "float16"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(1, threads=128) as _:
            A_s = T.alloc_shared((64, 32), "float16")
            B_s = T.alloc_shared((32, 64), "float16")
            C_f = T.alloc_fragment((64, 64), "float32")
            T.fill(C_f, 1.0)
            for i in T.serial(3):
                T.copy(A[0, i * 32], A_s)
                T.copy(B[i * 32, 0], B_s)
                T.gemm(A_s, B_s, C_f, clear_accum=(i == 0) if clear == "first" else clear)
            T.copy(C_f, C)

    kernel = compiled(main)
    assert "tl::wgmma_ss" in kernel.get_kernel_source()
    a, b, c = torch.randn(64, 96).half(), torch.randn(96, 64).half(), torch.full((64, 64), float("nan"))
    kernel(a, b, c)
    x, y = a.double(), b.double()
    expected = {True: x[:, 64:] @ y[64:], False: x @ y + 1, "first": x @ y}[clear]
    torch.testing.assert_close(c.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("arch", ["sm_80", "sm_89", "sm_90a"])
@pytest.mark.parametrize("m, n, k, threads", [(64, 64, 32, 128), (80, 48, 32, 64), (128, 112, 64, 256), (48, 96, 16, 96)])
def test_warps_where_there_are_no_warpgroups(arch, m, n, k, threads):
    types = ("float16", "float16", "float32")
    kernel = compiled(program(m, n, k, types, threads, trans_b=True, tiles=2), arch, tl__disable_wgmma=True)
    source = kernel.get_kernel_source()
    assert "tl::mma_m16n8k16" in source and "tl::wgmma" not in source
    check(kernel, m, n, 2 * k, types, trans_b=True)


@pytest.mark.parametrize(
    "arch, types", [("sm_89", ("float8_e4m3fn", "float8_e4m3fn", "float32")), ("sm_80", ("int8", "int8", "int32"))]
)
def test_bytes_on_warps(arch, types):
    kernel = compiled(program(64, 64, 64, types, 128, trans_b=True, tiles=2), arch)
    assert "tl::mma_m16n8k32" in kernel.get_kernel_source()
    check(kernel, 64, 64, 128, types, trans_b=True)


@pytest.mark.parametrize("types, bits", [
    (("float16", "float16", "float16"), 16),
    (("bfloat16", "bfloat16", "float32"), 16),
    (("float8_e4m3fn", "float8_e5m2", "float16"), 8),
    (("int8", "uint8", "int32"), 8),
])  # fmt: skip
def test_headers_tell_only_of_elements_that_are_multiplied(types, bits):
    """And NVRTC compiles each with that."""
    func = program(64, 64, 1024 // bits, types, 128, trans_b=True)
    kernel = tilelang.compile(func, target={"kind": "cuda", "arch": "sm_90a"})
    source = kernel.get_kernel_source()
    steps = "#define TL_WGMMA_STEPS 4\n#define TL_WGMMA_OVERWRITES 0\n"
    assert source.startswith(f"#define TL_WGMMA_BITS {bits}\n{steps}#include <tl/core.h>") and "wgmma_ss" in source


@pytest.mark.parametrize("registers", [False, True])
def test_products_that_overwrite(registers, device):
    """What the accumulators held is not read, be it NaN."""

    @T.prim_func
    def squares(A: T.Tensor((64, 128), "float16"), B: T.Tensor((64, 128), "float16"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(1, threads=128):
            a = T.alloc_shared((64, 128), "float16")
            left = T.alloc_fragment((64, 128), "float16")
            b = T.alloc_shared((64, 128), "float16")
            c = T.alloc_fragment((64, 64), "float32")
            T.copy(A, a)
            T.copy(B, b)
            if registers:
                T.copy(a, left)
            T.fill(c, T.infinity("float32"))
            T.gemm(left if registers else a, b, c, transpose_B=True, clear_accum=True)
            T.copy(c, C)

    kernel = tilelang.compile(squares, target={"kind": "cuda", "arch": "sm_90a"})
    a, b = (torch.randn(64, 128, device=device).half() for _ in range(2))
    c = torch.full((64, 64), float("nan"), device=device)
    kernel(a, b, c)
    name = "wgmma_rs_steps" if registers else "wgmma_ss_steps"
    assert any(name in line and "tl::overwrite()" in line for line in kernel.get_kernel_source().splitlines())
    torch.testing.assert_close(c, a.float() @ b.float().T, rtol=1e-3, atol=1e-3)
