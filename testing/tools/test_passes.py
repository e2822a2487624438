"""What the passes did: which changed what, how long they took, what is kept of them."""

from __future__ import annotations

import json
import re
import threading
import urllib.request

import pytest
from click.testing import CliRunner

import tilelang
import tilelang.language as T
from testing.subprocesses import ROOT
from tilelang import inert_configs
from tilelang.engine import compile_prim_func
from tilelang.errors import FunctionTypeError, TileLangError
from tilelang.target.target import resolve_target
from tilelang.tools import compile_only, lower_trace, pass_timing, pass_visualizer
from tilelang.tools.observe import observe
from tilelang.tools.pass_visualizer import viewer
from tilelang.transform.pipeline import CUDA
from tilelang.transform.pipelining.specialize import NotSpecialized
from tilelang.transform.specialize_warps import DISABLE

SM80 = {"kind": "cuda", "arch": "sm_80"}


@T.prim_func
def product(A: T.Tensor((128, 128), "float16"), B: T.Tensor((128, 64), "float16"), C: T.Tensor((128, 64), "float32")):
    with T.Kernel(2, threads=128) as bx:
        a, b = T.alloc_shared((64, 32), "float16"), T.alloc_shared((32, 64), "float16")
        c = T.alloc_fragment((64, 64), "float32")
        T.clear(c)
        for k in T.Pipelined(4, num_stages=2):
            T.copy(A[bx * 64, k * 32], a)
            T.copy(B[k * 32, 0], b)
            T.gemm(a, b, c)
        T.copy(c, C[bx * 64, 0])


@T.prim_func
def wrong(A: T.Tensor((32, 32), "float32"), B: T.Tensor((32, 32), "float32")):
    with T.Kernel(1, threads=32):
        for _i in T.Parallel(4):
            T.copy(A, B)


@pytest.fixture(scope="module")
def compilation():
    return observe(product, SM80)


def test_diff_names_the_pass_that_changed_the_text(compilation):
    changed = {stage.name: stage for stage in compilation.stages if stage.before != stage.after}
    assert "tl.num_stages" in changed["lower_pipelines"].before and "cp_async_wait" in changed["lower_pipelines"].after
    assert "cp_async_wait" not in changed["lower_pipelines"].before
    text = pass_visualizer.diff_text(compilation.stages)
    sections = dict(re.findall(r"==== product_kernel: (\w+) \(.*?\)(?:: .*)? ====\n(.*?)(?=\n====|\Z)", text, re.DOTALL))
    assert re.search(r"^\+.*cp_async_wait", sections["lower_pipelines"], re.MULTILINE)
    assert re.search(r"^-.*num_stages", sections["lower_pipelines"], re.MULTILINE)
    assert re.search(r"^\+.*ldmatrix", sections["lower_tile_operators"], re.MULTILINE)
    assert "# c: Fragment" in sections["infer_layouts"] and "bind_views" not in sections
    assert re.search(r"changed nothing: .*bind_views", text)
    # Each stage begins with what the one before left.
    for before, after in zip(compilation.stages, compilation.stages[1:]):
        assert before.after == after.before
    assert "\033[32m+" in pass_visualizer.diff_text(compilation.stages, color=True)


def test_a_kernel_brings_its_target():
    kernel = compile_only.compile_only(product, SM80, pass_configs={"tl.disable_wgmma": True})
    assert observe(kernel).target == kernel.target and observe(kernel).configs["tl.disable_wgmma"] is True
    with pytest.raises(FunctionTypeError, match="T.prim_func"):
        observe(lambda x: x)


def test_starting_over_is_told():
    """A launch that a pass cannot go on with is lowered again in another way, and both ways are in the record."""

    def refusing(program):
        if not program.config(DISABLE, False):
            raise NotSpecialized("no room")
        return program

    compiled = compile_prim_func(product.prim_func, resolve_target(SM80), None, [*CUDA[:4], refusing, *CUDA[4:]])
    found = compiled.compilation
    assert [text for name, text in compiled.passes if name == "refusing"] == ["# the launch starts over: no room", "(no change)"]
    names = [stage.name for stage in found.stages]
    assert names.count("apply_safe_values") == names.count("refusing") == 2 and names.count("simplify") == 1
    assert [stage.name for stage in found.stages if "starts over: no room" in stage.note] == ["refusing"]
    at = names.index("refusing")
    assert found.stages[at + 1].before == found.stages[0].after  # the second way begins with the launch as it was written
    assert "starts over: no room" in pass_visualizer.diff_text(found.stages) and "starts over" in pass_visualizer.page(found)
    assert {p.name: p.runs for p in pass_timing.timing_of(found).passes}["refusing"] == 2


