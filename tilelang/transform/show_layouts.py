"""Tell the author the layouts that were chosen: `tl.layout_visualization_enable`, as text or as drawings.

`tl.layout_visualization_formats` says how: "txt" prints them, "svg", "png" and "pdf" draw each tile to
./tmp/<kernel>_<tile>.<format>, "all" does everything; several are separated by commas. The default is "txt".
"""

from __future__ import annotations

from math import prod

from ..errors import SemanticError
from .kernel_program import KernelProgram

ENABLE, HOW = "tl.layout_visualization_enable", "tl.layout_visualization_formats"


def show_layouts(program: KernelProgram) -> KernelProgram:
    """Print or draw the layouts of a launch; the program stays as it is."""
    if not program.config(ENABLE, False):
        return program
    from ..tools.plot_layout import FORMATS, MAX_ELEMENTS, plot_layout  # drawing is not part of compiling

    given = str(program.config(HOW) or "txt").replace(",", " ").split()
    wanted = ["txt", *FORMATS] if "all" in given else given
    if any(f not in ("txt", *FORMATS) for f in wanted):
        raise SemanticError(f"{HOW}={program.config(HOW)!r}", fix=f"txt, {', '.join(FORMATS)}, several of them, or all")
    drawn = [f for f in wanted if f != "txt"]
    for buf, layout in (*program.ctx.fragments.items(), *program.ctx.shared.items()):
        if "txt" in wanted:
            print(f"{program.name}: {buf.name}: {layout}")
        if drawn and prod(layout.shape) <= MAX_ELEMENTS:
            plot_layout(layout, "./tmp", f"{program.name}_{buf.name}", drawn)
    return program
