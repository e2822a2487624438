"""T.tcgen05_gemm_blockscaled: products of 8-bit floats whose blocks along k have a power of two each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ... import ir
from ...errors import DTypeError, SemanticError, ShapeError
from ...target import Target
from ...target.tcgen05 import LANES
from ..base import Effects, LoweringContext, attribute, tile_op
from .gemm import Product, TensorGemm
from .tile import SCOPE, TensorTile

_FLOAT8 = ("float8_e4m3fn", "float8_e5m2")
_PER_WORD = 4  # scales of neighbouring blocks along k, in the bytes of a column
_PER_COLUMN = 32  # rows whose scales a column holds


@tile_op("tl.gemm_blockscaled")
@dataclass(frozen=True, eq=False)
class ScaledTensorGemm(TensorGemm):
    """C += (A * SFA) @ (B * SFB) with C, SFA and SFB in tensor memory.

    Parameters
    ----------
    SFA, SFB : TensorRegion
        Four columns of 32 bits for 128 rows of A or columns of B, as T.tcgen05_cp_warpx4 puts them there; a column's bytes are
        scales of four neighbouring blocks along k.
    k_start : Expr
        Where the tile lies along k: which byte is the first block's.
    granularity : (int, int)
        Elements along k that share a scale, of A and of B.
    """

    SFA: Any = None
    SFB: Any = None
    k_start: Any = 0
    granularity: tuple[int, int] = (32, 32)

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> ScaledTensorGemm:
        a, b, c, clear, sfa, sfb, start, *rest = call.args
        plain = TensorGemm.from_call(ir.call("tl.gemm", [a, b, c, clear, *rest], attrs=dict(call.attrs.items())), span)
        granularity = tuple(int(g) for g in attribute(call, "granularity"))
        fields = {name: getattr(plain, name) for name in plain.__dataclass_fields__}
        return cls(**fields, SFA=sfa, SFB=sfb, k_start=start, granularity=(granularity[0], granularity[1]))

    def to_call(self) -> ir.Call:
        plain = super().to_call()
        args = [*plain.args[:4], self.SFA, self.SFB, self.k_start, *plain.args[4:]]
        attrs = {**dict(plain.attrs.items()), "granularity": list(self.granularity)}
        return ir.call("tl.gemm_blockscaled", args, attrs=attrs, span=self.span)

    def check(self, target: Target) -> None:
        super().check(target)
        a, b, c = self.a, self.b, self.c
        if a.dtype not in _FLOAT8 or b.dtype not in _FLOAT8 or c.dtype != "float32":
            raise DTypeError(
                f"block scales of {a.dtype} by {b.dtype} into {c.dtype}",
                fix="8-bit floats into float32: scaled 4-bit and 6-bit floats are not in this version",
                span=self.source,
            )
        if a.scope == SCOPE or c.shape[0] % LANES:
            raise ShapeError(
                f"block scales with A in {a.scope} and m = {c.shape[0]}",
                fix=f"A in shared memory, m a multiple of {LANES}",
                span=self.source,
            )
        for name, region, extent in (("SFA", self.SFA, c.shape[0]), ("SFB", self.SFB, c.shape[1])):
            if ir.scope_of(region.source) != SCOPE:
                raise SemanticError(
                    f"{name}, {region.source.name}, is not in tensor memory",
                    fix='T.alloc_tmem((128, 4), "uint32"), filled by T.tcgen05_cp_warpx4',
                    span=self.source,
                )
            shape = ir.static_shape(region.source)
            held = shape[-1] * (shape[-2] // LANES) * _PER_COLUMN
            if held < extent:
                raise ShapeError(
                    f"{name} has scales of {held} rows, the product {extent}",
                    fix=f"four columns of 32 bits for every {LANES} rows: ({LANES}, {-(-extent // _PER_COLUMN)})",
                    span=self.source,
                )
        for granularity in self.granularity:
            if granularity % 32 or granularity < 32:
                raise ShapeError(
                    f"scales of {granularity} elements along k", fix="multiples of 32 elements share a scale", span=self.source
                )

    def effects(self) -> Effects:
        plain = super().effects()
        return replace(plain, reads=(*plain.reads, self.SFA, self.SFB))

    def _issue(self, at: Product, ctx: LoweringContext) -> ir.Stmt:
        places = []
        for region, tile, count in ((self.SFA, at.row_tile, self.rows), (self.SFB, at.column_tile, at.width)):
            scales: TensorTile = ctx.tensor_tiles[region.source]
            offset = ir.simplify(ir.as_expr(tile * (count // _PER_COLUMN)))
            places.append(scales.base if ir.const_int(offset) == 0 else scales.base + ir.Cast("uint32", offset))
        k = ir.as_expr(self.k_start) + at.step * self.instruction.k
        ids = [ir.Cast("uint32", ir.simplify(k // g % _PER_WORD, ctx.proofs)) for g in self.granularity]
        template = [t for i, t in enumerate(at.template) if i != 2]  # C is float32
        args = [at.target, at.left, at.right, *places, *ids, at.keep]
        return ir.evaluate(ir.call("tl.tcgen05_mma_scaled", args, attrs={"template": template}, span=self.span), self.span)