def test_timing(compilation):
    found = pass_timing.timing_of(compilation)
    assert 0.5 * found.seconds < sum(p.seconds for p in found.passes) <= found.seconds
    assert [p.seconds for p in found.passes] == sorted((p.seconds for p in found.passes), reverse=True)
    assert {p.name: p.runs for p in found.passes}["infer_layouts"] == 1 and "trace" not in {p.name for p in found.passes}
    table = found.table(threshold_ms=1e6).splitlines()
    assert len(table) == 3 and f"{len(found.passes)} others" in table[1] and "100.0%" not in table[1][:3]
    assert str(found).count("\n") == len(found.passes) + 1
    with pytest.raises(ValueError, match="repeat"):
        pass_timing.pass_timing(product, SM80, repeat=0)


def test_trace(tmp_path, compilation):
    found = lower_trace.trace(product, SM80, output=tmp_path / "new")
    index = json.loads((tmp_path / "new" / "passes.json").read_text())
    assert [entry["pass"] for entry in index["passes"]] == [stage.name for stage in compilation.stages]
    entry = next(e for e in index["passes"] if e["pass"] == "lower_pipelines")
    assert entry["changed"] and (found.directory / entry["file"]).read_text() == found.after("lower_pipelines") + "\n"
    assert (found.directory / "source.cu").read_text() == tilelang.lower(product, SM80).kernel_source
    with pytest.raises(KeyError, match="infer_layouts"):
        found.after("no_pass")


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("TILELANG_PASS_DIFF_OUTPUT", str(tmp_path / "diff"))
    monkeypatch.setenv("TL_LOWER_TRACE_DIR", str(tmp_path / "trace"))
    return monkeypatch


def test_pass_diff_setting(settings, tmp_path, capsys):
    settings.setenv("TILELANG_PASS_DIFF", "terminal")
    tilelang.lower(product, SM80)
    assert "after lower_pipelines" in capsys.readouterr().err and not (tmp_path / "diff").exists()
    settings.setenv("TILELANG_PASS_DIFF", "both")
    for _ in range(2):
        tilelang.lower(product, SM80)  # the same report
    assert "after lower_pipelines" in capsys.readouterr().err
    (path,) = (tmp_path / "diff").iterdir()
    text = path.read_text()
    assert (
        'class="changed"' in text and "cp_async_wait" in text and "__global__" in text and "http" not in text.split("<main>")[0]
    )
    settings.setenv("TILELANG_PASS_DIFF", "perhaps")
    with pytest.raises(TileLangError, match="terminal, html, both"):
        tilelang.lower(product, SM80)


def test_a_failing_pass_is_told(settings, tmp_path, capsys):
    settings.setenv("TILELANG_PASS_DIFF", "terminal")
    with pytest.raises(TileLangError, match="Parallel"):
        tilelang.lower(wrong, SM80)
    assert re.search(r"==== wrong_kernel: check_semantics .*Parallel", capsys.readouterr().err)


