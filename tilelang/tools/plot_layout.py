"""Drawings of layouts: which thread holds which element of a tile, and where elements lie in shared memory."""

from __future__ import annotations

import colorsys
import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from tilelang.errors import LayoutError, SemanticError, UnavailableError
from tilelang.layout import Fragment
from tilelang.layout.index_map import IndexMap

FORMATS = ("svg", "png", "pdf")
MAX_ELEMENTS = 1 << 16
_CELL, _MARGIN, _TITLE = (46, 30), 40, 30
_GOLDEN = 0.6180339887498949  # neighbouring numbers get distant hues


@dataclass(frozen=True)
class _Cell:
    lines: tuple[str, ...]
    group: int | None  # what its colour stands for; None: nobody's


@dataclass(frozen=True)
class _Drawing:
    title: str
    rows: list[str]
    columns: list[str]
    cells: list[list[_Cell]]


def plot_layout(
    layout: Any, save_directory: str | Path = "./tmp", name: str = "layout", formats: str | Sequence[str] = "svg"
) -> list[Path]:
    """Draw a layout as a table with a cell for each element.

    A cell of a `Fragment` says thread and register ("T3 R1"; the first copy) and has its thread's colour; a cell of a layout of
    shared memory says the physical indices and has the colour of the 16 bytes modulo 128 in which it lies, which is to say of its
    banks (elements count as their `bits`, one byte if there are none).

    Parameters
    ----------
    layout : Fragment, T.Layout or a swizzle
        Axes before the last two are laid out below one another.
    save_directory : str or Path
        Made if it is not there.
    name : str
        The files are `<name>.<format>`.
    formats : str or sequence of str
        "svg", "png", "pdf", several of them, or "all". PNG and PDF take matplotlib.

    Returns
    -------
    list of Path

    Raises
    ------
    UnavailableError
        For PNG and PDF without matplotlib.

    Examples
    --------
    >>> plot_layout(T.Fragment((8, 8), lambda i, j: (i * 4 + j // 2, j % 2)), name="mma_c")
    """
    if isinstance(layout, Fragment):

        def cell(point: tuple[int, ...]) -> _Cell:
            thread = layout.thread_of(point)
            return _Cell((f"T{thread}", f"R{layout.local_of(point)}"), thread)

        title = f"{name}: {layout.get_thread_size()} threads, {layout.local_size} registers" + (
            f", {layout.replicate_size} copies" if layout.replicate_size > 1 else ""
        )
    elif isinstance(layout, IndexMap):

        def cell(point: tuple[int, ...]) -> _Cell:
            group = layout.offset(point) * getattr(layout, "bits", 8) // 8 // 16 % 8
            return _Cell((" ".join(map(str, layout.physical(point))),), group)

        title = f"{name}: {' x '.join(map(str, layout.shape))} to {' x '.join(map(str, layout.physical_shape))}"
    else:
        raise LayoutError(f"plot_layout of {type(layout).__name__}", fix="T.Fragment, T.Layout or one of tilelang.layout.make_*")
    return _save(_table(layout.shape, cell, title), save_directory, name, formats)


def plot_fragment_tv(
    fragment: Fragment, save_directory: str | Path = "./tmp", name: str = "fragment_tv", formats: str | Sequence[str] = "svg"
) -> list[Path]:
    """Draw a fragment the other way round: a row for each register, a column for each thread, the element in the cell.

    Examples
    --------
    >>> plot_fragment_tv(T.Fragment((8, 8), lambda i, j: (i * 4 + j // 2, j % 2)))
    """
    if not isinstance(fragment, Fragment):
        raise LayoutError(f"plot_fragment_tv of {type(fragment).__name__}", fix="pass a T.Fragment")
    threads, registers = fragment.get_thread_size(), fragment.local_size
    held: dict[tuple[int, int], tuple[int, ...]] = {}
    for point in product(*map(range, fragment.shape)):
        for copy in range(fragment.replicate_size):
            held[fragment.local_of(point), fragment.map_forward_thread(point, copy)] = point

    def cell(register: int, thread: int) -> _Cell:
        point = held.get((register, thread))
        return _Cell(("",), None) if point is None else _Cell((", ".join(map(str, point)),), point[0])

    cells = [[cell(r, t) for t in range(threads)] for r in range(registers)]
    drawing = _Drawing(
        f"{name}: elements by register and thread", [f"R{r}" for r in range(registers)], [f"T{t}" for t in range(threads)], cells
    )
    return _save(drawing, save_directory, name, formats)


