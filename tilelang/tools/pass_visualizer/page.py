"""A compilation as one HTML file that needs no other: passes at the left, what the chosen one changed at the right."""

from __future__ import annotations

import difflib
import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tilelang.engine import Compilation, Stage

_STYLE = """
body { margin: 0; display: flex; font: 14px sans-serif; height: 100vh; color: #222; background: #fff; }
nav { width: 19em; overflow: auto; border-right: 1px solid #ccc; padding: .5em 0; flex: none; }
nav h1 { font-size: 15px; margin: .3em .8em; } nav h2 { font-size: 13px; margin: .8em .8em .3em; }
nav a { display: block; padding: .15em .8em; color: inherit; text-decoration: none; }
nav a.idle { color: #999; } nav a.note { color: #b00; } nav a:hover { background: #eef; } nav small { float: right; color: #999; }
main { flex: 1; overflow: auto; padding: 0 1em; } section { display: none; } section:target, section.first { display: block; }
main:has(section:target) section.first:not(:target) { display: none; }
pre { font: 12px monospace; line-height: 1.35; white-space: pre; margin: 0; } p.note { color: #b00; }
table { border-collapse: collapse; table-layout: fixed; width: 100%; }
td { font: 12px monospace; white-space: pre-wrap; overflow-wrap: anywhere; vertical-align: top; padding: 0 .5em; }
td.n { width: 3em; color: #999; text-align: right; } .del { background: #fdd; } .ins { background: #dfd; } .gap { color: #999; }
"""
_CONTEXT = 6


def page(compilation: Compilation) -> str:
    """The report's HTML."""
    stages = compilation.stages
    title = f"{compilation.name} for {compilation.target}"
    parts = ["<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">']
    parts += [f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><nav><h1>{html.escape(title)}</h1>"]
    launch = ""
    for number, stage in enumerate(stages):
        if stage.launch != launch:
            launch = stage.launch
            parts.append(f"<h2>{html.escape(launch)}</h2>")
        kind = "note" if stage.note else "changed" if stage.changed else "idle"
        time = f"<small>{stage.seconds * 1e3:.1f} ms</small>"
        parts.append(f'<a class="{kind}" href="#s{number}">{time}{html.escape(stage.name)}</a>')
    if compilation.source:
        parts.append('<h2>text</h2><a class="changed" href="#source">generated source</a>')
    parts.append("</nav><main>")
    for number, stage in enumerate(stages):
        first = ' class="first"' if number == 0 else ""
        parts.append(f'<section id="s{number}"{first}>{_section(stage)}</section>')
    if compilation.source:
        parts.append(f'<section id="source"><h3>generated source</h3><pre>{html.escape(compilation.source)}</pre></section>')
    return "\n".join([*parts, "</main></body></html>", ""])


def _section(stage: Stage) -> str:
    out = f"<h3>{html.escape(stage.launch)}: {html.escape(stage.name)}</h3>"
    if stage.note:
        out += f'<p class="note">{html.escape(stage.note)}</p>'
    if stage.decided:
        out += f"<pre>{html.escape(stage.decided)}</pre>"
    if stage.before == stage.after:
        return out + f"<p>the program stays as it is</p><pre>{html.escape(stage.after)}</pre>"
    if not stage.before:
        return out + f"<pre>{html.escape(stage.after)}</pre>"
    return out + _side_by_side(stage.before.splitlines(), stage.after.splitlines())


def _side_by_side(before: list[str], after: list[str]) -> str:
    rows: list[str] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        first_left, first_right = group[0][1], group[0][3]
        if first_left or first_right:
            rows.append('<tr class="gap"><td class="n"></td><td>...</td><td class="n"></td><td>...</td></tr>')
        for kind, i0, i1, j0, j1 in group:
            for k in range(max(i1 - i0, j1 - j0)):
                left = _cell(before, i0 + k, i1, "" if kind == "equal" else "del")
                right = _cell(after, j0 + k, j1, "" if kind == "equal" else "ins")
                rows.append(f"<tr>{left}{right}</tr>")
    return f"<table>{''.join(rows)}</table>"


def _cell(lines: list[str], index: int, end: int, kind: str) -> str:
    if index >= end:
        return '<td class="n"></td><td></td>'
    return f'<td class="n">{index + 1}</td><td class="{kind}">{html.escape(lines[index])}</td>'
