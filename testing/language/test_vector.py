"""Vector values, packed operations, accesses of a stated width, bit tricks."""

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random
from tilelang.errors import DTypeError, SemanticError

N = 64


def packed(dtype):
    @T.prim_func
    def main(A: T.Tensor((2 * N,), dtype), B: T.Tensor((2 * N,), dtype), O: T.Tensor((9, 2 * N), dtype)):
        with T.Kernel(1, threads=N):
            t = T.get_thread_binding()
            x = A[T.Ramp(t * 2, 1, 2)]
            y = T.Shuffle([B[2 * t], B[2 * t + 1]], [0, 1])
            O[0, T.Ramp(t * 2, 1, 2)] = T.add2(x, y)
            O[1, T.Ramp(t * 2, 1, 2)] = T.sub2(x, y)
            O[2, T.Ramp(t * 2, 1, 2)] = T.mul2(x, y)
            O[3, T.Ramp(t * 2, 1, 2)] = T.fma2(x, y, T.Broadcast(T.cast(1.5, dtype), 2))
            O[4, T.Ramp(t * 2, 1, 2)] = T.max2(x, y)
            O[5, T.Ramp(t * 2, 1, 2)] = T.min2(x, y)
            O[6, T.Ramp(t * 2, 1, 2)] = T.abs2(x)
            O[7, T.Ramp(t * 2, 1, 2)] = T.exp(x)
            z = T.Shuffle([x], [1, 0])
            O[8, 2 * t] = T.extract_lane(z, 0)
            O[8, 2 * t + 1] = T.extract_lane(z, 1)

    return main


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_packed(dtype, device):
    a, b = random(2 * N, dtype, device), random(2 * N, dtype, device)
    out = run(packed(dtype), [a, b], ((9, 2 * N), dtype), device=device)
    x, y = a.double(), b.double()
    rows = [x + y, x - y, x * y, x * y + 1.5, x.maximum(y), x.minimum(y), x.abs(), x.exp(), x.view(-1, 2).flip(1).reshape(-1)]
    assert_close(out, torch.stack(rows), ulps=4)


@T.prim_func
def widths(
    A: T.Tensor((N, 32), "float16"),
    O: T.Tensor((N, 32), "float16"),
    P: T.Tensor((N, 16), "float16"),
    Q: T.Tensor((N,), "float32"),
):
    with T.Kernel(1, threads=N):
        t = T.get_thread_binding()
        S = T.alloc_shared((N, 16), "float16")
        T.stg256(O[t, 0], T.ldg256(A[t, 0]))
        T.stg128(O[t, 16], T.ldg128(A[t, 16]))
        T.stg64(O[t, 24], T.ldg64(A[t, 24]))
        T.stg32(O[t, 28], T.ldg32(A[t, 28]))
        T.stg32(O[t, 30], T.ldg32(A[t, 30], t < 32), t != 5)
        T.sts128(S[t, 0], T.ldg128(A[t, 0]))
        T.sts64(S[t, 8], T.ldg64(A[t, 8], pred=True))
        T.sts32(S[t, 12], T.ldg32(A[t, 12]))
        T.sts32(S[t, 14], T.reinterpret(T.Shuffle([A[t, 14], A[t, 15]], [0, 1]), "uint32"))
        T.sync_threads()
        T.stg128(P[t, 0], T.lds128(S[63 - t, 0]))
        T.stg64(P[t, 8], T.lds64(S[63 - t, 8]))
        T.stg32(P[t, 12], T.lds32(S[63 - t, 12]))
        T.stg32(P[t, 14], T.lds32(S[63 - t, 14]))
        Q[t] = (
            T.cast(T.__ldg(A[t, 3]), "float32") + T.cast(T.__ldg(A, t), "float32")
            if False
            else T.cast(T.__ldg(A[t, 3]), "float32")
        )


def test_widths(device):
    a = random((N, 32), "float16", device)
    o, p, q = run(widths, [a], ((N, 32), "float16"), ((N, 16), "float16"), ((N,), "float32"), device=device)
    want = a.clone()
    want[32:, 30:] = 0
    assert torch.equal(torch.cat([o[:5], o[6:]]), torch.cat([want[:5], want[6:]])) and torch.equal(o[5, :30], want[5, :30])
    assert o[5, 30:].isnan().all()
    assert torch.equal(p, a[:, :16].flip(0)) and torch.equal(q, a[:, 3].float())