def _table(shape: tuple[int, ...], cell: Callable[[tuple[int, ...]], _Cell], title: str) -> _Drawing:
    columns = shape[-1]
    leads = list(product(*map(range, shape[:-1])))
    if prod(shape) > MAX_ELEMENTS:
        raise LayoutError(f"a drawing of {prod(shape)} elements", fix=f"draw a tile of at most {MAX_ELEMENTS}")
    cells = [[cell((*lead, c)) for c in range(columns)] for lead in leads]
    return _Drawing(title, [", ".join(map(str, lead)) for lead in leads], [str(c) for c in range(columns)], cells)


def _color(group: int | None) -> str:
    if group is None:
        return "#ffffff"
    r, g, b = colorsys.hls_to_rgb(group * _GOLDEN % 1.0, 0.82, 0.75)
    return f"#{round(r * 255):02x}{round(g * 255):02x}{round(b * 255):02x}"


def _save(drawing: _Drawing, directory: str | Path, name: str, formats: str | Sequence[str]) -> list[Path]:
    given = formats.replace(",", " ").split() if isinstance(formats, str) else list(formats)
    wanted = list(FORMATS) if given == ["all"] else given
    if not wanted or any(f not in FORMATS for f in wanted):
        raise SemanticError(f"formats={formats!r}", fix='"svg", "png", "pdf", several of them or "all"')
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for kind in wanted:
        path = folder / f"{name}.{kind}"
        if kind == "svg":
            path.write_text(_svg(drawing))
        else:
            _with_matplotlib(drawing, path)
        out.append(path)
    return out


def _svg(drawing: _Drawing) -> str:
    wide, high = _CELL
    wide = max(wide, 7 * max(len(line) for row in drawing.cells for cell in row for line in cell.lines) + 6)
    width, height = _MARGIN * 2 + wide * len(drawing.columns), _TITLE + _MARGIN + high * len(drawing.rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="10" '
        'text-anchor="middle">',
        f'<text x="{width / 2}" y="18" font-size="13">{html.escape(drawing.title)}</text>',
    ]
    for c, label in enumerate(drawing.columns):
        parts.append(f'<text x="{_MARGIN + (c + 0.5) * wide}" y="{_TITLE + 14}">{html.escape(label)}</text>')
    for r, (label, row) in enumerate(zip(drawing.rows, drawing.cells)):
        top = _TITLE + 20 + r * high
        parts.append(f'<text x="{_MARGIN / 2}" y="{top + high / 2 + 4}">{html.escape(label)}</text>')
        for c, cell in enumerate(row):
            left = _MARGIN + c * wide
            parts.append(
                f'<rect x="{left}" y="{top}" width="{wide}" height="{high}" fill="{_color(cell.group)}" stroke="#555" '
                'stroke-width="0.5"/>'
            )
            step = high / (len(cell.lines) + 1)
            for k, line in enumerate(cell.lines):
                parts.append(f'<text x="{left + wide / 2}" y="{top + step * (k + 1) + 3:.1f}">{html.escape(line)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _with_matplotlib(drawing: _Drawing, path: Path) -> None:
    try:
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle
    except ImportError:
        raise UnavailableError(
            f"{path.suffix[1:].upper()} drawings take matplotlib",
            fix='pip install matplotlib, or formats="svg"',
            tool="matplotlib",
        ) from None
    rows, columns = len(drawing.rows), len(drawing.columns)
    figure = Figure(figsize=(0.6 * columns + 1, 0.45 * rows + 1))
    axes = figure.add_axes((0.05, 0.02, 0.94, 0.88))
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.set_title(drawing.title)
    axes.set_xticks([c + 0.5 for c in range(columns)], drawing.columns)
    axes.set_yticks([r + 0.5 for r in range(rows)], drawing.rows)
    axes.xaxis.tick_top()
    for r, row in enumerate(drawing.cells):
        for c, cell in enumerate(row):
            axes.add_patch(Rectangle((c, r), 1, 1, facecolor=_color(cell.group), edgecolor="#555555", linewidth=0.5))
            axes.text(c + 0.5, r + 0.5, "\n".join(cell.lines), ha="center", va="center", fontsize=7)
    figure.savefig(path)
