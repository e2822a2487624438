"""The command line: every command, for people and as JSON, its exit status, what it imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from testing.subprocesses import ROOT, module_path
from tilelang.cli.app import app

sys.path.insert(0, str(Path(__file__).parents[1] / "cache"))
from samples import sample  # noqa: E402

PROGRAM = """
import tilelang
import tilelang.language as T

@tilelang.jit(out_idx=[-1])
def double(N, dtype="float32"):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), B: T.Tensor((N,), dtype)):
        with T.Kernel(T.ceildiv(N, 32), threads=32) as bx:
            for i in T.Parallel(32):
                B[bx * 32 + i] = A[bx * 32 + i] + A[bx * 32 + i]
    return main

def factory(N):
    return double.func(N)

@T.prim_func
def fixed(A: T.Tensor((32,), "float32")):
    with T.Kernel(1, threads=32):
        for i in T.Parallel(32):
            A[i] = 1.0

NUMBER = 3
"""


def run(*words, code: int = 0):
    result = CliRunner().invoke(app, [str(word) for word in words], prog_name="tilelang")
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def parsed(*words, code: int = 0):
    return json.loads(run(*words, "--json", code=code).stdout)


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


@pytest.fixture
def stocked(tmp_path, monkeypatch):
    """A cache of three invented kernels, the first of which was used last."""
    from tilelang.cache import KernelCache

    monkeypatch.setenv("TILELANG_CACHE_DIR", str(tmp_path / "cache"))
    keys = []
    for number in range(3):
        key, artifact = sample(number, size=1000)
        directory = KernelCache().find_or_build(key, lambda artifact=artifact: artifact).directory
        then = time.time() - 86400 * (number + 1) * 10
        os.utime(directory / "entry.json", (then, then))
        keys.append(key)
    return keys


def test_without_arguments_it_helps():
    text = run().stdout
    assert all(name in text for name in ("compile", "show", "cache", "config", "doctor", "version"))


@pytest.mark.parametrize(
    "command",
    ["", "compile", "show", "config", "config show", "doctor", "version", "cache"]
    + [f"cache {name}" for name in ("path", "list", "show", "diff", "verify", "prune", "clear")],
)
def test_every_command_explains_itself(command):
    assert "Usage: tilelang" in run(*command.split(), "--help").stdout


def test_a_mistyped_command():
    assert "Did you mean 'cache'" in run("cach", code=2).output


def test_version():
    import tilelang

    assert parsed("version")["tilelang"] == tilelang.__version__ and tilelang.__version__ in run("version").stdout


def test_light_commands_import_nothing_heavy(tmp_path):
    """Neither TVM nor torch nor NumPy."""
    code = (
        "import sys, runpy\n"
        "try:\n    runpy.run_module('tilelang', run_name='__main__')\n"
        "except SystemExit as e:\n    assert not e.code, e.code\n"
        "print([m for m in ('tvm', 'tvm_ffi', 'torch', 'numpy') if m in sys.modules])\n"
    )
    environment = {**os.environ, "TILELANG_CACHE_DIR": str(tmp_path), "PYTHONPATH": module_path(ROOT)}
    for words in (["cache", "list"], ["config", "show"], ["version"], ["cache", "verify", "--json"]):
        command = [sys.executable, "-c", code.replace("import sys, runpy", f"import sys, runpy; sys.argv[1:] = {words!r}")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


# -- cache ------------------------------------------------------------------------------------------------------------
def test_cache_path(stocked, tmp_path):
    assert run("cache", "path").stdout.strip() == str(tmp_path / "cache")
    assert parsed("cache", "path") == {"path": str(tmp_path / "cache"), "exists": True}


def test_cache_list(stocked):
    assert [entry["digest"] for entry in parsed("cache", "list")] == stocked
    assert [entry["digest"] for entry in parsed("cache", "list", "--kernel", "kernel_1")] == stocked[1:2]
    assert parsed("cache", "list", "--target", "sm_80") == [] and len(parsed("cache", "list", "--backend", "tvm_ffi")) == 3
    assert "3 kernels" in run("cache", "list").stdout


def test_cache_show(stocked):
    shown = parsed("cache", "show", stocked[1][:10])
    assert shown["meta"]["name"] == "kernel_1" and "kernel.cubin" in shown["files"]
    assert "number  1" in run("cache", "show", stocked[1]).stdout.replace('"', "")
    assert run("cache", "show", stocked[1], "--source").stdout == "text of 1\n"
    assert "no entry" in run("cache", "show", "zz", code=2).output


def test_cache_diff(stocked):
    assert parsed("cache", "diff", stocked[0], stocked[1]) == {"number": {"first": "0", "second": "1"}}
    assert run("cache", "diff", stocked[0], stocked[1]).stdout == "number\n  - 0\n  + 1\n"


def test_cache_verify(stocked, tmp_path):
    assert parsed("cache", "verify") == {"checked": 3, "corrupt": [], "removed": []}
    next((tmp_path / "cache").rglob(f"{stocked[1]}/kernel.cubin")).write_bytes(b"x")
    found = parsed("cache", "verify", code=1)
    assert [entry["digest"] for entry in found["corrupt"]] == [stocked[1]] and "has changed" in found["corrupt"][0]["error"]
    assert parsed("cache", "verify", "--repair")["removed"] == [stocked[1]]
    assert parsed("cache", "verify")["checked"] == 2


def test_cache_prune(stocked):
    size = parsed("cache", "list")[0]["size"]
    assert len(parsed("cache", "prune", "--older-than", "15d", "--dry-run")["removed"]) == 2
    assert [e["digest"] for e in parsed("cache", "prune", "--max-size", 2 * size + size // 2)["removed"]] == [stocked[2]]
    assert [e["digest"] for e in parsed("cache", "prune", "--older-than", "15d")["removed"]] == [stocked[1]]
    assert [e["digest"] for e in parsed("cache", "list")] == [stocked[0]]
    assert "no age" in run("cache", "prune", "--older-than", "old", code=2).output
    assert "expected a size" in run("cache", "prune", "--max-size", "big", code=2).output


def test_cache_clear(stocked, tmp_path):
    assert "say what to remove" in run("cache", "clear", code=2).output
    assert "say what to remove" in run("cache", "clear", "--all", "--kernel", "k", code=2).output
    assert len(parsed("cache", "clear", "--all", "--dry-run")["removed"]) == 3
    assert [e["digest"] for e in parsed("cache", "clear", "--kernel", "kernel_2")["removed"]] == [stocked[2]]
    assert [e["digest"] for e in parsed("cache", "clear", "--hash", stocked[1][:8])["removed"]] == [stocked[1]]
    (tmp_path / "cache" / "thesis.tex").write_text("precious")
    assert len(parsed("cache", "clear", "--all")["removed"]) == 1
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"CACHEDIR.TAG", "thesis.tex"}
    (tmp_path / "cache" / "thesis.tex").unlink()
    run("cache", "clear", "--all")
    assert not (tmp_path / "cache").exists()


def test_nothing_is_removed_without_our_tag(stocked, tmp_path):
    (tmp_path / "cache" / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n# of somebody else\n")
    assert "CACHEDIR.TAG" in run("cache", "clear", "--all", code=1).output
    error = parsed("cache", "prune", code=1)["error"]
    assert error["type"] == "CacheError" and error["code"] == "TL0710" and error["fix"]
    assert len(parsed("cache", "list")) == 3


# -- config and doctor ------------------------------------------------------------------------------------------------
def test_config_show(monkeypatch, tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("[cache]\nmax_size = '2G'\n")
    monkeypatch.setenv("TILELANG_CONFIG", str(file))
    monkeypatch.setenv("TILELANG_VERBOSE", "yes")
    monkeypatch.setenv("TL_CUTLASS_PATH", "/cutlass")
    monkeypatch.setenv("TILELANG_CACHEDIR", "/oops")
    shown = parsed("config", "show")
    values = {entry["name"]: (entry["value"], entry["source"]) for entry in shown["settings"]}
    assert values["TILELANG_CACHE_MAX_SIZE"] == (2 << 30, str(file)) and values["TILELANG_VERBOSE"] == (True, "environment")
    assert values["TILELANG_CUDA_COMPILER"] == ("nvrtc", "default")
    assert any("TILELANG_CACHEDIR is no setting; did you mean TILELANG_CACHE_DIR?" in remark for remark in shown["remarks"])
    assert any(remark.startswith("TL_CUTLASS_PATH has no effect") for remark in shown["remarks"])
    assert str(file) in run("config", "show").stdout and "Where compiled" in run("config", "show", "--help-text").stdout
    monkeypatch.setenv("TILELANG_VERBOSE", "maybe")
    assert "REFUSED" in run("config", "show", code=1).stdout


def test_doctor(monkeypatch, tmp_path):
    monkeypatch.setenv("TILELANG_CACHE_DIR", str(tmp_path / "cache"))
    found = {finding["what"]: finding for finding in parsed("doctor")}
    assert found["numpy"]["status"] == "ok" and found["cache"]["status"] == "ok" and "GPU" in found
    assert all(finding["fix"] for finding in found.values() if finding["status"] not in ("ok",))
    monkeypatch.setenv("TILELANG_VERBOSE", "maybe")
    monkeypatch.setenv("TILELANG_CXX", "no-such-compiler")
    text = run("doctor", code=1).stdout
    assert "expected 1, true" in text and "no-such-compiler" in text


# -- compile and show -------------------------------------------------------------------------------------------------
def test_compile_for_a_gpu_that_is_not_here(program, tmp_path):
    words = ["compile", f"{program}:double", "N=96", "dtype=float16", "--target", "sm_80"]
    made = parsed(*words, "-o", tmp_path / "out" / "k.cubin", "-o", tmp_path / "k.cu", "-o", tmp_path / "k.ptx")
    assert made["target"] == "cuda sm_80" and made["returns"] == ["B"] and made["parameters"][0] == "A: float16[96]"
    assert made["resources"]["main_kernel"]["registers"] > 0
    assert (tmp_path / "out" / "k.cubin").read_bytes()[:4] == b"\x7fELF" and "sm_80" in (tmp_path / "k.ptx").read_text()
    assert "__global__" in (tmp_path / "k.cu").read_text()
    assert made["digest"] in run("cache", "list", "--json").stdout
    assert "k.doc" in run(*words, "-o", tmp_path / "k.doc", code=1).output


@pytest.mark.parametrize("words", [["double", "32"], ["factory", "32"], ["factory", "N=32"], ["fixed"]])
def test_all_kinds_of_functions(program, words):
    assert parsed("show", f"{program}:{words[0]}", *words[1:], "--simulate")["target"].endswith("(simulated)")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.py:f"], "no file missing.py"),
        (["{}:doubel", "3"], "did you mean double?"),
        (["{}:NUMBER"], "is int, which is no kernel"),
        (["{}:double"], "missing"),
        (["{}:double", "1", "2", "3"], "too many positional"),
        (["{}:double", "M=1"], "unexpected keyword argument 'M'"),
        (["{}:fixed", "3"], "takes no arguments"),
        (["{}"], "2 kernels (double, fixed)"),
        (["{}:double", "32", "--target", "sm_12345"], "sm_12345"),
        (["{}:double", "32", "--after", "magic"], "passes: trace"),
    ],
)
def test_wrong_uses_of_show(program, words, message):
    words = [word.format(program) for word in words]
    error = parsed("show", *words, "--simulate", code=1)["error"]
    assert message in error["message"] + error["fix"] and error["fix"]
    assert message in run("show", *words, "--simulate", code=1).output


def test_show(program):
    words = ["show", f"{program}:double", "32", "--target", "sm_80"]
    assert "__global__" in run(*words).stdout
    assert ".target sm_80" in run(*words, "--what", "ptx").stdout
    assert json.loads(run(*words, "--what", "host").stdout)["name"] == "main"
    assert "def main" in run(*words, "--what", "ir").stdout
    assert "==== infer_layouts ====" in run(*words, "--what", "passes").stdout
    assert parsed(*words, "--after", "trace")["what"] == "after trace"
    assert "registers" in run(*words, "--what", "resources").stdout
    assert run(*words, "--flag=-DX=1", "--pass-config", "tl.enable_fast_math=True").exit_code == 0


# -- load -------------------------------------------------------------------------------------------------------------
def test_load(program, tmp_path, monkeypatch):
    import tilelang
    from tilelang.errors import ArgumentError

    assert tilelang.load(f"{program}:double").__name__ == "double" and tilelang.load(f"{program}:NUMBER") == 3
    assert tilelang.load(f"{program.with_suffix('')}:double") is tilelang.load(f"{program}:double")
    second = tmp_path / "second" / "ops"
    second.mkdir(parents=True)
    (second / "one.py").write_text("X = 'second'\n")
    monkeypatch.setenv("TILELANG_KERNEL_PATH", f"lab={tmp_path / 'none'},{tmp_path / 'second'}{os.pathsep}top={tmp_path}")
    assert tilelang.load("lab://ops/one:X") == "second" and tilelang.load("top://program.py:NUMBER") == 3
    for spec, message in [
        ("lap://ops/one:X", "known are lab, top"),
        ("lab://../program.py:NUMBER", "leaves the folder"),
        ("lab://ops/two.py:X", "no file ops/two.py"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            tilelang.load(spec)
