"""A device function that every thread calls on its part of a fragment, as authors of single matrix instructions do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import ir
from ..codegen.functions import reads_only
from ..errors import LayoutError, UnsupportedError
from ..layout import Fragment
from ..target import Target
from .base import Effects, LoweringContext, TileOp, attribute, tile_op
from .view import Region


@dataclass(frozen=True)
class FragmentOperand:
    """Registers of a fragment from `offset` on; `layout` is what they must be laid out as, if the author's call says so."""

    region: Region
    offset: Any
    layout: Fragment | None


@tile_op("tl.register_call")
@dataclass(frozen=True, eq=False)
class RegisterCall(TileOp):
    """`function(operands)` by every thread; fragments become pointers to the thread's own registers.

    Parameters
    ----------
    function : str
        A device function, "tl.mma_m16n8k16".
    operands : tuple
        FragmentOperand, or an expression that passes as it is.
    template : tuple of str
        Template arguments of the function.
    tiles : tuple of TensorRegion
        Shared memory that the call reads through descriptors.
    """

    function: str
    operands: tuple[Any, ...]
    template: tuple[str, ...] = ()
    tiles: tuple[Region, ...] = ()
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> RegisterCall:
        fragments = {int(p) for p in attribute(call, "fragments", ())}
        count = len(call.args) - int(attribute(call, "reads", 0))
        args, tiles = iter(list(call.args)[:count]), tuple(list(call.args)[count:])
        operands: list[Any] = []
        while (arg := next(args, None)) is not None:
            position = len(operands)
            if position in fragments:
                operands.append(FragmentOperand(arg, next(args), attribute(call, f"layout_{position}")))
            else:
                operands.append(arg)
        template = tuple(str(t) for t in attribute(call, "template", ()))
        return cls(str(attribute(call, "function")), tuple(operands), template, tiles, span)

    def to_call(self) -> ir.Call:
        args: list[Any] = []
        attrs: dict[str, Any] = {"function": self.function, "fragments": []}
        for position, operand in enumerate(self.operands):
            if isinstance(operand, FragmentOperand):
                attrs["fragments"].append(position)
                args += [operand.region, operand.offset]
                if operand.layout is not None:
                    attrs[f"layout_{position}"] = operand.layout
            else:
                args.append(operand)
        if self.template:
            attrs["template"] = list(self.template)
        if self.tiles:
            args += self.tiles
            attrs["reads"] = len(self.tiles)
        return ir.call("tl.register_call", args, attrs=attrs, span=self.span)

    @property
    def fragments(self) -> list[tuple[int, FragmentOperand]]:
        return [(p, o) for p, o in enumerate(self.operands) if isinstance(o, FragmentOperand)]

    @property
    def is_collective(self) -> bool:
        return False

    def effects(self) -> Effects:
        written = [o.region for p, o in self.fragments if not reads_only(self.function, p)]
        return Effects(reads=(*(o.region for _, o in self.fragments), *self.tiles), writes=tuple(written))

    @property
    def accumulator(self) -> tuple[Region, int] | None:
        """What a wgmma leaves under way, and its columns; None for any other function."""
        if not self.function.startswith("tl.wgmma_"):
            return None
        return self.operands[0].region, int(self.template[2])

    def reads_async_proxy(self, ctx: LoweringContext) -> bool:
        return self.accumulator is not None

    def check(self, target: Target) -> None:
        if self.accumulator is not None and target.limits.name != "sm_90a":
            raise UnsupportedError(f"wgmma on {target.arch}", fix='target={"kind": "cuda", "arch": "sm_90a"}', span=self.source)

    def strict_fragments(self, ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        return {o.region.source: o.layout for _, o in self.fragments if o.layout is not None}

    def required_fragments(self, ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        return {buf: layout for buf, layout in self.strict_fragments(ctx).items() if ctx.fragments.get(buf) != layout}

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        args = []
        for operand in self.operands:
            if not isinstance(operand, FragmentOperand):
                args.append(operand)
                continue
            buf = operand.region.source
            if ir.scope_of(buf) == "local":
                args.append(ir.address_of(ir.load(buf, [operand.offset])))
                continue
            if buf not in ctx.fragments:
                raise LayoutError(
                    f"nothing says how the fragment {buf.name} lies in registers",
                    fix="T.annotate_layout with the emitter's make_mma_store_layout or make_mma_load_layout",
                    span=self.source,
                )
            args.append(ir.address_of(ir.load(ctx.registers_of(buf), [operand.offset])))
        attrs = {"template": list(self.template)} if self.template else None
        return ir.evaluate(ir.call(self.function, args, attrs=attrs, span=self.span), self.span)
