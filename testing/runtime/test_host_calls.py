"""T.call_packed: functions of the host between launches, in order, on the same memory."""

from __future__ import annotations

import pytest
import torch
import tvm_ffi

import tilelang
import tilelang.language as T
from tilelang.codegen.launch_plan import LaunchPlan
from tilelang.errors import ArgumentError, DTypeError, FrontendError, UnsupportedError
from tilelang.jit import InterpreterJit
from tilelang.runtime.errors import HostCallError

SIMULATED = {"execution_backend": "simulator"}
INTERPRETED = {"jit": InterpreterJit()}
WAYS = {
    "simulator": SIMULATED,
    "c": {"target": "c"},
    "interpreter": INTERPRETED,
    **{name: {"execution_backend": name} for name in ("auto", "dlpack", "torch", "cython")},
}
received: list[tuple] = []
n = T.dynamic("n")


def registered(function):
    """Registered under its name, as users do."""
    return tvm_ffi.register_global_func(f"testing.{function.__name__}", function, override=True)


@registered
def note(*arguments):
    """Keeps what it receives: of tensors a copy."""
    received.append(tuple(torch.from_dlpack(a).clone() if hasattr(a, "__dlpack__") else a for a in arguments))


@registered
def double(x, *_):
    torch.from_dlpack(x).mul_(2)
    return x.shape[0]


@registered
def fail(x):
    raise ValueError(f"{x} is not what was expected")


@registered
def large():
    return 2**40


@T.prim_func
def around_launches(A: T.Tensor((n, 8), "float32"), B: T.Tensor((n, 8), "float32"), x: T.float32, on: T.bool):
    W = T.alloc_global((n, 8), "float32")
    T.call_packed("testing.note", A, A[1, 2:5], n * 2 + 1, x, on, "before", None, -1.5, False)
    T.call_packed("testing.double", A[: n - 1, 4:])
    with T.Kernel(n, threads=32) as i:
        for j in T.Parallel(8):
            W[i, j] = A[i, j] + 1.0
    rows = T.call_packed("testing.double", W)
    with T.Kernel(T.ceildiv(rows, 2), threads=32) as i:
        for r, j in T.Parallel(2, 8):
            if 2 * i + r < rows:
                B[2 * i + r, j] = W[2 * i + r, j] * rows
    T.evaluate(T.tvm_call_packed("testing.double", T.view(B, (n * 8,)), rows))
    T.call_packed("testing.note", B, rows)


@pytest.mark.parametrize("way", WAYS)
def test_calls_between_launches(way, device):
    kernel = tilelang.compile(around_launches, **WAYS[way])
    place = "cpu" if way in ("simulator", "c", "interpreter") else device
    a, b = torch.randn(5, 8, device=place), torch.full((5, 8), torch.nan, device=place)
    before = a.clone()
    received.clear()
    kernel(a, b, 2.5, True)
    expected = before.clone()
    expected[:4, 4:] *= 2
    assert torch.equal(a, expected)
    torch.testing.assert_close(b, (expected + 1) * 2 * 5 * 2)
    (whole, part, *rest), (last, rows) = received
    assert torch.equal(whole, before) and torch.equal(part, before[1, 2:5]) and torch.equal(last, b) and rows == 5
    assert rest == [11, 2.5, True, "before", None, -1.5, False]
    assert LaunchPlan.from_json(kernel.artifact.plan.to_json()) == kernel.artifact.plan
    if way == "interpreter":
        return
    bound = kernel.bind(a, b, 0.0, False)
    bound()
    expected[:4, 4:] *= 2
    torch.testing.assert_close(b, (expected + 1) * 2 * 5 * 2)


def test_outputs_strides_pointers_and_small_types():
    @tilelang.jit(execution_backend="simulator")
    def eager(A):
        A: T.StridedTensor((8, 16), (32, 2), "bfloat16")
        O = T.empty((8, 16), "bfloat16")
        T.call_packed("testing.note", A, A[2:4, 1], A.data, T.address_of(A[1, 3]), T.access_ptr(O, "w"))
        with T.Kernel(1, threads=32):
            T.copy(A, O)
        T.call_packed("testing.double", O[0:4, :])
        return O

    memory = torch.randn(8, 32, dtype=torch.bfloat16)
    a = memory[:, ::2]
    received.clear()
    out = eager(a)
    whole, part, first, other, output = received[0]
    assert torch.equal(whole, a) and torch.equal(part, a[2:4, 1])
    assert (first.value, other.value, output.value) == (a.data_ptr(), a.data_ptr() + 2 * (32 + 6), out.data_ptr())
    assert torch.equal(out[:4], a[:4] * 2) and torch.equal(out[4:], a[4:])


def test_nothing_but_calls():
    @T.prim_func
    def main(A: T.Tensor((4,), "int32")):
        T.call_packed("testing.double", A)

    a = torch.arange(4, dtype=torch.int32)
    tilelang.compile(main, **SIMULATED)(a)
    assert a.tolist() == [0, 2, 4, 6]


def test_the_checker_takes_what_a_function_wrote_as_written():
    @T.prim_func
    def main(A: T.Tensor((32,), "float32"), B: T.Tensor((32,), "float32")):
        W = T.alloc_global((32,), "float32")
        T.call_packed("testing.fill", W, A)
        with T.Kernel(1, threads=32):
            tx = T.get_thread_binding()
            B[tx] = W[tx]

    @registered
    def fill(w, a):
        torch.from_dlpack(w).copy_(torch.from_dlpack(a))

    a = torch.randn(32)
    kernel = tilelang.compile(main, [1], **SIMULATED)
    assert not kernel.check(a).findings
    assert torch.equal(kernel(a), a)


