# ruff: noqa: F841  (in a kernel an assignment is a store)
"""Expressions: short circuits, chains, conditional expressions, functions, macros."""

import numpy as np
import pytest

import tilelang.language as T
from testing.frontend.interpreter import evaluate
from tilelang.errors import FrontendError


def poison(n, dtype="int32"):
    return np.full(n, 77, dtype)


def test_and_or_not_guard_loads():
    @T.prim_func
    def main(A: T.Tensor((4,), "int32"), B: T.Tensor((8,), "int32")):
        with T.Kernel(1, threads=1):
            for i in T.serial(8):
                B[i] = 1 if i < 4 and A[i] > 0 else (2 if i >= 4 or A[i] == 0 else 3)

    a, b = np.array([1, 0, -1, 2], "int32"), poison(8)
    evaluate(main, a, b)
    assert b.tolist() == [1, 2, 3, 1, 2, 2, 2, 2]


def test_symbolic_mixed_with_constants():
    on, off, value = True, False, 3

    @T.prim_func
    def main(B: T.Tensor((4,), "int32")):
        with T.Kernel(4, threads=1) as b:
            if on and b > 0 and not off:
                B[b] = 1
            elif (off or b == 0) and value == 3:
                B[b] = 2 if 2 < value <= 3 else b

    b = poison(4)
    evaluate(main, b)
    assert b.tolist() == [2, 1, 1, 1]


def test_chained_comparison():
    @T.prim_func
    def main(A: T.Tensor((9,), "int32"), B: T.Tensor((9,), "int32")):
        with T.Kernel(1, threads=1):
            for i in range(9):
                B[i] = 0
                if 2 <= A[i] < 6 != i:
                    B[i] = 1

    a, b = np.arange(9, dtype="int32")[::-1].copy(), poison(9)
    evaluate(main, a, b)
    assert b.tolist() == [int(2 <= x < 6 != i) for i, x in enumerate(a)]


def test_nested_functions_lambdas_comprehensions_defaults():
    @T.prim_func
    def main(B: T.Tensor((8,), "int32"), scale=3):
        def twice(x, extra=1):
            y = x * 2
            return y + extra

        square = lambda v: v * v if scale == 3 else v  # noqa: E731
        with T.Kernel(1, threads=1):
            for i in range(4):
                B[i] = twice(i, extra=scale)
            B[4] = square(B[1]) + sum([k for k in range(4) if k != 2])
            B[5] = {k: 2 * k for k in (1, 2)}[2]
            B[6] = len({1, 2, 3})
            name = f"{scale}x"
            B[7] = 9 if name == "3x" else 0

    b = poison(8)
    evaluate(main, b)
    assert b.tolist() == [3, 5, 7, 9, 25 + 4, 4, 3, 9]


def test_macro_by_value_and_by_reference():
    @T.macro
    def bump(x: T.Ref, by):
        x = x + by
        by = 0
        x += by

    @T.macro
    def pair(a, b):
        c = a + b
        return c, a - b

    @T.prim_func
    def main(A: T.Tensor((4,), "int32")):
        with T.Kernel(1, threads=1):
            v = T.alloc_var("int32", init=10)
            bump(v, A[0])
            bump(A[1], v)
            s, d = pair(A[0], A[1])
            A[0] = 0
            A[2] = s
            A[3] = d

    a = np.array([5, 100, 0, 0], "int32")
    evaluate(main, a)
    assert a.tolist() == [0, 115, 120, -110]


def test_macro_with_loops_and_allocations():
    @T.macro
    def row_sum(A, i, out: T.Ref):
        acc = T.alloc_var("int32", init=0)
        for j in T.serial(4):
            acc += A[i, j]
        out = acc

    @T.prim_func
    def main(A: T.Tensor((3, 4), "int32"), B: T.Tensor((3,), "int32")):
        with T.Kernel(3, threads=1) as b:
            row_sum(A, b, B[b])

    a, b = np.arange(12, dtype="int32").reshape(3, 4), poison(3)
    evaluate(main, a, b)
    assert b.tolist() == a.sum(1).tolist()


def test_atomic_returns_previous_value():
    @T.prim_func
    def main(A: T.Tensor((2,), "int32"), B: T.Tensor((4,), "int32")):
        with T.Kernel(1, threads=1):
            for i in range(4):
                old = T.atomic_add(A[0], i, return_prev=True)
                B[i] = old + old

    a, b = np.zeros(2, "int32"), poison(4)
    evaluate(main, a, b)
    assert a[0] == 6 and b.tolist() == [0, 0, 2, 6]


