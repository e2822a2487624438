"""What the launcher needs to know, as plain data: parameters, symbols, kernels, outputs.

Expressions (`Expr`) are ints, symbol names, or nested lists `[op, a, b]` with op one of
`+ - * floordiv ceildiv floormod min max`, so that a plan is JSON and the C++ launcher evaluates it without Python.

These are named tuples because every process that finds a kernel in the cache makes the classes: six dataclasses take 5 ms.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Union

Expr = Union[int, str, list]

LANE_BITS, STEP_BITS = 33, 23  # of a cell of the guard of `tl.check_finite`


class Parameter(NamedTuple):
    """One argument of the kernel function, in signature order.

    `kind` is "tensor" or "scalar". For tensors: `shape` and `strides` in elements (None: compact row-major); `output`
    marks those that the launcher allocates (`out_idx`); `used` is False when no kernel touches it (None is accepted);
    `written` when a kernel may write it. `alignment` is what the kernels assume of the base address, in bytes. A `pointer`
    takes an address, any tensor, or None (null): what lies there is the kernel's business. A `grid` parameter is an extent of the
    grid of a manual launch: the last ones, which no caller passes.
    """

    name: str
    kind: str
    dtype: str
    shape: tuple[Expr, ...] = ()
    strides: tuple[Expr, ...] | None = None
    output: bool = False
    used: bool = True
    alignment: int = 16
    written: bool = True
    pointer: bool = False
    grid: bool = False


class KernelArgument(NamedTuple):
    """One argument of a device function.

    `tensor`: index into `parameters` or workspaces after them; `tensor_map`: index into the launch's `tensor_maps`; `symbol`:
    a name.
    """

    kind: str
    value: int | str
    dtype: str


class TensorMap(NamedTuple):
    """What TMA instructions read about a tensor (CUDA driver API, "Tensor Map Object Management"); dimension 0 is innermost.

    `tensor` is an index into parameters, then workspaces; `shape` in elements; `strides` in elements, of dimensions 1 and up;
    `box` the extents of what one instruction copies; `swizzle` in bytes (0: none).
    """

    tensor: int
    dtype: str
    shape: tuple[Expr, ...]
    strides: tuple[Expr, ...]
    box: tuple[int, ...]
    swizzle: int


class KernelLaunch(NamedTuple):
    """One `__global__` function and how it is launched; launches of a plan run in order on one stream.

    All blocks of a `cooperative` launch run at once. One that `overlaps` may start before the launches that it depends on have
    ended: it waits for them itself.
    """

    name: str
    grid: tuple[Expr, Expr, Expr]
    block: tuple[int, int, int]
    shared_bytes: int
    arguments: tuple[KernelArgument, ...]
    cluster: tuple[int, int, int] = (1, 1, 1)
    tensor_maps: tuple[TensorMap, ...] = ()
    cooperative: bool = False
    overlaps: bool = False

    def tree(self) -> dict[str, Any]:
        """The launch as dictionaries and tuples."""
        arguments, maps = ([item._asdict() for item in items] for items in (self.arguments, self.tensor_maps))
        return {**self._asdict(), "arguments": arguments, "tensor_maps": maps}


class HostArgument(NamedTuple):
    """What a function of the host receives.

    `kind` says what `value` is: "tensor" and "part" (an index into parameters, then workspaces: as it was passed, and a box of
    it, or of its memory as another shape and dtype), "pointer" (the same index: the address of the element `starts`), "int" (an
    expression), "float" and "bool" (a number, or a symbol's name), "text", "none". `shape` and `strides` (in elements) say what a
    box is taken from, `starts` and `extents` which; it has the `axes` that are not indexed by a single value.
    """

    kind: str
    value: Any = None
    dtype: str = ""
    shape: tuple[Expr, ...] = ()
    strides: tuple[Expr, ...] = ()
    starts: tuple[Expr, ...] = ()
    extents: tuple[Expr, ...] = ()
    axes: tuple[int, ...] = ()


class HostCall(NamedTuple):
    """A call of a function that is registered with tvm-ffi (`T.call_packed`), after `after` launches of the plan.

    `result` is the symbol that gets what it returns; empty where nobody reads that.
    """

    function: str
    arguments: tuple[HostArgument, ...]
    after: int
    result: str = ""

    def tree(self) -> dict[str, Any]:
        """The call as dictionaries and tuples."""
        return {**self._asdict(), "arguments": [argument._asdict() for argument in self.arguments]}


class Workspace(NamedTuple):
    """A global buffer that the launcher allocates for the duration of the call (`T.alloc_global`), `zeroed` if that is so."""

    name: str
    dtype: str
    shape: tuple[Expr, ...]
    zeroed: bool = False


class FiniteSite(NamedTuple):
    """What one cell of the guard of `tl.check_finite` watches: a tensor's elements (`kind` "element") or what each thread of the
    grid ("thread") assigns to a variable, whether in a loop, and the line. A cell holds, from its low bits: LANE_BITS of the
    element's or thread's number, STEP_BITS of the loop's iteration, and how many loops came before; or something beyond 2**62."""

    name: str
    kind: str
    shape: tuple[str, ...] = ()
    looped: bool = False
    file: str = ""
    line: int = 0


class LaunchPlan(NamedTuple):
    """Everything about a call except the binary.

    `symbols` maps every symbol to its dtype; each is a scalar parameter, or appears as a plain dimension or stride of a
    tensor, or as the only unknown of a sum or product that is one (the launcher solves those, in this order, then checks every
    other expression against the solved values), or is the result of one of `calls`.
    `outputs` lists parameter indices in the order in which the call returns them. With `sites`, the last parameter and the last
    output are the guard of `tl.check_finite`, which callers do not see.
    """

    name: str
    parameters: tuple[Parameter, ...]
    kernels: tuple[KernelLaunch, ...]
    symbols: Mapping[str, str] = {}  # noqa: RUF012  (nobody writes into it)
    outputs: tuple[int, ...] = ()
    workspaces: tuple[Workspace, ...] = ()
    sites: tuple[FiniteSite, ...] = ()
    calls: tuple[HostCall, ...] = ()

    @property
    def declared(self) -> tuple[Parameter, ...]:
        """The parameters that the program's author declared: without a manual launch's grid and without a guard."""
        return tuple(p for p in (self.parameters[:-1] if self.sites else self.parameters) if not p.grid)

    def without_outputs(self) -> LaunchPlan:
        """The same program when the caller passes every parameter."""
        return self._replace(parameters=tuple(p._replace(output=False) for p in self.parameters), outputs=())

    def tree(self) -> dict[str, Any]:
        """The plan as dictionaries and tuples: what the native launcher reads."""
        return {
            **self._asdict(),
            "parameters": [p._asdict() for p in self.parameters],
            "kernels": [k.tree() for k in self.kernels],
            "workspaces": [w._asdict() for w in self.workspaces],
            "sites": [s._asdict() for s in self.sites],
            "calls": [c.tree() for c in self.calls],
        }

    def to_json(self) -> str:
        return json.dumps(self.tree(), separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> LaunchPlan:
        raw = json.loads(text)
        return LaunchPlan(
            name=raw["name"],
            parameters=tuple(
                Parameter(**{**p, "shape": _tuple(p["shape"]), "strides": None if p["strides"] is None else _tuple(p["strides"])})
                for p in raw["parameters"]
            ),
            kernels=tuple(
                KernelLaunch(
                    **{
                        **k,
                        "grid": tuple(k["grid"]),
                        "block": tuple(k["block"]),
                        "cluster": tuple(k["cluster"]),
                        "arguments": tuple(KernelArgument(**a) for a in k["arguments"]),
                        "tensor_maps": tuple(
                            TensorMap(**{**m, **{field: tuple(m[field]) for field in ("shape", "strides", "box")}})
                            for m in k["tensor_maps"]
                        ),
                    }
                )
                for k in raw["kernels"]
            ),
            symbols=dict(raw["symbols"]),
            outputs=tuple(raw["outputs"]),
            workspaces=tuple(Workspace(**{**w, "shape": _tuple(w["shape"])}) for w in raw["workspaces"]),
            sites=tuple(FiniteSite(**{**s, "shape": _tuple(s["shape"])}) for s in raw.get("sites", ())),
            calls=tuple(
                HostCall(**{**c, "arguments": tuple(_host_argument(a) for a in c["arguments"])}) for c in raw.get("calls", ())
            ),
        )


def _tuple(items) -> tuple:
    return tuple(items)


def _host_argument(raw: Mapping[str, Any]) -> HostArgument:
    sequences = ("shape", "strides", "starts", "extents", "axes")
    return HostArgument(**{**raw, **{field: tuple(raw[field]) for field in sequences}})
