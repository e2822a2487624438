"""Constructs without a meaning in a kernel are refused at the user's line, with a caret under the construct."""

from __future__ import annotations

import linecache
import textwrap

import pytest

import tilelang.language as T
from tilelang.errors import FrontendError, TileLangError

PREAMBLE = """
import tilelang.language as T

def make():
    @T.prim_func
    def main(A: T.Tensor((8, 8), "int32"), B: T.Tensor((8,), "float32"), n: T.int32):
        with T.Kernel(4, threads=32) as bx:
"""


def trace(tmp_path, body, name="case"):
    """Trace a kernel with the given body, written to a file so that spans can be read."""
    path = tmp_path / f"{name}.py"
    path.write_text(PREAMBLE + textwrap.indent(textwrap.dedent(body).strip("\n"), " " * 12) + "\n    return main\n")
    space: dict = {"__name__": name}
    exec(compile(path.read_text(), str(path), "exec"), space)
    return space["make"]().prim_func


def marked(error: TileLangError) -> str:
    """The text above the caret."""
    span = error.span
    assert span is not None, error
    text = linecache.getline(span.file, span.line)
    end = span.end_column - 1 if span.end_line == span.line else len(text)
    return text[span.column - 1 : end].strip()


REFUSED = {
    "loop else": ("for i in range(3):\n    A[0, i] = 1\nelse:\n    A[0, 0] = 2", "A[0, 0] = 2", "else of a loop"),
    "while else": ("i = T.alloc_var('int32', init=0)\nwhile i < 3:\n    i += 1\nelse:\n    i = 0", "i = 0", "else of a loop"),
    "try": ("try:\n    A[0, 0] = 1\nexcept ValueError:\n    pass", "try:", "try/except"),
    "global": ("global x\nx = 1", "global x", "global"),
    "class": ("class X:\n    pass", "class X:", "class definitions"),
    "import": ("import os", "import os", "import"),
    "import from": ("from os import path", "from os import path", "import"),
    "del": ("x = 1\ndel x", "del x", "del"),
    "walrus": ("if n > 2 and (y := n) > 3:\n    pass", "y := n", ":="),
    "walrus in a loop": ("while (y := n) > 3:\n    A[0, 0] = y\nA[0, 1] = y", "y", "inside the loop"),
    "yield": ("yield 1", "yield 1", "yield"),
    "lambda walrus": ("f = lambda v: (w := v)", "w := v", ":="),
    "attribute": ("A.x = 1", "A.x", "attribute"),
    "unpack mismatch": ("a, b = 1, 2, 3", "a, b", "3 values for 2 names"),
    "unpack value": ("a, b = A[0, 0]", "a, b", "cannot unpack"),
    "carried": ("s = 0\nfor i in range(4):\n    s = s + A[0, i]\nA[0, 0] = 1", "s", "pass from iteration to iteration"),
    "carried augmented": ("s = 0\nfor i in T.serial(4):\n    s += A[0, i]", "s", "alloc_var"),
    "after loop": ("for i in range(4):\n    t = A[0, i]\nA[0, 0] = t", "t", "inside the loop"),
    "loop variable after": ("for i in range(4):\n    A[0, i] = 1\nA[0, 0] = i", "i", "inside the loop"),
    "after if": ("t = 0\nif A[0, 0] > 1:\n    t = 1\nA[0, 1] = t", "t", "inside the if"),
    "unbound": ("A[0, 0] = t\nt = 1", "t", "before it is assigned"),
    "while true": ("while True:\n    A[0, 0] = 1", "True", "always true"),
    "while python": ("k = 0\nwhile k < 3:\n    k += 1", "k", "alloc_var"),
    "loop over value": ("for i in A[0, 0]:\n    pass", "A[0, 0]", "cannot loop over"),
    "loop over buffer": ("for i in A:\n    pass", "A", "cannot loop over"),
    "loop over number": ("for i in 3:\n    pass", "3", "cannot loop over"),
    "buffer condition": ("if A:\n    pass", "A", "as a condition"),
    "region condition": ("if A[0, 0:2]:\n    pass", "A[0, 0:2]", "as a condition"),
    "return in if": ("if A[0, 0] > 1:\n    return", "return", "return inside if"),
    "return in loop": ("for i in range(3):\n    return", "return", "return inside T.serial"),
    "raise in if": ("if A[0, 0] > 1:\n    raise ValueError('x')", "raise ValueError('x')", "raise inside"),
    "break in parallel": ("for i in T.Parallel(4):\n    break", "break", "no order"),
    "break of grid": ("for i, j in T.grid(4, 4):\n    break", "break", "several loop variables"),
    "break in host loop": ("for i in [1, 2]:\n    if A[0, i] > 0:\n        break", "break", "trace time"),
    "with": ("with memoryview(b'') as f:\n    pass", "memoryview(b'')", "T.Kernel, T.launch_thread"),
    "nested kernel": ("with T.Kernel(1) as b:\n    pass", "with T.Kernel(1) as b:", "inside T.Kernel"),
    "nested parallel": (
        "for i in T.Parallel(4):\n    A[i, 0] = 2\n    for j in T.Parallel(4):\n        A[i, j] = 1",
        "for j in T.Parallel(4)",
        "T.Parallel inside",
    ),
    "loop alone": ("T.serial(3)", "T.serial(3)", "alone has no effect"),
    "loop as value": ("x = T.serial(3)", "x", "as a value"),
    "slice assign": ("A[0, 0:5] = 1", "A[0, 0:5] = 1", "not one element"),
    "buffer augmented": ("A += 1", "A += 1", "whole buffer"),
    "statement in and": (
        "if A[0, 0] > 0 and T.atomic_add(A[0, 1], 1, return_prev=True) > 2:\n    pass",
        "A[0, 0] > 0 and",
        "emits statements",
    ),
    "statement in ternary": ("A[0, 0] = T.shfl_xor(A[0, 1], 1) if bx > 1 else 0", "T.shfl_xor", "emits statements"),
    "append in loop": ("found = []\nfor i in range(3):\n    found += [i]", "found", "alloc_var"),
    "list entry in if": ("found = [0]\nif A[0, 0] > 0:\n    found[0] = 1", "found[0]", "runs on the device"),
    "alloc_var becomes a buffer": ("x = T.alloc_var('int32')\nx = A", "x", "cannot become"),
    "static assertion": ("assert 1 > 2, 'one is small'", "assert 1 > 2", "one is small"),
    "int of value": ("x = int(A[0, 0])", "x = int(A[0, 0])", "int()"),
    "min of a list": ("x = min([A[0, 0], 3])", "x = min([A[0, 0], 3])", "T.min"),
    "min with a key": ("x = min(A[0, 0], 3, key=None)", "x = min(A[0, 0], 3", "T.min"),
    "wrong arity macro": ("@T.macro\ndef f(a):\n    pass\nf(1, 2)", "f(1, 2)", "too many positional"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    body, under_caret, message = REFUSED[case]
    with pytest.raises(TileLangError) as caught:
        trace(tmp_path, body, case.replace(" ", "_").replace("/", "_"))
    error = caught.value
    assert message in error.message + error.fix, error
    assert marked(error).startswith(under_caret) or under_caret.startswith(marked(error)), (marked(error), str(error))
    assert "^" in str(error) and error.fix or case == "static assertion"


def test_match_statement(tmp_path):
    with pytest.raises(FrontendError, match="match"):
        trace(tmp_path, "match bx:\n    case _:\n        pass", "match")


def test_kinds_of_errors(tmp_path):
    with pytest.raises(TypeError):
        trace(tmp_path, "if A:\n    pass", "as_type_error")
    with pytest.raises(RuntimeError):
        trace(tmp_path, "while True:\n    pass", "as_runtime_error")
    with pytest.raises(AssertionError):
        trace(tmp_path, "assert False", "as_assertion")


def test_macro_call_stack(tmp_path):
    body = """
    @T.macro
    def inner(x):
        T.copy(x, 3)

    @T.macro
    def outer(x):
        inner(x)
    outer(A)
    """
    with pytest.raises(TileLangError) as caught:
        trace(tmp_path, body, "stack")
    assert marked(caught.value) == "T.copy(x, 3)"
    assert [note.split(",")[0] for note in caught.value.notes] == ["in the macro inner", "in the macro outer"]


def test_python_errors_keep_the_users_line(tmp_path):
    import traceback

    with pytest.raises(ZeroDivisionError) as caught:
        trace(tmp_path, "x = 1\ny = x // 0", "python_error")
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.filename.endswith("python_error.py") and last.line == "y = x // 0"


def test_value_of_a_finished_loop_through_a_container(tmp_path):
    with pytest.raises(FrontendError, match="outside the loop") as caught:
        trace(
            tmp_path,
            "found = []\nfor i in range(3):\n    found.append(i * 2)\n    A[1, i] = i\nA[0, 0] = found[0] + 1",
            "escape",
        )
    assert marked(caught.value) == "A[0, 0] = found[0] + 1"


def test_outside_a_builder():
    from tilelang.frontend import JITNoBuilderError

    for call in (lambda: T.Kernel(1), lambda: T.const("M"), lambda: T.empty((3,)), lambda: T.alloc_shared((3,), "int8")):
        with pytest.raises(JITNoBuilderError):
            call()


def test_statement_outside_kernel():
    @T.prim_func
    def main(A: T.Tensor((8,), "int32")):
        A[0] = 1

    with pytest.raises(FrontendError, match="outside T.Kernel"):
        main.get()


def test_loop_in_plain_python():
    def helper(A):
        for i in T.serial(3):
            A[i] = 1

    @T.prim_func
    def main(A: T.Tensor((8,), "int32")):
        with T.Kernel(1):
            helper(A)

    with pytest.raises(FrontendError, match="T.macro"):
        main.get()


def test_calling_a_prim_func():
    @T.prim_func
    def main(A: T.Tensor((8,), "int32")):
        with T.Kernel(1):
            A[0] = 1

    with pytest.raises(FrontendError, match="T.macro"):
        main(1)


def test_file_changed_after_import(tmp_path):
    path = tmp_path / "changing.py"
    path.write_text("import tilelang.language as T\n@T.prim_func\ndef main(A: T.Tensor((4,), 'int32')):\n    pass\n")
    space: dict = {"__name__": "changing"}
    exec(compile(path.read_text(), str(path), "exec"), space)
    path.write_text("# a new first line\nimport tilelang.language as T\ndef other():\n    pass\n")
    with pytest.raises(FrontendError, match="changed after it was imported"):
        space["main"].get()
