"""tilelang tune: configurations in every form, the report, JSON, table and page."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tilelang.cli.app import app
from tilelang.cli.tune import _configs

PROGRAM = """
import tilelang
import tilelang.language as T

SWEEP = [{"block": 32}, {"block": 64}]

@tilelang.jit(out_idx=-1)
def double(N, block=16, factor=2.0):
    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((N,), "float32")):
        with T.Kernel(T.ceildiv(N, block), threads=32) as bx:
            for i in T.Parallel(block):
                B[bx * block + i] = A[bx * block + i] * factor
    return main

def right(a):
    return a * 2
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "kernels.py"
    path.write_text(PROGRAM)
    return path


def run(*words, code=0):
    result = CliRunner().invoke(app, ["tune", *map(str, words)], prog_name="tilelang")
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.output


def test_a_sweep_is_reported(file, tmp_path):
    short = ("--rep", "1", "--warmup", "0", "--simulate")
    table, page = tmp_path / "tuned.json", tmp_path / "sweep.html"
    out = run(
        f"{file}:double", "N=100", "--configs", "block=32,64;factor=2.0,3.0", "--reference", f"{file}:right",
        "--table", table, "--plot", page, *short,
    )  # fmt: skip
    assert "4 configurations on simulator" in out and out.count("wrong result") == 2 and "CPU simulator" in out
    assert json.loads(table.read_text())["entries"][0]["arguments"] == {"N": 100} and page.exists()
    found = json.loads(run(f"{file}:double", "100", "--configs", f"{file}:SWEEP", "--json", "--budget", "5m", *short))
    assert found["config"] in ({"block": 32}, {"block": 64}) and len(found["records"]) == 2


def test_configurations_on_the_command_line(tmp_path):
    assert _configs('[{"a": 1}]') == [{"a": 1}]
    assert _configs("a=1,2; b=x") == {"a": [1, 2], "b": ["x"]}
    (tmp_path / "c.json").write_text('{"a": [1, 2]}')
    assert _configs(str(tmp_path / "c.json")) == {"a": [1, 2]}


def test_wrong_usage(file):
    assert "pass --configs" in CliRunner().invoke(app, ["tune", f"{file}:double"]).output
    assert "not a time" in run(f"{file}:double", "--configs", "[]", "--budget", "soon", code=2)
    assert "not JSON" in run(f"{file}:double", "--configs", "[{", code=1)
