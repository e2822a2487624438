"""The sweep's table, and its plots."""

from __future__ import annotations

from pathlib import Path
from statistics import geometric_mean
from typing import Any

RIVALS = ("torch", "triton")


def write_report(found: dict[str, Any], path: Path) -> None:
    """Write a Markdown table a family, and `<path>-<family>.svg` with the ratios to torch where matplotlib is installed."""
    rows = [r for r in found["rows"] if "tilelang" in r]
    failed = [r for r in found["rows"] if "error" in r]
    lines = [f"# Sweep\n\n{found['device']}, torch {found['torch']}. Ratios: their time over ours. g: timed in CUDA graphs.\n"]
    for family in dict.fromkeys(r["family"] for r in rows):
        chosen = [r for r in rows if r["family"] == family]
        lines += [
            f"## {family}",
            "",
            *_summary(chosen),
            "",
            "| case | ms | TFLOP/s | GB/s | torch | Triton |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_row(r) for r in chosen]
        plot = path.with_name(f"{path.stem}-{family}.svg")
        lines += ["", f"![ratios]({plot.name})", ""] if _plot(chosen, plot) else [""]
    if failed:
        lines += ["## Not measured", "", *(f"- {r['case']}: {r['error']}" for r in failed), ""]
    path.write_text("\n".join(lines))


def _ratio(row: dict[str, Any], rival: str) -> float | None:
    return row[rival] / row["tilelang"] if rival in row else None


def _summary(rows: list[dict[str, Any]]) -> list[str]:
    lines = []
    for rival in RIVALS:
        ratios = sorted(x for r in rows if (x := _ratio(r, rival)) is not None)
        if ratios:
            ahead = sum(x >= 1 for x in ratios)
            mean = geometric_mean(ratios)
            lines.append(f"- {rival}: geometric mean {mean:.2f}, lowest {ratios[0]:.2f}, ahead in {ahead} of {len(ratios)}")
    return lines


def _row(row: dict[str, Any]) -> str:
    ms = row["tilelang"]
    ratios = ["" if (x := _ratio(row, rival)) is None else f"{x:.2f}" for rival in RIVALS]
    time = f"{ms:.4f}" + (" g" if row.get("timing") == "graph" else "")
    cells = [row["case"], time, f"{row['flops'] / ms / 1e9:.0f}", f"{row['bytes'] / ms / 1e6:.0f}", *ratios]
    return "| " + " | ".join(cells) + " |"


def _plot(rows: list[dict[str, Any]], path: Path) -> bool:
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(max(6, len(rows) * 0.16), 4), layout="constrained")
    axes = figure.subplots()
    for rival in RIVALS:
        points = [(i, x) for i, r in enumerate(rows) if (x := _ratio(r, rival)) is not None]
        if points:
            axes.plot(*zip(*points), ".", label=f"{rival} / ours")
    axes.axhline(1, color="gray", linewidth=0.8)
    axes.set_xticks(range(len(rows)), [r["case"] for r in rows], rotation=90, fontsize=5)
    axes.set_ylabel("their time over ours")
    axes.legend()
    with rc_context({"svg.fonttype": "none"}):  # labels as text: hundreds of them as outlines are half a megabyte
        figure.savefig(path)
    return True