def test_arithmetic_follows_python():
    @T.prim_func
    def main(A: T.Tensor((20,), "int32"), B: T.Tensor((20, 8), "int32"), F: T.Tensor((20,), "float32")):
        with T.Kernel(1, threads=1):
            for i in range(20):
                x = A[i]
                B[i, 0] = x // 3
                B[i, 1] = x % 3
                B[i, 2] = x // -3
                B[i, 3] = T.truncdiv(x, 3) * 100 + T.truncmod(x, 3)
                B[i, 4] = -x + ~x
                B[i, 5] = (x & 6) | (x ^ 3)
                B[i, 6] = abs(x) + T.min(x, 2) + T.max(x, i) + T.clamp(x, -1, 1)
                B[i, 7] = T.ceildiv(x, 4)
                F[i] = x * 0.5 + T.cast(x, "float32") / 4

    a, b, f = np.arange(-10, 10, dtype="int32"), poison((20, 8)), poison(20, "float32")
    evaluate(main, a, b, f)
    for i, x in enumerate(a.tolist()):
        trunc = int(x / 3)
        tail = abs(x) + min(x, 2) + max(x, i) + min(max(x, -1), 1)
        expected = [x // 3, x % 3, x // -3, trunc * 100 + x - trunc * 3, -x + ~x, (x & 6) | (x ^ 3), tail, -(-x // 4)]
        assert b[i].tolist() == expected and f[i] == x * 0.75


def test_closures_are_taken_at_decoration():
    made = []
    for n in (1, 2, 3):

        @T.prim_func
        def main(B: T.Tensor((1,), "int32")):
            with T.Kernel(1, threads=1):
                B[0] = n

        made.append(main)
    results = []
    for func in made:
        b = poison(1)
        evaluate(func, b)
        results.append(int(b[0]))
    assert results == [1, 2, 3]


def test_helper_of_plain_python():
    def body(A, i):  # not rewritten: plain Python on values
        A[i] = A[i] * 2 + 1

    @T.prim_func
    def main(A: T.Tensor((3,), "int32")):
        with T.Kernel(1, threads=1):
            for i in range(3):
                body(A, i)

    a = np.array([1, 2, 3], "int32")
    evaluate(main, a)
    assert a.tolist() == [3, 5, 7]


def test_plain_python_cannot_branch_on_values():
    def relu(x):
        return x if x > 0 else 0

    @T.prim_func
    def main(A: T.Tensor((3,), "int32")):
        with T.Kernel(1, threads=1):
            A[0] = relu(A[1])

    with pytest.raises(FrontendError, match="truth value"):
        main.get()


def test_local_tiles_in_python_containers():
    @T.prim_func
    def main(B: T.Tensor((2,), "int32")):
        with T.Kernel(1, threads=1):
            cells = [T.alloc_var("int32", init=k) for k in (3, 4)]
            cells[0] = 9
            copies = cells[1]
            cells[1] = 5
            B[0] = cells[0] + cells[1]
            B[1] = copies

    b = poison(2)
    evaluate(main, b)
    assert b.tolist() == [14, 4]


def test_items_of_a_list_are_taken_at_assignment():
    @T.prim_func
    def main(A: T.Tensor((4,), "int32")):
        with T.Kernel(1, threads=1):
            old = [A[i] for i in range(4)]
            for i in range(4):
                A[i] = 0
            for k in [0, 1, 2, 3]:
                A[k] = old[3 - k]

    a = np.array([1, 2, 3, 4], "int32")
    evaluate(main, a)
    assert a.tolist() == [4, 3, 2, 1]


def test_a_value_read_before_a_write_is_not_evaluated_after():
    def helper(A):  # plain Python: v is an unevaluated load
        v = A[0] + 1
        A[0] = 5
        A[1] = v

    @T.prim_func
    def by_helper(A: T.Tensor((4,), "int32")):
        with T.Kernel(1, threads=1):
            helper(A)

    @T.prim_func
    def by_atomic(A: T.Tensor((4,), "int32")):
        with T.Kernel(1, threads=1):
            A[1] = A[0] + T.atomic_add(A[0], 1, return_prev=True)

    for func in (by_helper, by_atomic):
        with pytest.raises(FrontendError, match="an element of A was read before"):
            func.get()
