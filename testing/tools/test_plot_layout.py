"""Drawings of layouts say where every element is."""

import builtins
import xml.etree.ElementTree as ElementTree

import pytest

import tilelang.language as T
from tilelang.errors import LayoutError, SemanticError, UnavailableError
from tilelang.layout import SharedLayout, make_gemm_fragment_8x8
from tilelang.tools import plot_fragment_tv, plot_layout

SVG = "{http://www.w3.org/2000/svg}"


def read(path):
    tree = ElementTree.parse(path)
    cells = tree.findall(f"{SVG}rect")
    return [t.text for t in tree.findall(f"{SVG}text")], [c.get("fill") for c in cells]


def test_fragment(tmp_path):
    fragment = make_gemm_fragment_8x8().repeat([2, 1], repeat_on_thread=True)
    (path,) = plot_layout(fragment, tmp_path, "mma", "svg")
    texts, fills = read(path)
    assert texts[0] == "mma: 64 threads, 2 registers" and len(fills) == 128 and path.name == "mma.svg"
    lines = texts[1 + 8 :]
    row = lines[9 * 17 : 9 * 17 + 17]  # row 9: its label, then thread and register of each column
    assert row == ["9", *(x for j in range(8) for x in (f"T{32 + 4 + j // 2}", f"R{j % 2}"))]
    assert fills[0] == fills[1] != fills[2]


def test_by_threads(tmp_path):
    (path,) = plot_fragment_tv(make_gemm_fragment_8x8().replicate(2), tmp_path)
    texts, fills = read(path)
    assert len(fills) == 2 * 64 and texts[1] == "T0" and texts.count("3, 5") == 2


def test_swizzle(tmp_path):
    (path,) = plot_layout(SharedLayout((8, 64), 16, 128), tmp_path / "new", "swizzle", ["svg"])
    texts, fills = read(path)
    assert len(fills) == 512
    columns = [[fills[row * 64 + chunk * 8] for row in range(8)] for chunk in range(8)]
    assert all(len(set(column)) == 8 for column in columns)  # eight rows of a chunk lie in different banks
    assert "7 56" in texts
    plot_layout(T.Layout((2, 3, 4), lambda b, i, j: (b * 3 + i, j)), tmp_path, "mapped")


def test_misuse(tmp_path, monkeypatch):
    with pytest.raises(LayoutError, match="T.Fragment"):
        plot_layout(lambda i: i, tmp_path)
    with pytest.raises(LayoutError, match="T.Fragment"):
        plot_fragment_tv(SharedLayout((8, 64), 16), tmp_path)
    with pytest.raises(SemanticError, match="svg"):
        plot_layout(make_gemm_fragment_8x8(), tmp_path, formats="gif")
    real = builtins.__import__
    monkeypatch.setattr(
        builtins, "__import__", lambda name, *a, **k: missing() if name.startswith("matplotlib") else real(name, *a, **k)
    )
    with pytest.raises(UnavailableError, match="matplotlib"):
        plot_layout(make_gemm_fragment_8x8(), tmp_path, formats="svg,png")


def missing():
    raise ImportError


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_with_matplotlib(kind, tmp_path):
    pytest.importorskip("matplotlib")
    (path,) = plot_layout(make_gemm_fragment_8x8(), tmp_path, formats=kind)
    assert path.read_bytes().startswith(b"\x89PNG" if kind == "png" else b"%PDF")
