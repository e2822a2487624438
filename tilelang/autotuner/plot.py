"""A tuning run as one HTML page: bars of latency, the roofline, the table. Plain SVG, readable anywhere."""

from __future__ import annotations

import html
import math
from pathlib import Path
from typing import TYPE_CHECKING

from tilelang.profiler.roofline import Roofline, kernel_roofline

if TYPE_CHECKING:
    from tilelang.autotuner.result import AutotuneResult

_STYLE = (
    "body{font:14px sans-serif;margin:2em;color:#222}table{border-collapse:collapse}td,th{padding:2px 10px;text-align:left}"
    "td.n{text-align:right}tr:nth-child(even){background:#f4f4f4}.best{font-weight:bold}.bad{color:#a33}svg{max-width:100%}"
)
_ROW, _LABEL, _WIDTH = 18, 340, 900


def write_plot(result: AutotuneResult, path: Path) -> None:
    """Write the page.

    Parameters
    ----------
    result : AutotuneResult
        A tuning run.
    path : Path
        Such as `sweep.html`.
    """
    title = f"{result.kernel.name} on {result.device}"
    measured = None if "simulator" in result.device else result.latency
    roofline = None if result.kernel.target.is_cpu else kernel_roofline(result.kernel, measured)
    parts = [
        f"<!DOCTYPE html><meta charset=utf-8><title>{html.escape(title)}</title><style>{_STYLE}</style>",
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{len(result.records)} configurations in {result.seconds:.1f} s; best {result.latency:.4f} ms with "
        f"<code>{html.escape(str(result.config))}</code></p>",
    ]
    if "simulator" in result.device:
        parts.append("<p class=bad>Times are of the CPU simulator: they rank nothing on a GPU.</p>")
    parts += [_bars(result, roofline), "" if roofline is None else _roof(result, roofline), _table(result)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(parts))


def _bars(result: AutotuneResult, roofline: Roofline | None) -> str:
    ranking = result.ranking()[:60]
    longest = max((r.latency_ms or 0.0 for r in ranking), default=1.0) or 1.0
    scale = (_WIDTH - _LABEL - 90) / longest
    rows = []
    for row, record in enumerate(ranking):
        y, width = row * _ROW, max(1.0, (record.latency_ms or 0.0) * scale)
        color = "#2a7" if record.config == result.config else "#69c"
        rows.append(
            f'<text x="{_LABEL - 6}" y="{y + 13}" text-anchor="end" font-size="11">{html.escape(_short(record.config))}</text>'
            f'<rect x="{_LABEL}" y="{y + 3}" width="{width:.1f}" height="{_ROW - 5}" fill="{color}"/>'
            f'<text x="{_LABEL + width + 5:.1f}" y="{y + 13}" font-size="11">{record.latency_ms:.4f} ms</text>'
        )
    height = len(ranking) * _ROW
    if roofline is not None and "simulator" not in result.device and roofline.bound_ms <= longest:
        x = _LABEL + roofline.bound_ms * scale
        rows.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}" stroke="#c33" stroke-dasharray="4"/>')
    return f'<h2>Latency</h2><svg viewBox="0 0 {_WIDTH} {height + 4}" width="{_WIDTH}">{"".join(rows)}</svg>'


def _roof(result: AutotuneResult, roofline: Roofline) -> str:
    """Log-log: operations a byte against operations a second."""
    if "simulator" in result.device or not roofline.operations or not roofline.bytes:
        return f"<h2>Roofline</h2><pre>{html.escape(str(roofline))}</pre>"
    peak = roofline.operations / (roofline.compute_ms * 1e-3) if roofline.compute_ms else 1.0
    bandwidth = roofline.bytes / (roofline.memory_ms * 1e-3)
    ridge = peak / bandwidth
    low_x, high_x = min(roofline.intensity, ridge) / 10, max(roofline.intensity, ridge) * 10
    low_y = min(low_x * bandwidth, peak) / 10

    def x(value: float) -> float:
        return 60 + 780 * math.log(value / low_x) / math.log(high_x / low_x)

    def y(value: float) -> float:
        return 300 - 280 * math.log(max(value, low_y) / low_y) / math.log(peak * 2 / low_y)

    corners = [(low_x, low_x * bandwidth), (ridge, peak), (high_x, peak)]
    line = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in corners)
    dots = "".join(
        f'<circle cx="{x(roofline.intensity):.1f}" cy="{y(roofline.operations / ((r.latency_ms or 1.0) * 1e-3)):.1f}" r="3" '
        f'fill="{"#2a7" if r.config == result.config else "#69c"}"><title>{html.escape(str(r))}</title></circle>'
        for r in result.ranking()
    )
    return (
        f'<h2>Roofline</h2><pre>{html.escape(str(roofline))}</pre><svg viewBox="0 0 {_WIDTH} 330" width="{_WIDTH}">'
        f'<polyline points="{line}" fill="none" stroke="#c33"/>{dots}'
        f'<text x="60" y="325" font-size="11">{low_x:.2g} flop/byte</text>'
        f'<text x="840" y="325" text-anchor="end" font-size="11">{high_x:.2g}</text></svg>'
    )


def _table(result: AutotuneResult) -> str:
    rows = []
    for record in [*result.ranking(), *(r for r in result.records if r.latency_ms is None)]:
        kind = "best" if record.config == result.config else "bad" if record in result.failures else ""
        numbers = (record.latency_ms, record.spread and 100 * record.spread, record.predicted_ms, record.compile_s)
        cells = "".join(f"<td class=n>{'' if n is None else f'{n:.4g}'}</td>" for n in numbers)
        words = html.escape(f"{record.status} {record.reason}".strip())
        rows.append(f'<tr class="{kind}"><td>{html.escape(_short(record.config))}</td>{cells}<td>{words}</td></tr>')
    head = "<tr><th>configuration</th><th>ms</th><th>spread %</th><th>predicted ms</th><th>compile s</th><th></th></tr>"
    return f"<h2>All configurations</h2><table>{head}{''.join(rows)}</table>"


def _short(config: dict) -> str:
    return ", ".join(f"{key}={value}" for key, value in config.items())
