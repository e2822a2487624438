"""The tile program as short plain text: what is launched, and which tile operators run on which regions."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilelang._lazy import ir
from tilelang.errors import ArgumentTypeError

if TYPE_CHECKING:
    from tilelang.ir import PrimFunc

_LOOP_KINDS = {0: "serial", 1: "parallel", 2: "vectorized", 3: "unrolled"}
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


@dataclass(frozen=True)
class ShapeDtype:
    """A tensor without memory, for `xpr` and for compiling ahead of a call.

    Parameters
    ----------
    shape : tuple of int
    dtype : str
        Such as "float16".
    """

    shape: tuple[int, ...]
    dtype: str = "float32"


def xpr(function: Any, *primals: Any, color: bool = False) -> str:
    """The tile program of a function or kernel as text; no GPU and no compiler is needed.

    Parameters
    ----------
    function : JITImpl, JITKernel, LoweredKernel or T.prim_func
        What to show.
    *primals
        The arguments of a function under `tilelang.jit`: tensors, `ShapeDtype`, scalars, also nested in lists, tuples and dicts.
    color : bool
        Make operators bold with terminal codes.

    Examples
    --------
    >>> print(xpr(matmul, 1024, 1024, 1024))
    main(A: float16[1024, 1024], B: float16[1024, 1024], C: float16[1024, 1024])
      launch grid=(8, 8) threads=128
        ...
    """
    return _Printer(color).function(_program(function, _flatten(primals)))


def show(prim_func: Any, where: Any) -> None:
    """Write the text of a program: True for standard output, a file, or a callable that takes it."""
    text = xpr(prim_func)
    if hasattr(where, "write"):
        where.write(text + "\n")
    elif callable(where):
        where(text)
    else:
        sys.stdout.write(text + "\n")


def _flatten(values: Any) -> list[Any]:
    found: list[Any] = []
    for value in values.values() if isinstance(values, dict) else values:
        found += _flatten(value) if isinstance(value, (list, tuple, dict)) else [value]
    return found


def _program(function: Any, primals: list[Any]) -> PrimFunc:
    if hasattr(function, "get_tir"):
        return function.get_tir(*primals)
    prim_func = getattr(function, "prim_func", function)
    if type(prim_func).__name__ != "PrimFunc":
        raise ArgumentTypeError(
            f"xpr of {type(function).__name__}", fix="pass a tilelang.jit function, a kernel or a T.prim_func"
        )
    return prim_func


class _Printer:
    def __init__(self, color: bool) -> None:
        self.color = color

    def function(self, func: Any) -> str:
        parameters = [f"{p.name}: {_tensor(p) if ir.is_buffer_var(p) else ir.dtype_of(p)}" for p in func.params]
        attributes = func.attrs or {}
        outputs = [str(func.params[int(i)].name) for i in attributes.get("tl.out_idx") or ()]
        head = f"{attributes.get('global_symbol', 'main')}({', '.join(parameters)})"
        return "\n".join([head + (f" -> {', '.join(outputs)}" if outputs else ""), *self.statement(func.body, 1)])

    def word(self, text: str) -> str:
        return f"{_BOLD}{text}{_PLAIN}" if self.color else text

    def statement(self, node: Any, depth: int) -> list[str]:
        pad = "  " * depth
        if isinstance(node, ir.SeqStmt):
            return [line for child in node.seq for line in self.statement(child, depth)]
        if isinstance(node, ir.AttrStmt) and node.attr_key == "thread_extent":
            return self.launch(node, depth)
        if isinstance(node, ir.AttrStmt):
            return self.statement(node.body, depth)
        if isinstance(node, ir.For):
            return self.loop(node, depth)
        if isinstance(node, ir.IfThenElse):
            lines = [f"{pad}if {node.condition}", *self.statement(node.then_case, depth + 1)]
            if node.else_case is not None:
                lines += [f"{pad}else", *self.statement(node.else_case, depth + 1)]
            return lines
        if isinstance(node, ir.While):
            return [f"{pad}while {node.condition}", *self.statement(node.body, depth + 1)]
        if isinstance(node, ir.AllocBuffer):
            scope = ir.scope_of(node.buffer).removesuffix(".dyn").removeprefix("local.") or "local"
            return [f"{pad}{node.buffer.name} = {self.word('alloc')} {scope} {_tensor(node.buffer)}"]
        if isinstance(node, ir.BufferStore):
            indices = ", ".join(str(i) for i in node.indices)
            return [f"{pad}{node.buffer.name}[{indices}] = {node.value}"]
        if isinstance(node, ir.Bind):
            return [f"{pad}{node.var.name} = {node.value}"]
        if isinstance(node, ir.Evaluate):
            return [] if ir.is_noop(node) else [pad + self.operator(node.value)]
        return [pad + str(node)]

    def launch(self, node: Any, depth: int) -> list[str]:
        extents: dict[str, Any] = {}
        while isinstance(node, ir.AttrStmt):
            if node.attr_key == "thread_extent":
                extents[str(node.node.thread_tag)] = node.value
            node = node.body
        grid = _trimmed([extents.get(f"blockIdx.{axis}", 1) for axis in "xyz"])
        threads = _trimmed([extents.get(f"threadIdx.{axis}", 1) for axis in "xyz"])
        head = f"{'  ' * depth}{self.word('launch')} grid=({grid}) threads={threads}"
        return [head, *self.statement(node, depth + 1)]

    def loop(self, node: Any, depth: int) -> list[str]:
        pad, notes = "  " * depth, dict(node.annotations or {})
        names, extents = [str(node.loop_var.name)], [str(node.extent)]
        kind = _LOOP_KINDS.get(int(node.kind), "serial")
        stages = notes.get("tl.num_stages")
        if stages is not None:
            kind = f"pipelined[{int(stages)}]"
        for _ in range(int(notes.get("tl.parallel_depth", 1)) - 1):
            node = node.body
            names.append(str(node.loop_var.name))
            extents.append(str(node.extent))
        return [f"{pad}{self.word(kind)} {', '.join(names)} in {', '.join(extents)}", *self.statement(node.body, depth + 1)]

    def operator(self, call: Any) -> str:
        if not isinstance(call, ir.Call):
            return str(call)
        name = ir.call_name(call).removeprefix("tl.").removeprefix("tirx.")
        operands = [_region(a) if isinstance(a, ir.BufferRegion) else str(a) for a in call.args]
        notes = [f"{key}={value}" for key, value in sorted(dict(call.attrs or {}).items()) if value not in (None, 0, False, "")]
        return f"{self.word(name)} {', '.join(operands)}" + (f"  {{{', '.join(notes)}}}" if notes else "")


def _trimmed(extents: list[Any]) -> str:
    texts = [str(extent) for extent in extents]
    while len(texts) > 1 and texts[-1] == "1":
        texts.pop()
    return ", ".join(texts)


def _tensor(var: Any) -> str:
    return f"{ir.buffer_dtype(var)}[{', '.join(str(extent) for extent in ir.shape_of(var))}]"


def _region(region: Any) -> str:
    """`A[by * 64 : +64, 0 : +32]`; a whole buffer by its name and shape alone."""
    buf = region.source if hasattr(region, "source") else region.buffer
    extents = [str(r.extent) for r in region.region]
    if all(str(r.min) == "0" for r in region.region) and extents == [str(e) for e in ir.shape_of(buf)]:
        return f"{buf.name}[{', '.join(extents)}]"
    return f"{buf.name}[{', '.join(f'{r.min} : +{e}' for r, e in zip(region.region, extents))}]"
