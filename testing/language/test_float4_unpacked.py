"""T.float4_e2m1_unpacked: 4-bit floats in bytes of their own, against ml_dtypes."""

import ml_dtypes
import numpy as np
import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random
from tilelang.errors import DTypeError, UnsupportedError
from tilelang.jit import InterpreterJit

U4 = T.float4_e2m1_unpacked
VALUES = torch.from_numpy(np.arange(16, dtype=np.uint8).view(ml_dtypes.float4_e2m1fn).astype(np.float32))
WAYS = [{}, {"target": "c"}]
n = T.dynamic("n")


def draw(*shape):
    """Random codes, and bytes that hold them below bits that mean nothing."""
    codes = torch.randint(0, 16, shape, dtype=torch.uint8)
    return codes, codes | torch.randint(0, 16, shape, dtype=torch.uint8) << 4


def nearest(x):
    """The codes of the nearest elements."""
    return torch.from_numpy(x.float().cpu().numpy().astype(ml_dtypes.float4_e2m1fn).view(np.uint8))


def packed(codes):
    return codes[..., ::2] | codes[..., 1::2] << 4


@T.prim_func
def copies(
    P: T.Tensor((n, 64), "float4_e2m1fn"), H: T.Tensor((n, 64), "float16"), U: T.Tensor((n, 64), U4),
    F: T.Tensor((n, 64), "float32"), Q: T.Tensor((n, 64), "float4_e2m1fn"), R: T.Tensor((n, 64), U4), V: T.Tensor((n, 64), U4),
):  # fmt: skip
    with T.Kernel(T.ceildiv(n, 32), threads=64) as b:
        s = T.alloc_shared((32, 64), U4)
        f = T.alloc_fragment((32, 64), U4)
        T.copy(P[b * 32, 0], s)  # two in a byte to one in a byte
        T.copy(s, U[b * 32, 0])
        T.copy(s, f)
        T.copy(f, F[b * 32, 0])
        T.copy(s, Q[b * 32, 0])  # and back
        T.copy(H[b * 32, 0], f)  # rounds
        T.copy(f, R[b * 32, 0])
        T.fill(f, -1.5)
        T.copy(f, V[b * 32, 0])


@pytest.mark.parametrize("rows", [32, 77])
@pytest.mark.parametrize("way", WAYS, ids=["gpu", "c"])
def test_copies_and_conversions(way, rows, device):
    place = "cpu" if way else device
    codes, _ = draw(rows, 64)
    h = random((rows, 64), "float16", "cpu") * 3
    shapes = [((rows, 64), t) for t in ("uint8", "float32", "uint8", "uint8", "uint8")]
    shapes[2] = ((rows, 32), "uint8")
    u, f, q, r, v = (x.cpu() for x in run(copies, [packed(codes).to(place), h.to(place)], *shapes, device=place, **way))
    assert torch.equal(u, codes) and torch.equal(f, VALUES[codes.long()]) and torch.equal(q, packed(codes))
    assert torch.equal(r, nearest(h)) and torch.all(v == nearest(torch.tensor(-1.5)))


@pytest.mark.parametrize("way", WAYS, ids=["gpu", "c"])
def test_values(way, device):
    @tilelang.jit(**way)
    def main(A, B):
        A: T.StridedTensor((16, 24), (48, 2), U4)
        B: T.Tensor((16, 24), U4)
        O = T.empty((16, 24), U4)
        X = T.empty((4, 16, 24), "float32")
        C = T.empty((16, 24), "uint8")
        with T.Kernel(1, threads=32):
            for i, j in T.Parallel(16, 24):
                O[i, j] = A[i, j] + B[i, j]
                X[0, i, j] = T.max(A[i, j], B[i, j])
                X[1, i, j] = T.if_then_else(A[i, j] < B[i, j], T.cast(A[i, j], "float16"), T.float16(9))
                X[2, i, j] = T.cast(A[i, j], "float32") * T.cast(B[i, j], "float32")
                X[3, i, j] = T.reinterpret(T.uint8(5), U4) + T.max_value(U4)
                C[i, j] = T.reinterpret(T.cast(T.cast(A[i, j], "float32") * 0.75, U4), "uint8")
        return O, X, C

    (a, memory), (b, noise) = draw(16, 48), draw(16, 24)
    place = "cpu" if way else device
    out, x, c = (t.cpu() for t in main(memory.to(place)[:, ::2], noise.to(place)))
    a, b = VALUES[a[:, ::2].long()], VALUES[b.long()]
    assert torch.equal(VALUES[out.long()], VALUES[nearest(a + b).long()])
    assert torch.equal(x[0], torch.maximum(a, b)) and torch.equal(x[1], torch.where(a < b, a, 9.0)) and torch.equal(x[2], a * b)
    assert torch.all(x[3] == VALUES[nearest(torch.tensor(9.0)).long()])
    assert torch.equal(c, nearest(a * 0.75))


