"""WGMMATensorCoreIntrinEmitter: the products of a block by wgmma, whole or one instruction at a time."""

from __future__ import annotations

from typing import Any

from tilelang.cuda.intrinsics.macro import mma_macro_generator as warp
from tilelang.cuda.intrinsics.macro.gmma_descriptor import WGMMADescriptorParams, compute_gmma_descriptor
from tilelang.errors import SemanticError, ShapeError, UnsupportedError
from tilelang.language.annotate import annotate_layout
from tilelang.language.buffer import Element
from tilelang.language.descriptor import (
    alloc_wgmma_desc,
    increase_descriptor_offset,
    initialize_wgmma_descriptor,
    ptx_wgmma_rs,
    ptx_wgmma_ss,
)
from tilelang.language.emit import whole
from tilelang.language.expr import binary, logical, logical_not
from tilelang.language.extern import Address
from tilelang.language.pointers import unrolled
from tilelang.language.registers import Registers
from tilelang.language.tvm_values import warpgroup_fence_operand
from tilelang.language.wgmma import warpgroup_arrive, warpgroup_commit_batch, warpgroup_wait
from tilelang.layout import Factor, Fragment, make_wgmma_swizzled_layout
from tilelang.layout.fragment import local, thread
from tilelang.layout.swizzle_mode import SwizzleMode

_PRODUCTS = {
    "float16": ("float32", "float16"),
    "bfloat16": ("float32",),
    "float32": ("float32",),
    "int8": ("int32",),
    "uint8": ("int32",),
    "float8_e4m3fn": ("float32", "float16"),
    "float8_e5m2": ("float32", "float16"),
}