def compiled(host, **options):
    @T.prim_func
    def main(A: T.Tensor((n,), "float32"), m: T.int32):
        host(A, m)
        with T.Kernel(1, threads=32):
            A[0] = 1.0

    return tilelang.compile(main, **(options or SIMULATED))


@pytest.mark.parametrize(
    ("host", "error", "words"),
    [
        (lambda A, m: T.call_packed("testing.no_such", A), HostCallError, "calls `testing.no_such`, which is not registered"),
        (lambda A, m: T.call_packed("testing.fail", m), HostCallError, "raised ValueError: 3 is not what was expected"),
        (lambda A, m: T.call_packed("testing.note", T.call_packed("testing.large")), HostCallError, "returned 1099511627776"),
        (lambda A, m: T.call_packed("testing.note", T.call_packed("testing.note")), HostCallError, "returned None"),
        (lambda A, m: T.call_packed("testing.note", A[m : m + 4]), ArgumentError, "3:7 of axis 0 of `A`, which has 5"),
    ],
)
@pytest.mark.parametrize("way", [SIMULATED, INTERPRETED], ids=["simulator", "interpreter"])
def test_refused_when_called(host, error, words, way):
    kernel = compiled(host, **way)
    with pytest.raises(error, match=words) as caught:
        kernel(torch.zeros(5), 3)
    assert isinstance(caught.value, ValueError) == ("ValueError" in words or error is ArgumentError)


@pytest.mark.parametrize(
    ("host", "error", "words"),
    [
        (lambda A, m: T.call_packed(), DTypeError, "without a function"),
        (lambda A, m: T.call_packed(A), DTypeError, "the name of a function that tvm_ffi.register_global_func"),
        (lambda A, m: T.call_packed("f", A[0]), UnsupportedError, "the element A.0., which the host does not read"),
        (lambda A, m: T.call_packed("f", object()), DTypeError, "an argument of 'f'"),
        (lambda A, m: T.call_packed("f", T.sqrt(T.cast(m, "float32"))), UnsupportedError, "pass a constant, a parameter"),
        (lambda A, m: T.alloc_global((T.call_packed("f"),), "int8"), UnsupportedError, "allocated before the first call"),
    ],
)
def test_refused_when_compiled(host, error, words):
    with pytest.raises(error, match=words) as caught:
        compiled(host)
    assert caught.value.span is None or caught.value.span.file == __file__


def test_not_in_device_code_nor_where_nothing_calls(tmp_path):
    @T.prim_func
    def inside(A: T.Tensor((8,), "float32")):
        with T.Kernel(1, threads=32):
            T.call_packed("testing.note", A)

    with pytest.raises(UnsupportedError, match="a device cannot call functions of the host"):
        tilelang.compile(inside, **SIMULATED)

    @T.prim_func
    def loop(A: T.Tensor((n,), "float32")):
        for _ in T.serial(n):
            T.call_packed("testing.note", A)

    with pytest.raises(FrontendError, match="a loop over T.serial outside T.Kernel"):
        tilelang.compile(loop, **SIMULATED)
    with pytest.raises(UnsupportedError, match="which an exported module cannot"):
        tilelang.compile(around_launches, target="c").export_library(tmp_path / "kernel.py")
    kernel = tilelang.compile(around_launches, **SIMULATED)
    from tilelang.jit.adapter.nvrtc import NvrtcAdapter

    with pytest.raises(UnsupportedError, match="execution backend 'nvrtc' does not do"):
        NvrtcAdapter(kernel.artifact, kernel.options)


def test_loops_around_launches():
    @T.prim_func
    def scan(A: T.Tensor((64,), "int32"), B: T.Tensor((64,), "int32")):
        W = T.alloc_global((2, 64), "int32")
        with T.Kernel(1, threads=64):
            tx = T.get_thread_binding()
            W[0, tx] = A[tx]
        for step in range(6):
            with T.Kernel(1, threads=64):
                tx = T.get_thread_binding()
                W[(step + 1) % 2, tx] = W[step % 2, tx] + T.if_then_else(tx >= 2**step, W[step % 2, T.max(tx - 2**step, 0)], 0)
            for k in T.serial(1, 3):
                T.call_packed("testing.note", step, k)
        with T.Kernel(1, threads=64):
            tx = T.get_thread_binding()
            B[tx] = W[0, tx]

    a, b = torch.randint(0, 100, (64,), dtype=torch.int32), torch.zeros(64, dtype=torch.int32)
    kernel = tilelang.compile(scan, **SIMULATED)
    received.clear()
    kernel(a, b)
    assert torch.equal(b, a.cumsum(0).int()) and len(kernel.artifact.plan.kernels) == 8
    assert received == [(step, k) for step in range(6) for k in (1, 2)]

    @T.prim_func
    def many(A: T.Tensor((64,), "int32")):
        for _ in range(1000):
            T.call_packed("testing.double", A)

    with pytest.raises(FrontendError, match="1000 iterations outside T.Kernel"):
        tilelang.compile(many, **SIMULATED)