def test_a_product_of_what_is_unpacked_in_a_pipeline(device):
    @T.prim_func
    def main(A: T.Tensor((64, 128), "float16"), B: T.Tensor((64, 128), "float4_e2m1fn"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(1, threads=128):
            A_s = T.alloc_shared((64, 32), "float16")
            B_s = T.alloc_shared((64, 32), U4)
            B_h = T.alloc_shared((64, 32), "float16")
            acc = T.alloc_fragment((64, 64), "float32")
            T.clear(acc)
            for k in T.Pipelined(4, num_stages=2):
                T.copy(A[0, k * 32], A_s)
                T.copy(B[0, k * 32], B_s)
                T.copy(B_s, B_h)
                T.gemm(A_s, B_h, acc, transpose_B=True)
            T.copy(acc, C)

    a, (codes, _) = random((64, 128), "float16", device), draw(64, 128)
    out = run(main, [a, packed(codes).to(device)], ((64, 64), "float32"), device=device)
    torch.testing.assert_close(out.cpu().double(), a.cpu().double() @ VALUES[codes.long()].double().T, rtol=1e-4, atol=1e-4)


def test_questions():
    assert U4 == "float4_e2m1_unpacked" and str(U4) == "float4_e2m1_unpacked" and U4.bits == 8 and U4.as_torch() is torch.uint8
    assert T.is_float4_e2m1_unpacked(U4) and T.is_float4(U4) and T.is_f8f6f4_family(U4) and not T.is_float4_e2m1fn(U4)
    assert not T.is_float4_e2m1_unpacked("float4_e2m1fn") and not hasattr(T, "float4_e2m1_unpackedx2")


def tiles():
    return (T.alloc_shared((64, 64), U4) for _ in range(2)), T.alloc_fragment((64, 64), "float32")


def gemm(A):
    (a, b), c = tiles()
    T.gemm(a, b, c)


def reduce(A):
    tile = T.alloc_fragment((64, 64), U4)
    T.reduce_max(tile, T.alloc_fragment((64,), U4), dim=1)


def tensor_memory(A):
    (a, b), _ = tiles()
    T.tcgen05_gemm(a, b, T.alloc_tmem((64, 64), "float32"), mbar=T.alloc_barrier(1))


def lanes(A):
    T.alloc_local((8,), U4)[0:4] = A[0, 0:4]


def exponential(A):
    A[0, 0] = T.exp(A[0, 1])


@pytest.mark.parametrize(
    ("statement", "arch", "error", "words"),
    [
        (gemm, "sm_90a", UnsupportedError, "T.gemm does not take `shared`, whose elements are float4_e2m1_unpacked"),
        (reduce, "sm_90a", UnsupportedError, "whose elements are float4_e2m1_unpacked"),
        (tensor_memory, "sm_100a", DTypeError, "float4_e2m1_unpacked by float4_e2m1_unpacked"),
        (lambda A: T.atomic_add(A[0, 0], 1.0), "sm_90a", DTypeError, "into A, which is float4_e2m1_unpacked"),
        (lanes, "sm_90a", UnsupportedError, "4 bits"),
        (exponential, "sm_90a", UnsupportedError, "T.exp does not take elements of 4 bits"),
    ],
)
def test_misuse(statement, arch, error, words):
    @T.prim_func
    def main(A: T.Tensor((64, 64), U4)):
        with T.Kernel(1, threads=128):
            statement(A)

    with pytest.raises(error, match=words) as caught:
        tilelang.compile(main, target={"kind": "cuda", "arch": arch})
    assert caught.value.span.file == __file__


@T.prim_func
def first(A: T.Tensor((8,), U4)):
    with T.Kernel(1, threads=32):
        A[0] = 1.0


def test_not_a_type():
    with pytest.raises(DTypeError, match="not an element type"):
        T.is_float4_e2m1_unpacked("float4_e2m1_unpackd")
    with pytest.raises(UnsupportedError, match="no elements of type float4_e2m1_"):
        tilelang.compile(first, jit=InterpreterJit())(torch.zeros(8, dtype=torch.uint8))
