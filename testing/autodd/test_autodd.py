"""A failing program becomes a small one that fails in the same way."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from testing.subprocesses import ROOT, module_path
from tilelang.autodd import reduce_program
from tilelang.autodd.__main__ import main as command
from tilelang.autodd.edits import edits
from tilelang.autodd.parameters import without_parameters
from tilelang.autodd.runner import Runner
from tilelang.autodd.tree import edited, size, text_of
from tilelang.errors import ArgumentError

PROGRAM = Path(__file__).with_name("planted.py")


def write(tmp_path, text):
    path = tmp_path / "program.py"
    path.write_text(text)
    return path


def said(path):
    return subprocess.run([sys.executable, str(path)], capture_output=True, text=True).stderr


def test_a_planted_failure_is_found(tmp_path):
    """60 lines become the statement that fails and what it stands on; how many run at a time changes nothing."""
    lines = []
    out = tmp_path / "small.py"
    assert "KeyError: 'absent'" in said(PROGRAM)
    found = reduce_program(PROGRAM, "KeyError: 'absent'", output=out, jobs=2, progress=lines.append)
    assert found.lines_before > 45 and found.lines_after <= 6, found.text
    assert out.read_text() == found.text and "KeyError: 'absent'" in said(out)
    assert 'values["' in found.text.replace("'", '"') and len(lines) < found.runs < 600
    # Nothing more can go.
    tree = ast.parse(found.text)
    smaller = [text_of(edited(tree, edit)) for edit in edits(tree)]
    with Runner(PROGRAM, "KeyError: 'absent'", "fork", 10, 1) as runner:
        assert runner.fails(found.text)
        assert not any(runner.fails(t) for t in smaller if t is not None and size(ast.parse(t)) < size(tree))


def test_jobs_and_backends(tmp_path):
    path = write(
        tmp_path, "import math\n\ndef f(x, y=2):\n    print(y)\n    return math.sqrt(x) + y\n\nfor i in range(2):\n    f(-i)\n"
    )
    one, three = (reduce_program(path, "math domain", jobs=jobs).text for jobs in (1, 3))
    assert one == three and "sqrt" in one
    fresh = reduce_program(write(tmp_path, "x = 1\nmath = 2\nraise OSError('gone')\n"), "gone", backend="process", jobs=2)
    assert fresh.text == "raise OSError('gone')\n"


def test_hanging_candidates_are_killed(tmp_path):
    """Without `n = n - 1` the program never ends, and it starts a process that would not either."""
    text = f"""
import subprocess, sys
n = 2
while n > 0:
    n = n - 1
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)", {str(tmp_path)!r}])
raise ValueError("the end was reached")
"""
    for backend in ("fork", "process"):
        started = time.monotonic()
        found = reduce_program(write(tmp_path, text), "the end was reached", backend=backend, timeout=0.5)
        assert found.text == "raise ValueError('the end was reached')\n" and time.monotonic() - started < 60
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert str(tmp_path) not in running


def test_crashes_and_what_is_printed(tmp_path):
    text = 'import os, sys\nx = 1\nprint("about to crash")\nsys.stdout.flush()\nos.abort()\n'
    assert reduce_program(write(tmp_path, text), "about to crash").text == "print('about to crash')\n"
    text = 'x = 1\nraise SystemExit("no input")\n'
    assert reduce_program(write(tmp_path, text), "no input").text == "raise SystemExit('no input')\n"


def test_a_text_that_is_only_written_does_not_count(tmp_path):
    """Without the definition of x, line 2 fails as well, and a traceback would show the text."""
    path = write(tmp_path, 'x = 3\nassert x == 2, "x is not two"\n')
    assert reduce_program(path, "x is not two").text in ("assert 0, 'x is not two'\n", "assert None, 'x is not two'\n")


def test_causes_count(tmp_path):
    text = "try:\n    {}['k']\nexcept KeyError as error:\n    raise RuntimeError('wrapped') from error\n"
    with Runner(write(tmp_path, text), "KeyError: 'k'", "fork", 10, 1) as runner:
        assert runner.fails(text)


def test_imports_of_neighbours(tmp_path):
    (tmp_path / "neighbour.py").write_text("def broken():\n    raise OSError('broken neighbour')\n")
    path = write(tmp_path, "import neighbour\nunused = 1\nneighbour.broken()\n")
    assert reduce_program(path, "broken neighbour").text == "import neighbour\nneighbour.broken()\n"


def test_parameters():
    tree = ast.parse("def f(a, b=2, *, c):\n    return a + b\nf(1, c=3)\nf.compile(5, b=4, c=3)\n")
    texts = [text_of(make()) for make in without_parameters(tree)]
    assert texts[0] == "def f(b=2, *, c):\n    return a + b\nf(c=3)\nf.compile(b=4, c=3)\n"
    assert "return 5 + b" in texts[1] and "def f(a, *, c):\n    return a + 4\nf(1, c=3)" in texts[3]


def test_refusals(tmp_path):
    path = write(tmp_path, "raise ValueError('this')\n")
    with pytest.raises(ArgumentError, match="does not fail with 'that'") as found:
        reduce_program(path, "that")
    assert "ValueError: this" in str(found.value)
    for words, text in (({"backend": "thread"}, "backend"), ({"jobs": 0}, "jobs"), ({"timeout": 0}, "no time")):
        with pytest.raises(ArgumentError, match=text):
            reduce_program(path, "this", **words)
    with pytest.raises(ArgumentError, match="empty"):
        reduce_program(path, "")
    with pytest.raises(ArgumentError, match="no program"):
        reduce_program(write(tmp_path, "def def"), "x")


def test_command(tmp_path):
    path, out = write(tmp_path, "x = 1\nraise ValueError(f'bad {x}')\n"), tmp_path / "out.py"
    done = CliRunner().invoke(command, [str(path), "--err-msg", "bad 1", "-o", str(out), "--timeout", "20", "-j", "2"])
    assert done.exit_code == 0 and "2 lines became 2" in done.output, done.output
    assert "bad" in out.read_text()
    assert CliRunner().invoke(command, [str(path), "--err-msg", "good", "-o", str(out)]).exit_code == 1
    assert CliRunner().invoke(command, [str(path), "-o", str(out)]).exit_code == 2


def test_importing_it_loads_little():
    code = "import sys, tilelang.autodd; print([m for m in ('tvm', 'torch', 'numpy', 'tilelang.ir') if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": module_path(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment).stdout == "[]\n"


TILES = """
import tilelang
import tilelang.language as T

@T.prim_func
def main(A: T.Tensor((64, 64), "float32"), B: T.Tensor((64, 64), "float32")):
    with T.Kernel(1, threads=64):
        tile = T.alloc_shared((64, 32), "float32")
        T.copy(A[0, 0], tile)
        T.copy(A[0:32, 0:32], tile)
        T.copy(tile, B[0, 0])

print(tilelang.lower(main, target="c").kernel_source)
"""


def test_a_tile_program(tmp_path):
    with Runner(write(tmp_path, TILES), "copy extents do not match", "fork", 60, 1) as runner:
        assert runner.fails(TILES)
        assert not runner.fails(TILES.replace("T.copy(A[0:32, 0:32], tile)", "pass")), runner.last_output
        assert "int main" in runner.last_output or "void" in runner.last_output
