# ruff: noqa: F841, UP037
"""Digests: equal for equal programs in any process, different wherever the program could differ."""

import enum
import subprocess
import sys
from dataclasses import dataclass

import tilelang.language as T
from tilelang.frontend import function_identity
from tilelang.frontend.identity import value_identity

BLOCK = 64


def helper(x):
    return x * BLOCK


def other(x):
    return x * BLOCK + 1


@T.macro
def step(A, i):
    A[i] = helper(i)


def build(n, dtype="int32", call=helper, extra=None):
    @T.prim_func
    def main(A: T.Tensor((n,), dtype)):
        with T.Kernel(1, threads=1):
            for i in range(n):
                step(A, i)
                A[i] = call(i)
                if extra is not None:
                    A[i] += 1

    return main


def lazy(n):
    return build(n)


def test_stable():
    assert build(3).cache_identity() == build(3).cache_identity() is not None
    assert function_identity(lazy) == function_identity(lazy) is not None


def test_differs_with_what_is_read():
    variants = [build(3), build(4), build(3, "int8"), build(3, call=other), build(3, extra=1), build(3, extra=True)]
    digests = [v.cache_identity() for v in variants]
    assert None not in digests and len(set(digests)) == len(digests)


def test_globals_of_called_functions_count(monkeypatch):
    before = build(3).cache_identity(), function_identity(lazy)
    monkeypatch.setitem(globals(), "BLOCK", 32)
    after = build(3).cache_identity(), function_identity(lazy)
    assert before[0] != after[0] and before[1] != after[1]
    monkeypatch.setitem(globals(), "BLOCK", 64)
    assert (build(3).cache_identity(), function_identity(lazy)) == before


WIDTH = 2


def in_annotations_only(kind):
    from tilelang.frontend import EagerFunction

    def f(A, B):
        A: T.Tensor((4, WIDTH), kind)
        B: "T.Tensor((WIDTH,), kind)"
        with T.Kernel(1):
            pass

    return EagerFunction(f)


def test_names_in_body_annotations_count(monkeypatch):
    """Python puts them neither in the code nor, under the future import, in the closure."""
    before = in_annotations_only("int8").cache_identity()
    assert before == in_annotations_only("int8").cache_identity() != in_annotations_only("int16").cache_identity()
    monkeypatch.setitem(globals(), "WIDTH", 3)
    assert before != in_annotations_only("int8").cache_identity()


def test_values():
    class Colour(enum.Enum):
        RED = 1
        BLUE = 2

    @dataclass
    class Config:
        m: int
        names: list

    m = T.dynamic("m")
    values = [1, 1.0, True, "1", None, (1,), [1], {1}, {1: 1}, Colour.RED, Colour.BLUE, Config(1, []), Config(1, [2]), T.float16]
    values += [
        m,
        m + 1,
        m * 2,
        T.dynamic("m", "int64"),
        T.Tensor((m, 2), "int8"),
        range(3),
        len,
        T,
        int,
        lambda x: x,
        lambda x: x + 1,
    ]
    digests = [value_identity(v) for v in values]
    assert None not in digests and len(set(digests)) == len(digests)
    assert value_identity(Config(1, [2])) == value_identity(Config(1, [2])) and value_identity({2, 1}) == value_identity({1, 2})


def test_unknown_values_have_none():
    import functools
    import io

    import numpy as np

    class Slots:
        __slots__ = ("x",)

    class Table(dict):
        pass

    for value in (np.zeros(3), io.StringIO(), Slots(), object(), Table(a=1), functools.partial(len), iter([1])):
        assert value_identity(value) is None, value
    assert build(3, extra=np.zeros(2)).cache_identity() is None


def test_cycles():
    loop: list = [1]
    loop.append(loop)
    assert value_identity(loop) is not None

    def again(n):
        return again(n - 1) if n else 0

    assert function_identity(again) is not None


def test_equal_in_another_process():
    code = "import sys; from testing.frontend.test_identity import build, lazy; "
    code += "from tilelang.frontend import function_identity as f; "
    code += "print(build(3).cache_identity(), f(lazy), 'tvm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == [build(3).cache_identity(), function_identity(lazy), "False"]


def test_same_code_with_another_annotation_in_the_body(tmp_path):
    """Annotations inside a body are not part of the code object; the rewritten function must still be the new one."""
    from tilelang.frontend import EagerFunction

    seen = []
    for kind in ("int8", "int16"):
        path = tmp_path / "same.py"
        path.write_text(f"def f(A):\n    A: T.Tensor((4,), '{kind}')\n    with T.Kernel(1):\n        pass\n")
        space = {"T": T, "__name__": "same"}
        exec(compile(path.read_text(), str(path), "exec"), space)
        eager = EagerFunction(space["f"])
        seen.append(str(eager.trace(eager.bind((), {}, partial=True)).params[0].ty.dtype))
    assert seen == ["int8", "int16"]
