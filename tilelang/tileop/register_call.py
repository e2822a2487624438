"""A device function that every thread calls on its part of a fragment, as authors of single matrix instructions do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import ir
from ..codegen.functions import reads_only
from ..errors import LayoutError
from ..layout import Fragment
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
    """

    function: str
    operands: tuple[Any, ...]
    template: tuple[str, ...] = ()
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> RegisterCall:
        fragments = {int(p) for p in attribute(call, "fragments", ())}
        args = iter(call.args)
        operands: list[Any] = []
        while (arg := next(args, None)) is not None:
            position = len(operands)
            if position in fragments:
                operands.append(FragmentOperand(arg, next(args), attribute(call, f"layout_{position}")))
            else:
                operands.append(arg)
        template = tuple(str(t) for t in attribute(call, "template", ()))
        return cls(str(attribute(call, "function")), tuple(operands), template, span)

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
        return ir.call("tl.register_call", args, attrs=attrs, span=self.span)

    @property
    def fragments(self) -> list[tuple[int, FragmentOperand]]:
        return [(p, o) for p, o in enumerate(self.operands) if isinstance(o, FragmentOperand)]

    @property
    def is_collective(self) -> bool:
        return False

    def effects(self) -> Effects:
        written = [o.region for p, o in self.fragments if not reads_only(self.function, p)]
        return Effects(reads=tuple(o.region for _, o in self.fragments), writes=tuple(written))

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
            if buf not in ctx.fragments:
                raise LayoutError(
                    f"nothing says how the fragment {buf.name} lies in registers",
                    fix="T.annotate_layout with the emitter's make_mma_store_layout or make_mma_load_layout",
                    span=self.source,
                )
            args.append(ir.address_of(ir.load(ctx.registers_of(buf), [operand.offset])))
        attrs = {"template": list(self.template)} if self.template else None
        return ir.evaluate(ir.call(self.function, args, attrs=attrs, span=self.span), self.span)
