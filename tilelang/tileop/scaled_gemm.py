"""T.mma_gemm_blockscaled: products of 4- and 8-bit floats whose blocks along k have a scale each, by instructions of a warp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from .. import ir
from ..errors import DTypeError, SemanticError, ShapeError, UnsupportedError
from ..layout import SharedLayout
from ..target import Target
from ..target.mma import FLOAT4, ScaledInstruction, find_scaled_instruction
from .base import Effects, LoweringContext, attribute, dtype_bits, tile_op
from .gemm import Gemm
from .mma import MmaPlan, lower_mma
from .mma.operand import SharedMatrix
from .mma.scales import BlockScales, ScaledOperands
from .operand import SHARED
from .view import Region, extents, starts

_SCALE_TYPES = ("float8_e4m3fn", "float8_e8m0fnu")
_CODES = ("int8", "uint8", "int32", "uint32")  # what may hold scales of either type
LAYOUTS = ("row_major", "column_major")


@tile_op("tl.mma_gemm_blockscaled")
@dataclass(frozen=True, eq=False)
class ScaledGemm(Gemm):
    """C += (A * SFA) @ (B * SFB), A and B in shared memory, C as of `tl.gemm`.

    Parameters
    ----------
    SFA, SFB : TensorRegion
        In shared memory: scales of the rows of A and of the columns of B.
    k_start : Expr
        Where the tile begins along k.
    granularity : (int, int)
        Elements along k that share a scale, of A and of B.
    sf_layout : str
        "row_major": a row of scales for each row of A (column of B); "column_major": a column.
    elements : (str, str)
        Dtypes of A and B; once `pack_sub_byte` has run, pairs of 4-bit elements are bytes.
    """

    SFA: Any = None
    SFB: Any = None
    k_start: Any = 0
    granularity: tuple[int, int] = (16, 16)
    sf_layout: str = "row_major"
    elements: tuple[str, str] = ("", "")

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> ScaledGemm:
        a, b, c, clear, sfa, sfb, k_start = call.args
        plain = Gemm.from_call(ir.call("tl.gemm", [a, b, c, clear], attrs=dict(call.attrs.items())), span)
        if not isinstance(plain, Gemm):
            raise SemanticError(
                f"C of T.mma_gemm_blockscaled, {c.source.name}, is in tensor memory",
                fix="T.tcgen05_gemm_blockscaled, or C in T.alloc_fragment",
                span=ir.span_to_source(span),
            )
        given = {f.name: getattr(plain, f.name) for f in fields(plain)}
        of_a, of_b = (int(g) for g in attribute(call, "granularity"))
        of_buffers = [ir.buffer_dtype(r.source) for r in (a, b)]
        a_type, b_type = map(str, attribute(call, "elements", of_buffers))
        layout = str(attribute(call, "sf_layout", "row_major"))
        return cls(
            **given, SFA=sfa, SFB=sfb, k_start=k_start, granularity=(of_a, of_b), sf_layout=layout, elements=(a_type, b_type)
        )

    def to_call(self) -> ir.Call:
        plain = super().to_call()
        attrs = {
            **dict(plain.attrs.items()),
            "granularity": list(self.granularity),
            "sf_layout": self.sf_layout,
            "elements": list(self.elements),
        }
        args = [*plain.args, self.SFA, self.SFB, self.k_start]
        return ir.call("tl.mma_gemm_blockscaled", args, attrs=attrs, span=self.span)

    def packed(self, in_bytes: Callable[[Region], Region]) -> ScaledGemm:
        """The product on the bytes of its tiles."""
        return replace(self, A=in_bytes(self.A), B=in_bytes(self.B))

    # ------------------------------------------------------------------ checks

    @property
    def scale_type(self) -> str:
        """The dtype of the scales; of tiles of plain codes what the operands' format has: NVFP4's where 16 elements share one."""
        for region in (self.SFA, self.SFB):
            if (dtype := ir.buffer_dtype(region.source)) in _SCALE_TYPES:
                return dtype
        nvfp4 = self.elements[0] == FLOAT4 and any(g % 32 for g in self.granularity)
        return _SCALE_TYPES[0] if nvfp4 else _SCALE_TYPES[1]

    @property
    def instruction(self) -> ScaledInstruction | None:
        return find_scaled_instruction(*self.elements, self.scale_type)

    def check(self, target: Target) -> None:
        super().check(target)
        if not target.limits.has_block_scaled_mma:
            raise UnsupportedError(
                f"T.mma_gemm_blockscaled: a warp's instructions with block scales are of sm_120a; the target is {target.arch}",
                fix="T.gemm_blockscaled with T.alloc_tmem on sm_100a; elsewhere T.gemm of operands multiplied by their scales",
                span=self.source,
            )
        for operand in (self.a, self.b):
            if operand.scope not in SHARED:
                raise UnsupportedError(
                    f"operand {operand.letter} of T.mma_gemm_blockscaled, {operand.buffer.name}, is in {operand.scope} memory",
                    fix="copy it to T.alloc_shared first",
                    span=self.source,
                )
        self._check_types()
        self._check_shape()
        for name, region, extent, granularity in self._scales():
            self._check_scales(name, region, extent, granularity)

    def _check_types(self) -> None:
        a, b, scale = *self.elements, self.scale_type
        for name, region in (("SFA", self.SFA), ("SFB", self.SFB)):
            if (found := ir.buffer_dtype(region.source)) not in (scale, *_CODES):
                raise DTypeError(
                    f"{name} of T.mma_gemm_blockscaled, {region.source.name}, is {found}"
                    + (f" beside scales of {scale}" if found in _SCALE_TYPES else ""),
                    fix="float8_e4m3fn, float8_e8m0fnu, or their codes in uint8 or uint32, the same for both",
                    span=self.source,
                )
        if self.instruction is None or self.c.dtype != "float32":
            raise DTypeError(
                f"T.mma_gemm_blockscaled of {a} by {b} into {self.c.dtype}, with scales of {scale}",
                fix="float4_e2m1fn with scales of float8_e4m3fn or float8_e8m0fnu, or float8_e4m3fn and float8_e5m2 with scales "
                "of float8_e8m0fnu, into float32",
                span=self.source,
            )

    def _check_shape(self) -> None:
        instruction, (m, n), k = self._instruction, self.c.shape, self.stored_k * self._per_byte
        if m % 16 or n % 8 or k % instruction.k:
            raise ShapeError(
                f"T.mma_gemm_blockscaled of {m} x {n} x {k}",
                fix=f"m a multiple of 16, n of 8, k of {instruction.k}: pad the tile, T.copy fills it with zeros",
                span=self.source,
            )
        for operand, flag in ((self.a, "transpose_A=False"), (self.b, "transpose_B=True")):
            along_k = operand.dims[1 if operand.letter == "A" else 0]
            if FLOAT4 in self.elements and along_k != len(ir.static_shape(operand.buffer)) - 1:
                raise UnsupportedError(
                    f"operand {operand.letter} of T.mma_gemm_blockscaled, {operand.buffer.name}, has 4-bit elements that are "
                    "neighbours along " + ("M" if operand.letter == "A" else "N") + ": the instruction takes pairs along K",
                    fix=f"{flag}: store {operand.letter} with K innermost",
                    span=self.source,
                )

    def _scales(self) -> list[tuple[str, Region, int, int]]:
        """Name, tile, rows and granularity of either operand's scales."""
        m, n = self.c.shape
        return [("SFA", self.SFA, m, self.granularity[0]), ("SFB", self.SFB, n, self.granularity[1])]

    def _check_scales(self, name: str, region: Region, extent: int, granularity: int) -> None:
        instruction, what = self._instruction, f"{name} of T.mma_gemm_blockscaled, {region.source.name}"
        if granularity < instruction.block or granularity % instruction.block:
            raise ShapeError(
                f"T.mma_gemm_blockscaled: {granularity} elements along K share a scale of {name}",
                fix=f"a multiple of {instruction.block}, the block of {self.elements[0]} with scales of {self.scale_type}",
                span=self.source,
            )
        if ir.scope_of(region.source) not in SHARED:
            raise UnsupportedError(
                f"{what}, is in {ir.scope_of(region.source)} memory", fix="copy it to T.alloc_shared first", span=self.source
            )
        codes, held = self._codes(region)
        rows = extents(region)[codes.dims[0]] if codes is not None else 0
        k = self.stored_k * self._per_byte
        if rows != extent or held * granularity < k:
            blocks = -(-k // granularity)
            shape = f"({extent}, {blocks})" if self.sf_layout == LAYOUTS[0] else f"({blocks}, {extent})"
            raise ShapeError(
                f"{what}, has scales of {' x '.join(map(str, extents(region)))} {ir.buffer_dtype(region.source)}, "
                f"{self.sf_layout}",
                fix=f"{shape} bytes at least, or words of four: a scale for each {granularity} of a row's {k} elements",
                span=self.source,
            )

    def _codes(self, region: Region) -> tuple[SharedMatrix | None, int]:
        """A tile of scales as rows by bytes or words, and how many scales a row has; None unless it has one or two dimensions."""
        shape, buf = extents(region, self.source), region.source
        per_element = 4 if dtype_bits(ir.buffer_dtype(buf)) == 32 else 1
        last = len(shape) - 1
        row, column = (last - 1, last) if self.sf_layout == LAYOUTS[0] else (last, last - 1)
        wide = [d for d, extent in enumerate(shape) if extent > 1]
        if len(wide) == 1 and (last == 0 or wide[0] != row):
            # one word or scale a row: a vector, whichever way it lies in its tile
            column = next((d for d in range(last + 1) if d != wide[0]), -1)
            row = wide[0]
        elif any(d not in (row, column) for d in wide):
            return None, 0
        held = (shape[column] if column >= 0 else 1) * per_element
        return SharedMatrix(buf, starts(region), (row, column)), held

    # ------------------------------------------------------------------ plan

    @property
    def _instruction(self) -> ScaledInstruction:
        found = self.instruction
        assert found is not None, "`check` has refused the rest"
        return found

    @property
    def _per_byte(self) -> int:
        """Elements along k that the operands' tiles count as one."""
        return 2 if FLOAT4 in self.elements and self.a.dtype != FLOAT4 else 1

    @property
    def stored_k(self) -> int:
        """Extent along k as the tiles count it."""
        return self.a.shape[1]

    def effects(self) -> Effects:
        plain = super().effects()
        return replace(plain, reads=(*plain.reads, self.SFA, self.SFB))

    def shared_layouts(self, ctx: LoweringContext) -> dict[ir.Var, SharedLayout]:
        return {
            **super().shared_layouts(ctx),
            **{
                r.source: SharedLayout.linear(ir.static_shape(r.source), dtype_bits(ir.buffer_dtype(r.source)))
                for r in (self.SFA, self.SFB)
            },
        }

    def plan(self, ctx: LoweringContext) -> MmaPlan:
        m, n = self.c.shape
        made = MmaPlan.make(
            self._instruction.bytes, m, n, self.stored_k, ctx.num_threads, self.policy, (self.c.is_block(0), self.c.is_block(1))
        )
        if made is None:
            raise UnsupportedError(
                f"T.mma_gemm_blockscaled by {ctx.num_threads} threads",
                fix="a multiple of 32: its instructions are of whole warps",
                span=self.source,
            )
        return made

    def runs_on_warpgroups(self, ctx: LoweringContext) -> bool:
        return False

    def reads_async_proxy(self, ctx: LoweringContext) -> bool:
        return False

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        plan = self.plan(ctx)
        before, c, after = self._accumulator(plan, ctx)
        made = []
        for _, region, _, granularity in self._scales():
            codes, held = self._codes(region)
            assert codes is not None, "`check` has refused the rest"
            made.append(BlockScales(codes, held, granularity, self.k_start))
        scales = ScaledOperands(self._instruction, *made)
        a, b = self.a.shared, self.b.shared
        return ir.seq([*before, lower_mma(plan, a, b, c, ctx, self.span, scales=scales), *after])
