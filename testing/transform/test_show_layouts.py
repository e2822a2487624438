"""`tl.layout_visualization_enable` prints and draws the layouts that were chosen."""

import pytest

import tilelang
import tilelang.language as T
from tilelang.errors import SemanticError


@T.prim_func
def main(A: T.Tensor((64, 64), "float16"), B: T.Tensor((64, 64), "float16"), C: T.Tensor((64, 64), "float32")):
    with T.Kernel(1, threads=128):
        a = T.alloc_shared((64, 64), "float16")
        b = T.alloc_shared((64, 64), "float16")
        c = T.alloc_fragment((64, 64), "float32")
        T.copy(A, a)
        T.copy(B, b)
        T.clear(c)
        T.gemm(a, b, c)
        T.copy(c, C)


def compiled(formats=None):
    configs = {"tl.layout_visualization_enable": True}
    if formats is not None:
        configs["tl.layout_visualization_formats"] = formats
    target = tilelang.target.resolve_target({"kind": "cuda", "arch": "sm_80"})
    return tilelang.engine.compile_prim_func(main.get(), target, configs)


def test_text(capsys):
    compiled()
    printed = capsys.readouterr().out
    assert "main_kernel: c: Fragment[64, 64]" in printed and "main_kernel: a: SharedLayout" in printed


def test_drawings(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    compiled("svg")
    assert {p.name for p in (tmp_path / "tmp").iterdir()} == {f"main_kernel_{n}.svg" for n in "abc"}
    assert not capsys.readouterr().out
    with pytest.raises(SemanticError, match="txt, svg"):
        compiled("gif")
