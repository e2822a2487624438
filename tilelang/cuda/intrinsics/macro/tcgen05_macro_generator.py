"""TCGEN05TensorCoreIntrinEmitter: the products of a block into tensor memory, whole or one instruction at a time."""

from __future__ import annotations

from typing import Any

from tilelang.cuda.intrinsics.macro import mma_macro_generator as warp
from tilelang.cuda.intrinsics.macro.umma_descriptor import TCGEN05DescriptorParams, compute_umma_descriptor
from tilelang.cuda.intrinsics.macro.wgmma_macro_generator import keeps
from tilelang.errors import SemanticError, ShapeError, UnsupportedError
from tilelang.language.annotate import annotate_layout
from tilelang.language.buffer import Element
from tilelang.language.descriptor import increase_descriptor_offset
from tilelang.language.emit import whole
from tilelang.language.extern import Address
from tilelang.language.tcgen05_descriptor import initialize_tcgen05_descriptor
from tilelang.language.tcgen05_mma import ptx_tcgen05_mma_ss, ptx_tcgen05_mma_ts
from tilelang.language.tensor_memory import in_tensor_memory, tcgen05_gemm
from tilelang.layout import Fragment, make_tcgen05mma_swizzled_layout
from tilelang.target.tcgen05 import HALF_ROWS, LANES, MAX_N, TensorInstruction, find_tensor_instruction, instruction_descriptor