class TensorCoreIntrinEmitter(warp.TensorCoreIntrinEmitter):
    """Emits wgmma for a block's tile: B by descriptor, A by descriptor (ss) or in registers (rs), C in a fragment.

    Parameters are those of the warps' TensorCoreIntrinEmitter, with `block_row_warps` a multiple of 4: four warps along m are a
    warpgroup, whose rows come in tiles of 64. float32 is read as tf32, its lower 13 bits ignored.

    Attributes
    ----------
    wgmma_inst_m, wgmma_inst_n : int
        Extents of one instruction.
    a_shared_layout, b_shared_layout : SharedLayout or Layout
        Of the shared operands; by default what they are annotated with, else the widest swizzle.

    Raises
    ------
    UnsupportedError
        If there is no wgmma of these dtypes.

    Examples
    --------
    >>> emitter = T.WGMMATensorCoreIntrinEmitter(a_dtype="float16", b_dtype="float16", accum_dtype="float32", b_transposed=True,
    ...     block_row_warps=4, block_col_warps=1, warp_row_tiles=16, warp_col_tiles=64, chunk=64)
    """

    a_shared_layout: Any = None
    b_shared_layout: Any = None

    def _check_types(self) -> None:
        a, b, c = str(self.a_dtype), str(self.b_dtype), str(self.accum_dtype)
        both8 = self.a_dtype.bits == self.b_dtype.bits == 8 and self.a_dtype.is_float == self.b_dtype.is_float
        if a not in _PRODUCTS or c not in _PRODUCTS[a] or not (a == b or both8):
            known = "; ".join(f"{t} into {' or '.join(into)}" for t, into in _PRODUCTS.items())
            raise UnsupportedError(f"{type(self).__name__}: there is no wgmma of {a} x {b} -> {c}", fix=known)
        if self.num_elems_per_byte != 1 or self.reduce_k != 1:
            raise UnsupportedError(
                f"num_elems_per_byte={self.num_elems_per_byte}, reduce_k={self.reduce_k}",
                fix="1 and 1",
            )
        if self.a_dtype.bits != 16 and (self.a_transposed or not self.b_transposed):
            raise UnsupportedError(f"wgmma of {a} whose k is not contiguous", fix="a_transposed=False, b_transposed=True")

    def _check_shape(self) -> None:
        super()._check_shape()
        if self.block_row_warps % 4:
            raise ShapeError(f"block_row_warps={self.block_row_warps}", fix="a multiple of 4: warpgroups are four warps along m")
        if self.is_m_first and self.block_col_warps > 1:
            raise UnsupportedError("is_m_first with wgmma", fix="False: the four warps of a warpgroup follow each other along m")
        step = 16 if "int" in str(self.a_dtype) and self.warp_col_tiles > 32 else 8
        widths = [n for n in range(step, 257, step) if self.warp_col_tiles % n == 0]
        if not widths:
            raise ShapeError(f"warp_col_tiles={self.warp_col_tiles} of {self.a_dtype}", fix=f"a multiple of {step}")
        self.wgmma_inst_m, self.wgmma_inst_n = 64, widths[-1]
        self.wgmma_prefix = f"m64n{self.wgmma_inst_n}k{self.micro_size_k}"
        self._groups = self.block_row_warps // 4

    @property
    def wgmma_num_inst_m(self) -> int:
        """Instructions of a warpgroup along m."""
        return self.warp_rows

    @property
    def wgmma_num_inst_n(self) -> int:
        """Instructions of a warpgroup along n."""
        return self.warp_col_tiles // self.wgmma_inst_n

    @property
    def wgmma_num_k_atoms(self) -> int:
        """Instructions along k."""
        return self.chunk // self.micro_size_k

    @property
    def wgmma_a_regs(self) -> int:
        """32-bit registers of A's fragment."""
        return self.wgmma_num_inst_m * self.wgmma_num_k_atoms * 4

    @property
    def wgmma_accum_regs(self) -> int:
        """32-bit registers of C's fragment."""
        return self.wgmma_num_inst_m * self.wgmma_num_inst_n * self._sums * self.accum_dtype.bits // 32

    @property
    def _a_step(self) -> int:
        """Stored elements of A of a step along k."""
        return self.micro_size_k // self.SPARSE_FACTOR

    @property
    def _sums(self) -> int:
        """Accumulators of one instruction, per thread."""
        return self.wgmma_inst_n // 2

    # ------------------------------------------------------------------ descriptors

    def _params(self, operand: Any, layout: Any, transposed: bool, step: int) -> WGMMADescriptorParams:
        buffer = whole(operand, "the operand").buffer
        layout = layout or getattr(buffer, "annotated", None)
        if layout is None:
            layout = make_wgmma_swizzled_layout(buffer)
            annotate_layout({buffer: layout})
        return compute_gmma_descriptor(layout, operand, transposed, step)

    def compute_wgmma_a_desc_params(self, A_region: Any) -> WGMMADescriptorParams:
        """What A's descriptor says; a tile without a layout is given one."""
        return self._params(A_region, self.a_shared_layout, self.a_transposed, self._a_step)

    def compute_wgmma_b_desc_params(self, B_region: Any) -> WGMMADescriptorParams:
        """What B's descriptor says; a tile without a layout is given one."""
        return self._params(B_region, self.b_shared_layout, not self.b_transposed, self.micro_size_k)

    def init_wgmma_a_desc(self, desc_a: Any, A_region: Any, a_params: WGMMADescriptorParams) -> None:
        """Fill a descriptor of T.alloc_wgmma_desc."""
        _initialize(desc_a, A_region, a_params)

    def init_wgmma_b_desc(self, desc_b: Any, B_region: Any, b_params: WGMMADescriptorParams) -> None:
        """Fill a descriptor of T.alloc_wgmma_desc."""
        _initialize(desc_b, B_region, b_params)

    # ------------------------------------------------------------------ order

    def wgmma_fence_a(self, A_buf: Any) -> None:
        """A's registers are written."""
        warpgroup_fence_operand(A_buf)

    def wgmma_fence_c(self, C_buf: Any) -> None:
        """The accumulators are written, or have been waited for."""
        warpgroup_fence_operand(C_buf)

    def wgmma_arrive(self) -> None:
        """Registers written so far come before the products that follow."""
        warpgroup_arrive()

    def wgmma_commit(self) -> None:
        """Close a group of products."""
        warpgroup_commit_batch()

    def wgmma_wait(self, n: int = 0) -> None:
        """At most `n` groups stay under way."""
        warpgroup_wait(n)

    # ------------------------------------------------------------------ products

    def wgmma_ss_atom(
        self,
        desc_a: Any,
        desc_b: Any,
        C_buf: Any,
        inst_m_idx: Any,
        inst_n_idx: Any,
        ki: Any,
        a_params: WGMMADescriptorParams,
        b_params: WGMMADescriptorParams,
        clear_accum: Any = False,
    ) -> None:
        """One instruction, of tile (inst_m_idx, inst_n_idx) and step `ki` along k; `clear_accum`: step 0 starts from zero."""
        a_at = a_params.byte_offset(self._row(inst_m_idx), ki * self._a_step) // 16
        b_at = b_params.byte_offset(self._column(inst_n_idx), ki * self.micro_size_k) // 16
        majors = (a_params.is_k_major, b_params.is_k_major)
        c, names = self._c(C_buf, inst_m_idx, inst_n_idx), self._names
        keep = keeps(clear_accum, ki)
        ptx_wgmma_ss(self.accum_dtype, self.wgmma_prefix, *majors, *names, desc_a, a_at, desc_b, b_at, c, 0, keep, 1, 1)

    def wgmma_rs_atom(
        self,
        A_buf: Any,
        desc_b: Any,
        C_buf: Any,
        inst_m_idx: Any,
        inst_n_idx: Any,
        ki: Any,
        b_params: WGMMADescriptorParams,
        clear_accum: Any = False,
    ) -> None:
        """wgmma_ss_atom with A in a fragment."""
        offset = (inst_m_idx * self.wgmma_num_k_atoms + ki) * self.local_size_a
        a = self._registers(A_buf, offset, "A")
        b_at = b_params.byte_offset(self._column(inst_n_idx), ki * self.micro_size_k) // 16
        c, names = self._c(C_buf, inst_m_idx, inst_n_idx), self._names
        keep = keeps(clear_accum, ki)
        ptx_wgmma_rs(self.accum_dtype, self.wgmma_prefix, b_params.is_k_major, *names, a, 0, desc_b, b_at, c, 0, keep, 1, 1)

    def wgmma(self, A_region: Any, B_region: Any, C_region: Any, clear_accum: Any = False, wg_wait: int = 0) -> None:
        """C += A @ B of one chunk, both operands in shared memory; `wg_wait` groups stay under way (-1: no wait)."""
        a_params, b_params = self.compute_wgmma_a_desc_params(A_region), self.compute_wgmma_b_desc_params(B_region)
        desc_a, desc_b = alloc_wgmma_desc(), alloc_wgmma_desc()
        self.init_wgmma_a_desc(desc_a, A_region, a_params)
        self.init_wgmma_b_desc(desc_b, B_region, b_params)
        self._group(
            lambda i, j, ki: self.wgmma_ss_atom(desc_a, desc_b, C_region, i, j, ki, a_params, b_params, clear_accum), wg_wait
        )

    def wgmma_rs(self, A_region: Any, B_region: Any, C_region: Any, clear_accum: Any = False, wg_wait: int = 0) -> None:
        """wgmma with A in a fragment."""
        b_params = self.compute_wgmma_b_desc_params(B_region)
        desc_b = alloc_wgmma_desc()
        self.init_wgmma_b_desc(desc_b, B_region, b_params)
        self._group(lambda i, j, ki: self.wgmma_rs_atom(A_region, desc_b, C_region, i, j, ki, b_params, clear_accum), wg_wait)

    def _group(self, atom: Any, wg_wait: int) -> None:
        self.wgmma_arrive()
        extents = (self.wgmma_num_k_atoms, self.wgmma_num_inst_m, self.wgmma_num_inst_n)
        unrolled(extents, lambda ki, i, j: atom(i, j, ki), "wgmma")
        self.wgmma_commit()
        if wg_wait >= 0:
            self.wgmma_wait(wg_wait)

    @property
    def _names(self) -> tuple[str, str, str]:
        return str(self.a_dtype), str(self.b_dtype), str(self.accum_dtype)

    def _row(self, i: Any) -> Any:
        """The first row of A of instruction `i` of the calling thread's warpgroup."""
        warp_m = self.extract_thread_binding(self.get_thread_binding())[2]
        return (i * self._groups + binary("floordiv", warp_m, 4) if self._groups > 1 else i) * 64

    def _column(self, j: Any) -> Any:
        if self.block_col_warps == 1:
            return j * self.wgmma_inst_n
        return self.extract_thread_binding(self.get_thread_binding())[1] * self.warp_col_tiles + j * self.wgmma_inst_n

    def _c(self, array: Any, i: Any, j: Any) -> Registers:
        return self._registers(array, (i * self.wgmma_num_inst_n + j) * self._sums, "C")

    # ------------------------------------------------------------------ fragments

    def _rows_of(self, stride: int, packed: int) -> tuple[Factor, ...]:
        groups = thread(self._groups, 4 * self._warps_m.stride)
        return local(self.wgmma_num_inst_m, stride), groups, thread(4, self._warps_m.stride), local(2, packed), warp.GROUP

    def make_mma_load_layout(self, local_buf: Any, matrix: str = "A") -> Fragment:
        """The layout of a fragment that holds A as `wgmma_rs` reads it."""
        if matrix != "A":
            raise SemanticError(f"matrix={matrix!r}: wgmma reads B from shared memory", fix='"A"')
        shape, k_axis = self._fragment_shape(local_buf, "A")
        if k_axis == 0 or shape[1] != self.chunk // self.SPARSE_FACTOR:
            fix = f"{self.chunk // self.SPARSE_FACTOR} elements along k, its second dimension"
            raise ShapeError(f"A {local_buf.name} is {shape}", fix=fix)
        rows = self._rows_of(self.wgmma_num_k_atoms * self.local_size_a, self.packed)
        along = (local(self.wgmma_num_k_atoms, self.local_size_a), local(2, 2 * self.packed), warp.MEMBER, local(self.packed, 1))
        return Fragment(shape, (warp.kept(rows), warp.kept(along)), warp.kept((self._warps_n,))).compacted()

    @property
    def _store_layout(self) -> Fragment:
        rows = self._rows_of(self.wgmma_num_inst_n * self._sums, 2)
        tiles = local(self.wgmma_num_inst_n, self._sums), local(self.wgmma_inst_n // 8, 4)
        columns = (self._warps_n, *tiles, warp.MEMBER, local(2, 1))
        return Fragment(self._block_tile, (warp.kept(rows), warp.kept(columns))).compacted()


def _initialize(descriptor: Any, operand: Any, params: WGMMADescriptorParams) -> None:
    region = whole(operand, "the operand")
    start = Address(Element(region.buffer, (*region.starts[:-2], 0, 0)))
    mode = params.swizzle_mode.wgmma_layout_type()
    initialize_wgmma_descriptor(descriptor, start, mode, params.leading_byte_offset, params.stride_byte_offset)
    if params.slice_byte_offset:
        increase_descriptor_offset(descriptor, params.slice_byte_offset)


def keeps(clear: Any, ki: Any) -> Any:
    """Whether an instruction adds to what C holds."""
    if isinstance(clear, bool):
        return True if not clear else (ki != 0 if isinstance(ki, int) else ki > 0)
    first = ki == 0
    if isinstance(first, bool):
        return logical_not(clear) if first else True
    return logical("or", ki > 0, logical_not(clear))


__all__ = ["SwizzleMode", "TensorCoreIntrinEmitter", "WGMMADescriptorParams", "compute_gmma_descriptor"]
