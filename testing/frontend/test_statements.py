# ruff: noqa: F841  (in a kernel an assignment is a store)
"""Each accepted statement means what Python's does."""

import logging

import numpy as np
import pytest

import tilelang.language as T
from testing.frontend.interpreter import evaluate


def ints(n, low=-9, high=10):
    return np.random.default_rng(n).integers(low, high, n).astype("int32")


def poison(n, dtype="int32"):
    return np.full(n, 77, dtype)


def test_if_elif_else():
    @T.prim_func
    def main(A: T.Tensor((32,), "int32"), B: T.Tensor((32,), "int32")):
        with T.Kernel(1, threads=1):
            for i in range(32):
                if A[i] > 3:
                    B[i] = 1
                elif A[i] < -3 and i % 2 == 0:
                    B[i] = 2
                elif not (A[i] == 0 or A[i] == 1):
                    B[i] = 3
                else:
                    B[i] = 4

    a, b = ints(32), poison(32)
    evaluate(main, a, b)
    expected = [1 if x > 3 else 2 if x < -3 and i % 2 == 0 else 3 if x not in (0, 1) else 4 for i, x in enumerate(a)]
    assert b.tolist() == expected


def test_constant_condition_leaves_one_branch():
    flag, other = False, 5

    @T.prim_func
    def main(B: T.Tensor((2,), "int32")):
        with T.Kernel(1, threads=1) as bx:
            if flag:
                x = 1
                y = x
            elif other > 4:
                x = 2
            else:
                x = 3
            B[0] = x
            if bx * 0 == 0:
                z = 8
            B[1] = z

    b = poison(2)
    evaluate(main, b)
    assert b.tolist() == [2, 8] and "if" not in main.script()


@pytest.mark.parametrize("args", [(7,), (2, 9), (1, 20, 4), (9, 1, -3), (0, 7, 7), (5, 5)])
def test_range_as_in_python(args):
    @T.prim_func
    def main(B: T.Tensor((32,), "int32"), n: T.Tensor((1,), "int32")):
        with T.Kernel(1, threads=1):
            for i in range(*args):
                B[n[0]] = i
                n[0] += 1

    b, n = poison(32), np.zeros(1, "int32")
    evaluate(main, b, n)
    assert b[: n[0]].tolist() == list(range(*args))


def test_loops_over_python_values_unroll():
    table = {"a": 3, "b": 4}

    @T.prim_func
    def main(B: T.Tensor((16,), "int32")):
        with T.Kernel(1, threads=1) as bx:
            total = 0
            for k, v in enumerate([5, 6, 7]):
                total = total + v
                B[k] = total + bx
            for x, y in zip((1, 2), [10, 20], strict=True):
                B[2 + x] = y
            for name in table:
                if name == "b":
                    break
                B[5] = table[name]
            for j in [6, 7, 8]:
                if j == 7:
                    continue
                B[j] = j
            B[7] = total

    b = poison(16)
    evaluate(main, b)
    assert b[:9].tolist() == [5, 11, 18, 10, 20, 3, 6, 18, 8]


def test_while_break_continue():
    @T.prim_func
    def main(A: T.Tensor((16,), "int32"), B: T.Tensor((4,), "int32")):
        with T.Kernel(1, threads=1):
            i = T.alloc_var("int32", init=0)
            s = T.alloc_var("int32", init=0)
            while i < 16 and A[i] != 9:
                i += 1
                if A[i - 1] < 0:
                    continue
                s += A[i - 1]
            B[0] = i
            B[1] = s
            first = T.alloc_var("int32", init=-1)
            for k in T.serial(16):
                if A[k] == 4:
                    first = k
                    break
            B[2] = first

    a = np.array([1, -2, 3, 4, -5, 6, 4, 9, 1, 1, 1, 1, 1, 1, 1, 1], "int32")
    b = poison(4)
    evaluate(main, a, b)
    assert b.tolist()[:3] == [7, 18, 3]


def test_value_at_assignment():
    """`x = A[i]` is the element then, not when x is used."""

    @T.prim_func
    def main(A: T.Tensor((4,), "int32"), B: T.Tensor((6,), "int32")):
        with T.Kernel(1, threads=1):
            x = A[0]
            A[0] = 100
            B[0] = x
            v = T.alloc_var("int32", init=1)
            w = v
            v = 2
            B[1] = w
            B[2] = v
            A[1], A[2] = A[2], A[1]
            a, b = A[3], v
            A[3] = 0
            v = 50
            B[3] = a + b
            t = (A[0], 7)
            B[4] = t[0] + t[1]
            a, b = b, a
            B[5] = a

    a, b = np.array([1, 2, 3, 4], "int32"), poison(6)
    evaluate(main, a, b)
    assert a.tolist() == [100, 3, 2, 0] and b.tolist() == [1, 1, 2, 6, 107, 2]