class TensorCoreIntrinEmitter(warp.TensorCoreIntrinEmitter):
    """Emits tcgen05.mma for a block's tile: C in tensor memory, B by descriptor, A by descriptor (ss) or in tensor memory (ts).

    Parameters are those of the warps' TensorCoreIntrinEmitter: C has `block_row_warps * warp_row_tiles` rows, 64 or a multiple of
    128, and `block_col_warps * warp_col_tiles` columns. float32 is read as tf32, its lower 13 bits ignored. No GPU with this
    instruction was at hand: kernels are compiled for it and run in the simulator.

    Attributes
    ----------
    tcgen05_prefix : str
        "m128n256k16": extents of one instruction.
    tcgen05_inst_m, tcgen05_inst_n : int
    a_shared_layout, b_shared_layout : SharedLayout or Layout
        Of the shared operands; by default what they are annotated with, else the widest swizzle.

    Raises
    ------
    UnsupportedError
        If there is no tcgen05.mma of these dtypes.

    Examples
    --------
    >>> emitter = T.TCGEN05TensorCoreIntrinEmitter(a_dtype="float16", b_dtype="float16", accum_dtype="float32", b_transposed=True,
    ...     block_row_warps=4, block_col_warps=1, warp_row_tiles=32, warp_col_tiles=64, chunk=64)
    """

    a_shared_layout: Any = None
    b_shared_layout: Any = None
    _instruction: TensorInstruction

    def _check_types(self) -> None:
        found = find_tensor_instruction(*self._types)
        if found is None:
            raise UnsupportedError(
                f"{type(self).__name__}: there is no tcgen05.mma of {' x '.join(self._types[:2])} -> {self._types[2]}",
                fix="float16 (to float32 or float16), bfloat16 or float32 (to float32), 8-bit floats (to float32 or float16), "
                "8-bit integers (to int32)",
            )
        if self.num_elems_per_byte != 1 or self.reduce_k != 1:
            raise UnsupportedError(f"num_elems_per_byte={self.num_elems_per_byte}, reduce_k={self.reduce_k}", fix="1 and 1")
        if not found.any_major and (self.a_transposed or not self.b_transposed):
            raise UnsupportedError(
                f"tcgen05.mma of {self.a_dtype} whose k is not contiguous", fix="a_transposed=False, b_transposed=True"
            )
        self._instruction = found

    def _check_shape(self) -> None:
        super()._check_shape()
        self.block_m, self.block_n = self.block_row_warps * self.warp_row_tiles, self.block_col_warps * self.warp_col_tiles
        if self.block_m != HALF_ROWS and self.block_m % LANES:
            raise ShapeError(
                f"{self.block_m} rows of C", fix=f"block_row_warps * warp_row_tiles of {HALF_ROWS} or a multiple of {LANES}"
            )
        self.tcgen05_inst_m = min(self.block_m, LANES)
        step = self._instruction.n_step(self.tcgen05_inst_m)
        widths = [n for n in range(step, MAX_N + 1, step) if self.block_n % n == 0]
        if not widths:
            raise ShapeError(f"{self.block_n} columns of C of {self.a_dtype}", fix=f"a multiple of {step}")
        self.tcgen05_inst_n = widths[-1]
        self.tcgen05_prefix = f"m{self.tcgen05_inst_m}n{self.tcgen05_inst_n}k{self.micro_size_k}"

    @property
    def _types(self) -> tuple[str, str, str]:
        return str(self.a_dtype), str(self.b_dtype), str(self.accum_dtype)

    @property
    def tcgen05_num_inst_m(self) -> int:
        """Instructions along m."""
        return self.block_m // self.tcgen05_inst_m

    @property
    def tcgen05_num_inst_n(self) -> int:
        """Instructions along n."""
        return self.block_n // self.tcgen05_inst_n

    @property
    def tcgen05_num_k_atoms(self) -> int:
        """Instructions along k."""
        return self.chunk // self.micro_size_k

    # ------------------------------------------------------------------ descriptors

    def _placed(self, operand: Any, layout: Any) -> Any:
        """The layout of a shared operand; a tile without one is given one."""
        buffer = whole(operand, "the operand").buffer
        annotated = getattr(buffer, "annotated", None)
        if annotated is None:
            annotated = layout or make_tcgen05mma_swizzled_layout(buffer)
            annotate_layout({buffer: annotated})
        return layout or annotated

    def compute_tcgen05_a_desc_params(self, A_region: Any) -> TCGEN05DescriptorParams:
        """What A's descriptor says; a tile without a layout is given one."""
        return compute_umma_descriptor(
            self._placed(A_region, self.a_shared_layout), A_region, self.a_transposed, self.micro_size_k
        )

    def compute_tcgen05_b_desc_params(self, B_region: Any) -> TCGEN05DescriptorParams:
        """What B's descriptor says; a tile without a layout is given one."""
        return compute_umma_descriptor(
            self._placed(B_region, self.b_shared_layout), B_region, not self.b_transposed, self.micro_size_k
        )

    def init_tcgen05_a_desc(self, desc_a: Any, A_region: Any, a_params: TCGEN05DescriptorParams) -> None:
        """Fill a descriptor of T.alloc_tcgen05_smem_desc."""
        _initialize(desc_a, A_region, a_params)

    def init_tcgen05_b_desc(self, desc_b: Any, B_region: Any, b_params: TCGEN05DescriptorParams) -> None:
        """Fill a descriptor of T.alloc_tcgen05_smem_desc."""
        _initialize(desc_b, B_region, b_params)

    def compute_tcgen05_instr_desc(self) -> int:
        """The instruction descriptor of every instruction of this emitter."""
        majors = self.a_transposed, not self.b_transposed
        return instruction_descriptor(self._types, self.tcgen05_inst_m, self.tcgen05_inst_n, majors)

    # ------------------------------------------------------------------ products

    def tcgen05_ss_atom(
        self,
        desc_a: Any,
        desc_b: Any,
        C_buf: Any,
        inst_m_idx: Any,
        inst_n_idx: Any,
        ki: Any,
        a_params: TCGEN05DescriptorParams,
        b_params: TCGEN05DescriptorParams,
        instr_desc: Any = None,
        clear_accum: Any = False,
    ) -> None:
        """One instruction, of tile (inst_m_idx, inst_n_idx) and step `ki` along k; `clear_accum`: step 0 starts from zero.

        `instr_desc`: what `compute_tcgen05_instr_desc` gives, where it is None.
        """
        a_at = a_params.byte_offset(inst_m_idx * self.tcgen05_inst_m, ki * self.micro_size_k)
        b_at = b_params.byte_offset(inst_n_idx * self.tcgen05_inst_n, ki * self.micro_size_k)
        c_at, bits = self._column(C_buf, inst_m_idx, inst_n_idx), self._bits(instr_desc)
        ptx_tcgen05_mma_ss(self.a_dtype, desc_a, a_at, desc_b, b_at, C_buf, c_at, bits, keeps(clear_accum, ki))

    def tcgen05_ts_atom(
        self,
        A_buf: Any,
        desc_b: Any,
        C_buf: Any,
        inst_m_idx: Any,
        inst_n_idx: Any,
        ki: Any,
        b_params: TCGEN05DescriptorParams,
        instr_desc: Any = None,
        clear_accum: Any = False,
    ) -> None:
        """tcgen05_ss_atom with A in tensor memory."""
        per_column = 32 // self.a_dtype.bits
        columns = self._extent(A_buf, "A") // per_column
        a_at = inst_m_idx * columns + ki * self.micro_size_k // per_column
        b_at = b_params.byte_offset(inst_n_idx * self.tcgen05_inst_n, ki * self.micro_size_k)
        c_at, bits = self._column(C_buf, inst_m_idx, inst_n_idx), self._bits(instr_desc)
        ptx_tcgen05_mma_ts(self.a_dtype, A_buf, a_at, desc_b, b_at, C_buf, c_at, bits, keeps(clear_accum, ki))

    def tcgen05mma(self, A_buf: Any, B_buf: Any, C_local_buf: Any, mbar: Any, clear_accum: Any = False) -> None:
        """C += A @ B of one chunk, left under way; `mbar` gets one arrival when it is over. A in shared or in tensor memory."""
        for operand, layout in ((A_buf, self.a_shared_layout), (B_buf, self.b_shared_layout)):
            if layout is not None and not in_tensor_memory(operand):
                self._placed(operand, layout)
        tcgen05_gemm(A_buf, B_buf, C_local_buf, self.a_transposed, self.b_transposed, clear_accum=clear_accum, mbar=mbar)

    def tcgen05mma_ss(self, A_buf: Any, B_buf: Any, C_local_buf: Any, mbar: Any, clear_accum: Any = False) -> None:
        """tcgen05mma with A in shared memory."""
        if in_tensor_memory(A_buf):
            raise SemanticError(f"A of tcgen05mma_ss, {A_buf}, is in tensor memory", fix="tcgen05mma_ts, or tcgen05mma for both")
        self.tcgen05mma(A_buf, B_buf, C_local_buf, mbar, clear_accum)

    def tcgen05mma_ts(self, A_buf: Any, B_buf: Any, C_local_buf: Any, mbar: Any, clear_accum: Any = False) -> None:
        """tcgen05mma with A in tensor memory."""
        if not in_tensor_memory(A_buf):
            raise SemanticError(
                f"A of tcgen05mma_ts, {A_buf}, is not in tensor memory", fix="tcgen05mma_ss, or tcgen05mma for both"
            )
        self.tcgen05mma(A_buf, B_buf, C_local_buf, mbar, clear_accum)

    def _bits(self, instr_desc: Any) -> Any:
        return self.compute_tcgen05_instr_desc() if instr_desc is None else instr_desc

    def _column(self, tile: Any, i: Any, j: Any) -> Any:
        """The first column of an instruction's accumulators; further blocks of 128 rows are further columns."""
        return i * self._extent(tile, "C") + j * self.tcgen05_inst_n

    def _extent(self, tile: Any, letter: str) -> int:
        found = getattr(tile, "buffer", tile)
        if not in_tensor_memory(found):
            raise SemanticError(f"{letter} is {tile}, no tile in tensor memory", fix="allocate it by T.alloc_tmem")
        return int(found.shape[-1])

    # ------------------------------------------------------------------ what warps do otherwise

    def make_mma_load_layout(self, local_buf: Any, matrix: str = "A") -> Fragment:
        """Refused: no operand of this instruction is in a fragment."""
        raise UnsupportedError(
            f"{type(self).__name__}.make_mma_load_layout",
            fix="copy operands to shared or tensor memory by T.copy, without layout",
        )

    def make_mma_store_layout(self, local_buf: Any) -> Fragment:
        """Refused: T.copy from tensor memory lays its fragment out."""
        raise UnsupportedError(
            f"{type(self).__name__}.make_mma_store_layout", fix="T.copy(C_tmem, C_fragment) lays the fragment out by itself"
        )


def _initialize(descriptor: Any, operand: Any, params: TCGEN05DescriptorParams) -> None:
    region = whole(operand, "the operand")
    start = Address(Element(region.buffer, (*region.starts[:-2], 0, 0)))
    offsets = params.leading_byte_offset, params.stride_byte_offset
    initialize_tcgen05_descriptor(descriptor, start, *offsets, swizzle_mode=params.swizzle_mode)
    if params.slice_byte_offset:
        increase_descriptor_offset(descriptor, params.slice_byte_offset)


__all__ = ["TCGEN05DescriptorParams", "TensorCoreIntrinEmitter", "compute_umma_descriptor"]
