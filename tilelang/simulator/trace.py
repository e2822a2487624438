"""A trace of a simulated kernel: copies, waits, gemms and barriers of every warp, for Perfetto or as a picture.

Times are those of a stated model (`KernelTrace.model`; src/simulator/checker/trace.h), not of a GPU: they show what waits for
what, and whether copies overlap with computation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilelang.errors import ArgumentError, UnavailableError, UnsupportedError
from tilelang.simulator.check_text import KernelText
from tilelang.simulator.runtime import load_library

_COLOURS = {"copy": "#4c78a8", "store": "#72b7b2", "gemm": "#54a24b", "wait": "#e45756", "barrier": "#f2a541"}
_AMOUNTS = {"copy": "bytes", "store": "bytes", "gemm": "multiply_adds"}


def _track(warp: int) -> str:
    return f"warp {warp}" if warp >= 0 else f"tensor cores of warpgroup {-1 - warp}"


@dataclass(frozen=True)
class TraceEvent:
    """What a warp did from `start` for `duration` model cycles; `source` is the user's line where it is known.

    A negative `warp` is the tensor cores of warpgroup -1 - warp, on which wgmma runs.
    """

    kind: str
    source: str
    line: int
    launch: int
    block: tuple[int, int, int]
    warp: int
    start: int
    duration: int
    amount: int


@dataclass(frozen=True)
class KernelTrace:
    """The events of a call.

    Attributes
    ----------
    kernel : str
    events : tuple of TraceEvent
    model : dict
        The costs: bytes a cycle of a copy, multiply-adds a cycle of a gemm, cycles until an asynchronous copy has landed.
    truncated : bool
        Whether the run had more events than are kept.
    """

    kernel: str
    events: tuple[TraceEvent, ...]
    model: dict[str, int]
    truncated: bool

    def to_json(self) -> str:
        """The trace in the format that https://ui.perfetto.dev and chrome://tracing open; a cycle is shown as 1 ns."""
        blocks = {key: i for i, key in enumerate(dict.fromkeys((e.launch, e.block) for e in self.events))}
        rows: list[dict[str, Any]] = []
        for (launch, block), process in blocks.items():
            rows.append({"ph": "M", "name": "process_name", "pid": process, "args": {"name": f"launch {launch} block {block}"}})
        for process, warp in sorted({(blocks[e.launch, e.block], e.warp) for e in self.events}):
            rows.append({"ph": "M", "name": "thread_name", "pid": process, "tid": warp, "args": {"name": _track(warp)}})
        for event in self.events:
            details: dict[str, Any] = {"source": event.source, "line": event.line}
            if event.kind in _AMOUNTS:
                details[_AMOUNTS[event.kind]] = event.amount
            rows.append(
                {
                    "ph": "X",
                    "name": f"{event.kind} {event.source}".strip(),
                    "cat": event.kind,
                    "pid": blocks[event.launch, event.block],
                    "tid": event.warp,
                    "ts": event.start / 1000,
                    "dur": event.duration / 1000,
                    "args": details,
                }
            )
        return json.dumps({"traceEvents": rows, "displayTimeUnit": "ns", "otherData": {"kernel": self.kernel, **self.model}})

    def save(self, path: str | Path) -> None:
        """Write `.json` (for Perfetto) or `.png` (a timeline), by the path's ending.

        Raises
        ------
        ArgumentError
            For another ending.
        UnavailableError
            For a picture without matplotlib.
        """
        path = Path(path)
        if path.suffix == ".json":
            path.write_text(self.to_json())
        elif path.suffix == ".png":
            self._draw(path)
        else:
            raise ArgumentError(f"cannot save a trace as {path.name!r}", fix="use a name that ends in .json or .png")

    def _draw(self, path: Path, launch: int = 1) -> None:
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
            from matplotlib.patches import Patch
        except ImportError:
            raise UnavailableError("a picture of a trace needs matplotlib", fix="pip install matplotlib") from None
        # One block tells the story; the others do the same.
        first = next(((e.launch, e.block) for e in self.events), (launch, (0, 0, 0)))
        events = [e for e in self.events if (e.launch, e.block) == first]
        warps = sorted({e.warp for e in events})
        figure = Figure(figsize=(14, 1.5 + 0.4 * len(warps)))
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for row, warp in enumerate(warps):
            for kind, colour in _COLOURS.items():
                spans = [(e.start, max(e.duration, 1)) for e in events if e.warp == warp and e.kind == kind]
                axes.broken_barh(spans, (row - 0.4, 0.8), facecolors=colour)
        axes.set_yticks(range(len(warps)), [_track(warp) for warp in warps])
        axes.invert_yaxis()
        axes.set_xlabel(f"cycles of the model ({', '.join(f'{k} {v}' for k, v in self.model.items())})", fontsize=8)
        axes.set_title(f"{self.kernel}, block {first[1]}")
        handles = [Patch(color=colour, label=kind) for kind, colour in _COLOURS.items()]
        axes.legend(handles=handles, ncols=len(handles), loc="lower right", fontsize=8)
        figure.tight_layout()
        figure.savefig(path, dpi=120)


def trace_kernel(kernel: Any, *inputs: Any) -> KernelTrace:
    """Run a kernel in the simulator and record what its warps do; `JITKernel.trace` calls this.

    Parameters
    ----------
    kernel : JITKernel
        Compiled for the simulator.
    *inputs
        The arguments of a call; the kernel runs on them.

    Returns
    -------
    KernelTrace

    Raises
    ------
    UnsupportedError
        When the kernel was compiled for a GPU.
    """
    if kernel.artifact.kind != "simulator":
        raise UnsupportedError(
            f"`{kernel.name}` is compiled for {kernel.target}: only simulated kernels can be traced",
            fix='compile it with execution_backend="simulator", or set TILELANG_SIMULATE=1',
        )
    from tilelang.runtime import Launcher

    launcher = Launcher(kernel.artifact.plan, kernel.artifact.binary())
    return _recorded(kernel.name, kernel.artifact.source, lambda: launcher(*inputs))


def trace_device_text(
    source: str, name: str, grid: Sequence[int], block: Sequence[int], arguments: Sequence[Any], *, shared_bytes: int = 0
) -> KernelTrace:
    """The same for one kernel of a device text; arguments as for `SimulatedModule.launch`."""
    from tilelang.simulator.compiler import compile_kernel
    from tilelang.simulator.launch import SimulatedModule

    module = SimulatedModule(compile_kernel(source, [name]))
    return _recorded(name, source, lambda: module.launch(name, grid, block, arguments, shared_bytes=shared_bytes))


def _recorded(name: str, source: str, call: Any) -> KernelTrace:
    runtime = load_library()
    watcher = runtime.tl_sim_trace_new()
    runtime.tl_sim_watch(watcher)
    try:
        call()
        raw = json.loads(runtime.tl_sim_watcher_report(watcher))
    finally:
        runtime.tl_sim_watch(None)
        runtime.tl_sim_watcher_free(watcher)
    text = KernelText(source)
    places: dict[int, str] = {}
    events = []
    for kind, launch, line, block, warp, start, duration, amount in raw["events"]:
        if line not in places:
            places[line] = text.place(line)
        events.append(TraceEvent(kind, places[line], line, launch, tuple(block), warp, start, duration, amount))
    return KernelTrace(name, tuple(events), raw["model"], raw["truncated"])