def test_lower_trace_setting(settings, tmp_path, capsys):
    settings.setenv("TL_LOWER_TRACE", "1")
    settings.setattr("sys.argv", ["some/kernel.py"])
    tilelang.lower(product, SM80)
    tilelang.lower(product, SM80)
    runs = sorted((tmp_path / "trace" / "kernel" / ".run_records").iterdir())
    assert len(runs) == 2 and all((run / "passes.json").exists() for run in runs)
    assert (tmp_path / "trace" / "kernel" / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert "report.html" in capsys.readouterr().err


def test_profile(settings, tmp_path, caplog):
    settings.setenv("TILELANG_PASS_PROFILE", "1")
    settings.setenv("TILELANG_PASS_PROFILE_THRESHOLD_MS", "100000")
    tilelang.lower(product, SM80)
    assert "passes of `product`" in caplog.text and "others" in caplog.text and "infer_layouts" not in caplog.text
    caplog.clear()
    settings.delenv("TILELANG_PASS_PROFILE")
    observe(product, SM80)
    assert not caplog.records
    observe(product, SM80, {"tl.pass_profile": True, "tl.pass_profile_threshold_ms": 0})
    assert "infer_layouts" in caplog.text
    with pytest.raises(TileLangError, match="milliseconds"):
        observe(product, SM80, {"tl.pass_profile": True, "tl.pass_profile_threshold_ms": "soon"})


def test_a_kernel_from_the_cache_says_so(settings, tmp_path, caplog):
    settings.setenv("TILELANG_CACHE_DIR", str(tmp_path / "cache"))
    tilelang.compile(product, target="cuda", execution_backend="simulator", out_idx=2)
    settings.setenv("TILELANG_PASS_PROFILE", "1")
    tilelang.compile(product, target="cuda", execution_backend="simulator", out_idx=2)
    assert "no pass ran" in caplog.text and "infer_layouts" not in caplog.text


def test_pass_configs(tmp_path, capsys):
    observe(product, SM80, {"tl.enable_dump_ir": True, "tl.dump_ir_path": str(tmp_path / "ir"), "tl.ast_print_enable": True})
    (dumped,) = (tmp_path / "ir").iterdir()
    assert dumped.name.startswith("product-") and (dumped / "product_kernel" / "000_trace.py").exists()
    assert "num_stages" in capsys.readouterr().out


def test_text_and_arena(tmp_path, capsys):
    configs = {"cuda.kernels_output_dir": str(tmp_path / "kernels"), "tl.debug_merge_shared_memory_allocations": True}
    found = observe(product, SM80, {**configs, "tl.enable_vectorize_planner_verbose": True})
    assert (tmp_path / "kernels" / "product.cu").read_text() == found.source
    printed = capsys.readouterr().out
    assert "shared memory of product_kernel" in printed and re.search(r"test_passes.py:\d+: .*16 bytes", printed), printed


def test_configurations_without_effect():
    """Every key has a use, or a reason why it has none, which the kernel's remarks then say."""
    configs = {"tl.layout_cost_model": "io-aware", "tirx.disable_vectorize": True, "tl.disable_wgmma": True}
    remarks = tilelang.compile(product, target="cuda", execution_backend="simulator", pass_configs=configs).remarks
    assert [r.values["key"] for r in remarks.of("config")] == ["tl.layout_cost_model", "tirx.disable_vectorize"]
    assert "not chosen by a cost model" in str(remarks)
    with pytest.raises(AttributeError, match="pass of TVM"):
        tilelang.compile(product, pass_configs={"tirx.add_lower_pass": [(1, print)]})
    source = "".join(path.read_text() for path in (ROOT / "tilelang").rglob("*.py") if path.name != "pass_configs.py")
    for key in tilelang.PassConfigKey:
        assert (f'"{key.value}"' in source) or key.name in source or key.name == "TIR_ADD_LOWER_PASS", key
    assert set(inert_configs.REASONS) <= {key.value for key in tilelang.PassConfigKey}


def test_what_cannot_be_written_is_a_warning(settings, tmp_path, caplog):
    (tmp_path / "diff").write_text("no folder")
    settings.setenv("TILELANG_PASS_DIFF", "html")
    assert "__global__" in tilelang.lower(product, SM80).kernel_source
    assert "no report of the passes" in caplog.text


def test_viewer(tmp_path, compilation, monkeypatch):
    empty = CliRunner().invoke(viewer.main, [str(tmp_path)])
    assert empty.exit_code == 1 and "TILELANG_PASS_DIFF=html" in empty.output
    path = pass_visualizer.write_report(compilation, tmp_path / "reports")
    listed = CliRunner().invoke(viewer.main, [str(tmp_path), "--list"])
    assert listed.output.split() == [str(path)]
    opened = []
    monkeypatch.setattr(viewer.webbrowser, "open", opened.append)
    monkeypatch.setenv("TILELANG_PASS_DIFF_OUTPUT", str(tmp_path))
    assert CliRunner().invoke(viewer.main, []).exit_code == 0 and opened == [path.as_uri()]
    with viewer.server_of(tmp_path, 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/reports/{path.name}"
        assert b"lower_pipelines" in urllib.request.urlopen(url).read()
        server.shutdown()
