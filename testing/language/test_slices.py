"""Arithmetic on slices, variables that are vectors, and := in conditions: as a reader of Python and NumPy expects."""

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random
from tilelang.errors import DTypeError, FrontendError, SemanticError, ShapeError

WAYS = [{}, {"target": "c"}]


def random_tile(*shape):
    return random(shape, "float32", "cpu")


@T.prim_func
def of_blocks(
    A: T.Tensor((16, 24), "float32"), B: T.Tensor((16, 24), "float16"), O: T.Tensor((3, 16, 24), "float32"), s: T.float32
):
    with T.Kernel(1, threads=64):
        a = T.alloc_fragment((16, 24), "float32")
        b = T.alloc_fragment((16, 24), "float16")
        c = T.alloc_fragment((16, 24), "float32")
        T.copy(A, a)
        T.copy(B, b)
        c[:, :] = a[:, :] * 2 + b[:, :]
        T.copy(c, O[0, :, :])
        c[:, :] -= a[:, :] / s
        c[...] *= -b[:, :]
        T.copy(c, O[1, :, :])
        c[:, 0:8] = 1.5
        c[:, 8:24] = a[:, 8:24]
        c[2:4, 3:5] += 100 - s * a[2:4, 3:5]
        O[2, :, :] = c[:, :] + 1


@pytest.mark.parametrize("way", WAYS, ids=["gpu", "c"])
def test_statements_of_the_block(way, device):
    place = "cpu" if way else device
    a, b = random_tile(16, 24), random_tile(16, 24).half()
    out = torch.full((3, 16, 24), torch.nan, device=place)
    tilelang.compile(of_blocks, **way)(a.to(place), b.to(place), out, 3.0)
    first = a * 2 + b
    second = (first - a / 3) * -b.float()
    third = torch.cat([torch.full((16, 8), 1.5), a[:, 8:]], 1)
    third[2:4, 3:5] += 100 - 3 * a[2:4, 3:5]
    torch.testing.assert_close(out.cpu(), torch.stack([first, second, third + 1]))


@T.prim_func
def of_threads(A: T.Tensor((32, 8), "float32"), O: T.Tensor((32, 6, 8), "float32")):
    with T.Kernel(1, threads=32):
        tx = T.get_thread_binding()
        own = T.alloc_local((8,), "float32")
        own[0:8] = A[tx, 0:8]
        own[0:4] += own[4:8]  # a vector: the right side is read first
        O[tx, 0, 0:8] = own[0:8]
        own[0:5] *= 2  # a loop of the thread
        own[5:8] = own[5:8] - A[tx, 0:3] * own[0]
        O[tx, 1, 0:8] = own[0:8]
        own[1:5] = own[0:4]
        O[tx, 2, 0:8] = own[0:8]
        own[0:3] = 7
        O[tx, 3, 0:8] = own[0:8]
        part = own[4:8]
        part -= 1
        O[tx, 4, 0:8] = own[0:8]
        O[tx, 5, 0:8] = A[tx, 0:8] + 1
        O[tx, 5, 2:4] += A[tx, 2:4]


@pytest.mark.parametrize("way", WAYS, ids=["gpu", "c"])
def test_statements_of_each_thread(way, device):
    place = "cpu" if way else device
    a = random_tile(32, 8)
    out = run(of_threads, [a.to(place)], ((32, 6, 8), "float32"), device=place, **way).cpu()
    own, expected = a.clone(), []
    own[:, 0:4] += own[:, 4:8].clone()
    expected.append(own.clone())
    own[:, 0:5] *= 2
    own[:, 5:8] -= a[:, 0:3] * own[:, :1]
    expected.append(own.clone())
    own[:, 1:5] = own[:, 0:4].clone()
    expected.append(own.clone())
    own[:, 0:3] = 7
    expected.append(own.clone())
    own[:, 4:8] -= 1
    expected.append(own.clone())
    last = a + 1
    last[:, 2:4] += a[:, 2:4]
    torch.testing.assert_close(out, torch.stack([*expected, last], 1))


@T.prim_func
def variables(A: T.Tensor((8, 32, 4), "float32"), H: T.Tensor((32, 2), "float16"), O: T.Tensor((32, 3, 4), "float32")):
    with T.Kernel(1, threads=32):
        tx = T.get_thread_binding()
        total = T.alloc_var("float32x4", init=0)
        pair = T.alloc_var("float16x2")
        pair = H[tx, 0:2]
        for k in T.serial(8):
            total += A[k, tx, 0:4]
            if k % 2 == 1:
                total = total * 2
        O[tx, 0, 0:4] = total
        kept = total
        total[0, 3] = -1
        pair += pair
        total[0, 0] = pair[0, 1]
        O[tx, 1, 0:4] = total
        O[tx, 2, 0:4] = kept


@pytest.mark.parametrize("way", WAYS, ids=["gpu", "c"])
def test_variables_that_are_vectors(way, device):
    place = "cpu" if way else device
    a, h = random_tile(8, 32, 4), random_tile(32, 2).half()
    out = run(variables, [a.to(place), h.to(place)], ((32, 3, 4), "float32"), device=place, **way).cpu()
    total = torch.zeros(32, 4)
    for k in range(8):
        total += a[k]
        if k % 2:
            total *= 2
    after = total.clone()
    after[:, 3], after[:, 0] = -1, (h[:, 1] + h[:, 1]).float()
    torch.testing.assert_close(out, torch.stack([total, after, total], 1))


