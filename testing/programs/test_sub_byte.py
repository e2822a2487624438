"""Elements of 4 bits as arguments, in shared memory and in registers: every value, bit for bit."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import torch_dtype

ROWS, COLUMNS = 32, 64
FLOAT4 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
VALUES = {
    "int4": [*range(8), *range(-8, 0)],
    "uint4": [*range(16)],
    "float4_e2m1fn": [*FLOAT4, *(-x for x in FLOAT4)],
}
NAMES = list(VALUES)


def packed(codes: torch.Tensor) -> torch.Tensor:
    return (codes[..., 0::2] | codes[..., 1::2] << 4).to(torch.uint8)


def random_codes(*shape: int) -> torch.Tensor:
    codes = torch.randint(0, 16, shape)
    codes.view(-1)[:16] = torch.arange(16)
    return codes


def values_of(codes: torch.Tensor, dtype: str) -> torch.Tensor:
    return torch.tensor(VALUES[dtype], dtype=torch.float64)[codes]


@pytest.mark.parametrize("to", ["float16", "bfloat16", "float32", "int8", "int32"])
@pytest.mark.parametrize("dtype", NAMES)
def test_read_by_elements(dtype, to, device):
    @T.prim_func
    def main(A: T.Tensor((ROWS, COLUMNS), dtype), B: T.Tensor((ROWS, COLUMNS), to)):
        with T.Kernel(1, threads=64):
            for i, j in T.Parallel(ROWS, COLUMNS):
                B[i, j] = T.cast(A[i, j], to)

    codes = random_codes(ROWS, COLUMNS)
    out = run(main, [packed(codes).to(device)], ((ROWS, COLUMNS), to), device=device)
    expected = values_of(codes, dtype)
    expected = expected.trunc() if to.startswith("int") else expected
    assert torch.equal(out.cpu(), expected.to(torch_dtype(to)))
    if to in ("float16", "bfloat16"):
        assert torch.equal(torch.signbit(out.cpu()), torch.signbit(expected))


@pytest.mark.parametrize("dtype", NAMES)
def test_copy_through_memory_and_registers(dtype, device):
    @T.prim_func
    def main(A: T.Tensor((ROWS, COLUMNS), dtype), B: T.Tensor((ROWS, COLUMNS), dtype), C: T.Tensor((ROWS, COLUMNS), "float16")):
        with T.Kernel(2, threads=64) as bx:
            S = T.alloc_shared((16, COLUMNS), dtype)
            F = T.alloc_fragment((16, COLUMNS), dtype)
            H = T.alloc_fragment((16, COLUMNS), "float16")
            T.copy(A[bx * 16, 0], S)
            T.copy(S, F)
            T.copy(F, H)
            T.copy(H, C[bx * 16, 0])
            T.copy(F, B[bx * 16, 0])

    codes = random_codes(ROWS, COLUMNS)
    source = packed(codes)
    bytes_, half = run(main, [source.to(device)], ((ROWS, COLUMNS // 2), "uint8"), ((ROWS, COLUMNS), "float16"), device=device)
    assert torch.equal(bytes_.cpu(), source)
    assert torch.equal(half.cpu(), values_of(codes, dtype).half())


def nearest(x: torch.Tensor, dtype: str) -> torch.Tensor:
    """The code of the nearest value, ties to the even code."""
    if dtype != "float4_e2m1fn":
        low, high = (-8, 7) if dtype == "int4" else (0, 15)
        return x.trunc().clamp(low, high).long() & 15
    grid = torch.tensor(FLOAT4, dtype=torch.float64)
    distance = (x.abs().clamp(max=6.0)[..., None] - grid).abs() + torch.tensor([0, 1e-9] * 4)
    return distance.argmin(-1) | torch.signbit(x).long() << 3


@pytest.mark.parametrize("origin", ["float32", "float16", "int32"])
@pytest.mark.parametrize("dtype", NAMES)
def test_write_by_elements(dtype, origin, device):
    @T.prim_func
    def main(A: T.Tensor((ROWS, COLUMNS), origin), B: T.Tensor((ROWS, COLUMNS), dtype)):
        with T.Kernel(1, threads=64):
            for i, j in T.Parallel(ROWS, COLUMNS):
                B[i, j] = A[i, j]

    x = torch.randint(-40, 70, (ROWS, COLUMNS)).double() / (1 if origin == "int32" else 4)
    out = run(main, [x.to(torch_dtype(origin)).to(device)], ((ROWS, COLUMNS // 2), "uint8"), device=device)
    codes = x.long() & 15 if origin == "int32" and dtype != "float4_e2m1fn" else nearest(x, dtype)
    assert torch.equal(out.cpu(), packed(codes))


@pytest.mark.parametrize("n", [1, 37])
def test_dynamic_extent_and_output(n, device):
    @tilelang.jit(out_idx=-1)
    def build():
        rows = T.dynamic("rows")

        @T.prim_func
        def main(A: T.Tensor((rows, COLUMNS), "int4"), B: T.Tensor((rows, COLUMNS), "int4")):
            with T.Kernel(T.ceildiv(rows, 16), threads=64) as bx:
                for i, j in T.Parallel(16, COLUMNS):
                    if bx * 16 + i < rows:
                        B[bx * 16 + i, j] = A[bx * 16 + i, j] + 1

        return main

    codes = random_codes(n, COLUMNS)
    out = build()(packed(codes).view(torch.int8).to(device))
    assert out.dtype == torch.int8 and torch.equal(out.cpu().view(torch.uint8), packed((codes + 1) & 15))


def test_fill(device):
    @T.prim_func
    def main(A: T.Tensor((ROWS, COLUMNS), "float4_e2m1fn")):
        with T.Kernel(1, threads=32):
            S = T.alloc_shared((ROWS, COLUMNS), "float4_e2m1fn")
            T.fill(S, 3.0)
            T.copy(S, A)

    out = run(main, [], ((ROWS, COLUMNS // 2), "uint8"), device=device)
    assert torch.equal(out.cpu(), torch.full((ROWS, COLUMNS // 2), 0x55, dtype=torch.uint8))


@pytest.mark.parametrize("dtype", ["int4", "float4_e2m1fn"])
def test_gemm_of_dequantised_weights(dtype, device):
    M, N, K, block = 64, 64, 128, 32

    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), B: T.Tensor((N, K), dtype), C: T.Tensor((M, N), "float32")):
        with T.Kernel(1, threads=128):
            A_s = T.alloc_shared((M, block), "float16")
            B_s = T.alloc_shared((N, block), dtype)
            B_h = T.alloc_shared((N, block), "float16")
            C_f = T.alloc_fragment((M, N), "float32")
            T.clear(C_f)
            for k in T.Pipelined(K // block, num_stages=2):
                T.copy(A[0, k * block], A_s)
                T.copy(B[0, k * block], B_s)
                T.copy(B_s, B_h)
                T.gemm(A_s, B_h, C_f, transpose_B=True)
            T.copy(C_f, C)

    a, codes = torch.randn(M, K).half(), random_codes(N, K)
    out = run(main, [a.to(device), packed(codes).to(device)], ((M, N), "float32"), device=device)
    torch.testing.assert_close(out.cpu().double(), a.double() @ values_of(codes, dtype).T, rtol=1e-4, atol=1e-3)


def test_misuse(device):
    @T.prim_func
    def main(A: T.Tensor((ROWS, COLUMNS), "int4"), B: T.Tensor((ROWS, COLUMNS), "int8")):
        with T.Kernel(1, threads=32):
            T.copy(A, B)

    kernel = tilelang.compile(main)
    b = torch.empty(ROWS, COLUMNS, dtype=torch.int8, device=device)
    with pytest.raises(tilelang.errors.ArgumentTypeError, match="expected bytes of two int4 each"):
        kernel(torch.zeros(ROWS, COLUMNS // 2, device=device), b)
    with pytest.raises(tilelang.errors.ArgumentError, match="two in each byte of the last axis"):
        kernel(b, b)


@pytest.mark.parametrize("backend", ["auto", "cython", "torch", "dlpack"])
def test_outputs_of_every_backend(backend, device):
    @T.prim_func
    def main(A: T.Tensor((ROWS, COLUMNS), "float4_e2m1fn"), B: T.Tensor((ROWS, COLUMNS), "float4_e2m1fn")):
        with T.Kernel(1, threads=32):
            T.copy(A, B)

    codes = packed(random_codes(ROWS, COLUMNS)).to(device).view(torch.float4_e2m1fn_x2)
    out = tilelang.compile(main, out_idx=-1, execution_backend=backend)(codes)
    assert out.dtype == torch.float4_e2m1fn_x2
    assert torch.equal(out.view(torch.uint8), codes.view(torch.uint8))


def test_eager_shapes_count_elements(device):
    @tilelang.jit
    def double(A):
        M, K = T.const("M, K")
        A: T.Tensor((M, K), "uint4")
        B = T.empty((M, K), "float16")
        with T.Kernel(1, threads=32):
            for i, j in T.Parallel(M, K):
                B[i, j] = T.cast(A[i, j], "float16") * 2
        return B

    codes = random_codes(ROWS, COLUMNS)
    assert torch.equal(double(packed(codes).to(device)).cpu(), codes.half() * 2)


def test_guarded_writes_keep_the_other_half(device):
    """A condition between the elements of a byte; and a serial loop of each thread."""

    @T.prim_func
    def main(A: T.Tensor((ROWS, COLUMNS), "int4"), B: T.Tensor((ROWS, COLUMNS), "int4"), n: T.int32):
        with T.Kernel(1, threads=ROWS):
            tx = T.get_thread_binding()
            for j in T.serial(COLUMNS):
                B[tx, j] = 3
            for i, j in T.Parallel(ROWS, COLUMNS):
                if j < n:
                    B[i, j] = A[i, j]

    codes, n = random_codes(ROWS, COLUMNS), 31
    kernel = tilelang.compile(main, out_idx=1)
    out = kernel(packed(codes).to(device), n).cpu().view(torch.uint8)
    assert torch.equal(out, packed(torch.where(torch.arange(COLUMNS) < n, codes, 3)))


def test_half_of_a_byte_is_refused():
    @T.prim_func
    def main(A: T.Tensor((ROWS, COLUMNS), "int4")):
        with T.Kernel(1, threads=32):
            tx = T.get_thread_binding()
            A[0, tx] = 1

    with pytest.raises(tilelang.errors.SemanticError, match="half of a byte"):
        tilelang.compile(main)


def test_odd_extents_are_refused():
    @T.prim_func
    def main(A: T.Tensor((ROWS, 33), "int4")):
        with T.Kernel(1, threads=32):
            T.clear(A)

    with pytest.raises(tilelang.errors.ShapeError, match="last extent of `A` is 33"):
        tilelang.compile(main)


def test_cpu_target():
    @T.prim_func
    def main(A: T.Tensor((ROWS, COLUMNS), "float4_e2m1fn"), B: T.Tensor((ROWS, COLUMNS), "float4_e2m1fn")):
        with T.Kernel(1, threads=1):
            for i, j in T.Parallel(ROWS, COLUMNS):
                B[i, j] = A[i, j] * 2

    codes = random_codes(ROWS, COLUMNS)
    out = tilelang.compile(main, out_idx=1, target="c")(packed(codes))
    assert torch.equal(out.view(torch.uint8), packed(nearest(values_of(codes, "float4_e2m1fn") * 2, "float4_e2m1fn")))