@T.prim_func
def bits(A: T.Tensor((N,), "uint32"), F: T.Tensor((N,), "float32"), O: T.Tensor((6, N), "int32"), R: T.Tensor((6, N), "float32")):
    with T.Kernel(1, threads=N):
        t = T.get_thread_binding()
        O[0, t] = T.__ffs(A[t])
        O[1, t] = T.reinterpret(T.__fns(A[t], 0, 3), "int32")
        O[2, t] = T.reinterpret(T.__fns(A[t], 31, -2), "int32")
        O[3, t] = T.reinterpret(T.__fns(A[t], 4, 0), "int32")
        O[4, t] = T.popcount(A[t])
        O[5, t] = T.clz(A[t])
        R[0, t] = T.ldexp(F[t], 5)
        R[1, t] = T.nextafter(F[t], T.infinity("float32"))
        R[2, t] = T.nextafter(F[t], 0.0)
        R[3, t] = T.asinh(F[t])
        R[4, t] = T.acosh(T.abs(F[t]) + 1.0)
        R[5, t] = T.atanh(F[t] * 0.125)


def nth(mask, base, offset):
    if offset == 0:
        return base if mask >> base & 1 else -1
    order = range(base, 32) if offset > 0 else range(base, -1, -1)
    found = [b for b in order if mask >> b & 1]
    return found[abs(offset) - 1] if len(found) >= abs(offset) else -1


def test_bits(device):
    a, f = random(N, "uint32", device), random(N, "float32", device)
    a[0], a[1] = 0, 1
    o, r = run(bits, [a, f], ((6, N), "int32"), ((6, N), "float32"), device=device)
    masks = [x & 0xFFFFFFFF for x in a.cpu().view(torch.int32).tolist()]
    want = [
        [(m & -m).bit_length() for m in masks],
        [nth(m, 0, 3) for m in masks],
        [nth(m, 31, -2) for m in masks],
        [nth(m, 4, 0) for m in masks],
        [bin(m).count("1") for m in masks],
        [32 - m.bit_length() for m in masks],
    ]
    assert o.tolist() == want
    x, inf = f.cpu(), torch.tensor(float("inf"))
    assert torch.equal(r[:3].cpu(), torch.stack([x * 32, torch.nextafter(x, inf), torch.nextafter(x, torch.zeros(()))]))
    d = f.double()
    above = (f.abs() + 1.0).double()  # rounded as the kernel rounds it: acosh is steep at 1
    assert_close(r[3:], torch.stack([d.asinh(), above.acosh(), (d * 0.125).atanh()]), scale=1.0)


@pytest.mark.parametrize(
    "statement, kind, part",
    [
        (lambda x, G: T.add2(G[0], G[1]), DTypeError, "T.add2 of float32"),
        (lambda x, G: T.Broadcast(G[0], 1), SemanticError, "1 lanes"),
        (lambda x, G: T.Ramp(0, 0.5, 4), DTypeError, "T.Ramp of float32"),
        (lambda x, G: T.Shuffle([G[0], G[1]], [2]), SemanticError, "indices [2] of 2 lanes"),
        (lambda x, G: T.extract_lane(G[0], 1), SemanticError, "lane 1 of float32"),
        (lambda x, G: T.ldg64(x[0]), SemanticError, "T.ldg64 is for global memory; use T.lds64"),
        (lambda x, G: T.sts32(G[0], 1), SemanticError, "use T.stg32"),
        (lambda x, G: T.stg128(G[0], G[1]), DTypeError, "32 bits"),
        (lambda x, G: T.ldg32(3), DTypeError, "pass an element"),
        (lambda x, G: getattr(T, "__ldg")(x[0]), DTypeError, "global memory"),
        (lambda x, G: getattr(T, "__ffs")(G[0]), DTypeError, "T.__ffs of float32"),
    ],
)
def test_refusals(statement, kind, part):
    @T.prim_func
    def main(G: T.Tensor((8,), "float32")):
        with T.Kernel(1):
            x = T.alloc_shared((8,), "float32")
            statement(x, G)

    with pytest.raises(kind) as caught:
        main.get()
    assert part in str(caught.value)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_nvrtc_takes_the_text(dtype):
    """What a host compiler takes for granted, NVRTC may refuse: functions of lanes must be device functions."""
    kernel = tilelang.compile(packed(dtype), target={"kind": "cuda", "arch": "sm_90a"}, execution_backend="tvm_ffi")
    assert "tl::lanewise([](" in kernel.get_kernel_source() and kernel.n_spills == 0


@T.prim_func
def slices(A: T.Tensor((N, 8), "float16"), O: T.Tensor((N, 8), "float16"), P: T.Tensor((N, 4), "float32")):
    with T.Kernel(1, threads=N):
        t = T.get_thread_binding()
        x = T.alloc_local((8,), "float16")
        x[0:4] = A[t, 4:8]
        x[4:8] = 0
        O[t, 0:8:1] = x[0:8:1] * T.Broadcast(T.float16(2), 8)
        P[t, 0:4] = A[t, 0:8:2]


def test_slices_as_vectors(device):
    a = random((N, 8), "float16", device)
    twice, even = run(slices, [a], ((N, 8), "float16"), ((N, 4), "float32"), device=device)
    assert torch.equal(twice, torch.cat([a[:, 4:] * 2, torch.zeros_like(a[:, :4])], 1))
    assert torch.equal(even, a[:, ::2].float())