@T.prim_func
def named(A: T.Tensor((64,), "int32"), B: T.Tensor((64,), "int32"), C: T.Tensor((64,), "int32")):
    with T.Kernel(1, threads=64):
        tx = T.get_thread_binding()
        if (y := A[tx] * 2) > 10 and y < 100:
            B[tx] = y
        elif (z := y + 1) > 3:
            B[tx] = (w := z * 2) + w
        else:
            B[tx] = -1
        k = T.alloc_var("int32", init=0)
        total = T.alloc_var("int32", init=0)
        while (v := A[k]) > 5:
            k += 1
            if v == 7:
                continue
            total += v
        C[tx] = total + (k := 5) + k


@pytest.mark.parametrize("way", WAYS, ids=["gpu", "c"])
def test_named_expressions(way, device):
    a = torch.randint(0, 60, (64,), dtype=torch.int32)
    a[:6] = torch.tensor([6, 7, 9, 7, 20, 3])
    place = "cpu" if way else device
    b, c = (x.cpu() for x in run(named, [a.to(place)], ((64,), "int32"), ((64,), "int32"), device=place, **way))
    y = a * 2
    rest = torch.where(y + 1 > 3, (y + 1) * 4, -1)
    assert torch.equal(b, torch.where((y > 10) & (y < 100), y, rest)) and torch.all(c == 35 + 10)


@T.prim_func
def builtins(A: T.Tensor((64,), "int32"), B: T.Tensor((64,), "int32"), n: T.int32):
    with T.Kernel(1, threads=64):
        tx = T.get_thread_binding()
        row, column = divmod(tx, 9)
        whole, rest = divmod(n, row + 1)
        B[tx] = min(A[tx], 7, column) * 100 + max(A[tx], min(2, 3)) + max(1, 4, 2) * 1000 + whole - rest


@pytest.mark.parametrize("way", WAYS, ids=["gpu", "c"])
def test_builtin_functions(way, device):
    place = "cpu" if way else device
    a = torch.randint(-20, 20, (64,), dtype=torch.int32)
    out = torch.zeros(64, dtype=torch.int32, device=place)
    tilelang.compile(builtins, **way)(a.to(place), out, 50)
    rows = [divmod(tx, 9) for tx in range(64)]
    expected = [min(x, 7, c) * 100 + max(x, 2) + 4000 + 50 // (r + 1) - 50 % (r + 1) for x, (r, c) in zip(a.tolist(), rows)]
    assert out.tolist() == expected


def fragments():
    return T.alloc_fragment((16, 16), "float32"), T.alloc_fragment((16, 16), "float32")


def different_extents(A):
    f, g = fragments()
    f[0:4, :] = g[0:5, :] * 2


def overlap(A):
    f, _ = fragments()
    f[0:4, :] = f[1:5, :] * 2


def a_name(A):
    f, _ = fragments()
    x = f[:, :] + 1
    A[0] = x


def a_buffer(A):
    f, g = fragments()
    f[:, :] = f[:, :] + g


def a_product(A):
    f, g = fragments()
    f[:, :] = f[:, :] @ g[:, :]


def compared(A):
    f, g = fragments()
    if f[:, :] < g[:, :]:
        A[0] = 1


def a_vector(A):
    f, _ = fragments()
    f[:, :] = f[:, :] * A[0:4]


def three_lanes(A):
    T.alloc_var("float32x3")


def of_each_thread(A):
    s = T.alloc_shared((16, 16), "float32")
    s[:, :] += 1


@pytest.mark.parametrize(
    ("statement", "error", "words"),
    [
        (different_extents, ShapeError, "4 x 16 and 5 x 16"),
        (overlap, SemanticError, "assigned before they are read"),
        (a_name, DTypeError, "as a value"),
        (a_buffer, DTypeError, r"\+ of a slice and the buffer"),
        (a_product, DTypeError, "@ of"),
        (compared, DTypeError, "a comparison of"),
        (a_vector, ShapeError, "16 x 16 and 4"),
        (of_each_thread, ShapeError, "not one element"),
        (three_lanes, DTypeError, "3 lanes"),
    ],
)
def test_refusals(statement, error, words):
    with pytest.raises(error, match=words):
        compile_statement(statement)


def behind_and(A):
    if A[0] > 1 and (y := A[1]) > 2:
        A[0] = y


def in_a_comprehension(A):
    A[0] = sum([(y := k) + y for k in range(3)])


def of_every_iteration(A):
    while (y := 3) > 2:
        A[0] = y


@pytest.mark.parametrize(
    ("statement", "words"),
    [(behind_and, "only sometimes"), (in_a_comprehension, "lambda or comprehension"), (of_every_iteration, "always true")],
)
def test_named_expressions_that_are_refused(statement, words):
    with pytest.raises(FrontendError, match=words):
        compile_statement(statement)


def compile_statement(statement):
    @T.prim_func
    def main(A: T.Tensor((8,), "float32")):
        with T.Kernel(1, threads=32):
            T.macro(statement)(A)

    return tilelang.compile(main, target={"kind": "cuda", "arch": "sm_90a"})