def test_augmented_assignment():
    @T.prim_func
    def main(A: T.Tensor((8,), "int32"), F: T.Tensor((2,), "float32")):
        with T.Kernel(1, threads=1) as bx:
            A[0] += 5
            A[1] -= 5
            A[2] *= 3
            A[3] //= 4
            A[4] %= 4
            A[5] <<= 2
            A[6] |= 8
            A[7] ^= 1
            F[0] /= 4
            n = 1
            n += 2
            F[n - 2 + bx] **= 2

    a, f = np.array([1, 2, 3, -9, -9, 5, 3, 3], "int32"), np.array([3, 5], "float32")
    evaluate(main, a, f)
    assert a.tolist() == [6, -3, 9, -3, 3, 20, 11, 2] and f.tolist() == [0.75, 25]


def test_unpacking_and_slices():
    @T.prim_func
    def main(A: T.Tensor((4, 6), "int32"), B: T.Tensor((8,), "int32")):
        with T.Kernel(1, threads=1):
            (p, q), *rest = (1, 2), 3, 4, 5
            first, *_ = [9, 9]
            B[0] = p * 1000 + q * 100 + rest[0] * 10 + rest[-1]
            B[1] = first
            row = A[2]
            B[2] = row[3]
            part = A[1, 2:5]
            B[3] = part[1]
            B[4] = A[-1, -2]
            T.copy(A[0, 1:4], B[5:8])

    a, b = np.arange(24, dtype="int32").reshape(4, 6), poison(8)
    evaluate(main, a, b)
    assert b.tolist() == [1235, 9, 15, 9, 22, 1, 2, 3]


def test_assert():
    @T.prim_func
    def main(A: T.Tensor((4,), "int32")):
        with T.Kernel(1, threads=1):
            assert 1 + 1 == 2, "never"
            for i in T.serial(4):
                assert A[i] > 0, f"element {i} of {A}"

    failed = evaluate(main, np.array([1, -1, 2, 3], "int32"))
    assert len(failed) == 1 and "element i of A" in failed[0] and "test_statements.py" in failed[0]


def test_parallel_grid_unroll_vectorized():
    @T.prim_func
    def main(A: T.Tensor((3, 4), "int32"), B: T.Tensor((3, 4), "int32"), C: T.Tensor((8,), "int32")):
        with T.Kernel(1, threads=1):
            for i, j in T.Parallel(3, 4):
                A[i, j] = i * 10 + j
            for ij in T.grid(3, 4):
                B[ij[0], ij[1]] = A[ij[0], ij[1]] + 1
            for k in T.unroll(4):
                C[k] = k
            for k in T.vectorized(4):
                C[k + 4] = k

    a, b, c = poison((3, 4)), poison((3, 4)), poison(8)
    evaluate(main, a, b, c)
    assert a.tolist() == [[i * 10 + j for j in range(4)] for i in range(3)] and (b == a + 1).all()
    assert c.tolist() == [0, 1, 2, 3] * 2


def test_grid_and_threads_and_dynamic_shape():
    m = T.dynamic("m")

    @T.prim_func
    def main(A: T.Tensor((m,), "int32"), k: T.int32):
        with T.Kernel(T.ceildiv(m, 4), threads=4) as b:
            t = T.get_thread_binding()
            if b * 4 + t < m:
                A[b * 4 + t] = b * 100 + t + k

    for n in (1, 4, 10):
        a = poison(n)
        evaluate(main, a, 1000)
        assert a.tolist() == [(i // 4) * 100 + i % 4 + 1000 for i in range(n)]


def test_statements_after_break_do_nothing(caplog):
    @T.prim_func
    def main(A: T.Tensor((4,), "int32")):
        with T.Kernel(1, threads=1):
            for i in T.serial(4):
                A[i] = i
                break
                A[i] = 5
                A[i] = 6

    with caplog.at_level("WARNING", logger="tilelang"):
        logger, propagate = logging.getLogger("tilelang"), logging.getLogger("tilelang").propagate
        logger.propagate = True
        a = poison(4)
        evaluate(main, a)
        logger.propagate = propagate
    assert a.tolist() == [0, 77, 77, 77]
    told = [r.getMessage() for r in caplog.records if "after break" in r.getMessage()]
    assert len(told) == 1 and "test_statements.py" in told[0]


def test_typed_assignment():
    @T.prim_func
    def main(A: T.Tensor((2,), "int32")):
        with T.Kernel(1, threads=1):
            x: T.int8 = A[0]
            y: int = 3
            A[1] = x + y

    a = np.array([300, 0], "int32")
    evaluate(main, a)
    assert a[1] == 44 + 3


def test_bounds_of_a_loop_are_read_once():
    @T.prim_func
    def main(A: T.Tensor((8,), "int32"), n: T.Tensor((2,), "int32")):
        with T.Kernel(1, threads=1):
            for i in range(n[0], n[1], 2):
                n[0] = 0
                n[1] = 3
                A[i] = i

    a, n = poison(8), np.array([1, 8], "int32")
    evaluate(main, a, n)
    assert a.tolist() == [77, 1, 77, 3, 77, 5, 77, 7]
