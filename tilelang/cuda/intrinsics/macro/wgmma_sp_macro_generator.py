"""WGSparseTensorCoreIntrinEmitter: the products of a block with a 2:4 sparse A by wgmma."""

from __future__ import annotations

from typing import Any

from tilelang.cuda.intrinsics.macro import wgmma_macro_generator as dense
from tilelang.cuda.intrinsics.macro.mma_sp_macro_generator import SparseTensorCoreIntrinEmitter
from tilelang.errors import UnsupportedError
from tilelang.language.allocate import alloc_local
from tilelang.language.descriptor import alloc_wgmma_desc, ptx_wgmma_sp_rs, ptx_wgmma_sp_ss
from tilelang.language.expr import binary
from tilelang.language.pointers import unrolled


class WGSparseTensorCoreIntrinEmitter(SparseTensorCoreIntrinEmitter, dense.TensorCoreIntrinEmitter):
    """WGMMATensorCoreIntrinEmitter with a 2:4 sparse A; parameters are those of SparseTensorCoreIntrinEmitter.

    Examples
    --------
    >>> emitter = T.WGSparseTensorCoreIntrinEmitter(a_dtype="float16", e_dtype="int16", b_dtype="float16", accum_dtype="float32",
    ...     b_transposed=True, block_row_warps=4, block_col_warps=1, warp_row_tiles=16, warp_col_tiles=64, warp_k=64)
    """

    def ldmatrix_e(  # type: ignore[override]
        self, E_local_buf: Any, E_shared_buf: Any, inst_i: Any, warp_m: Any, ki: Any, ki_slot: Any
    ) -> None:
        """Load the metadata of instruction `inst_i` along m and step `ki` into slot `ki_slot`, of `local_size_e` words.

        `warp_m` is the warp's place along m, as `extract_thread_binding` gives it.
        """
        groups = self._groups
        tile = inst_i * groups + binary("floordiv", warp_m, 4) if groups > 1 else inst_i
        row = tile * 64 + binary("floormod", warp_m, 4) * self.M_DIM
        self._load_metadata(E_local_buf, ki_slot * self.local_size_e, E_shared_buf, row, ki, "ldmatrix_e")

    def wgmma_ss(
        self, A_region: Any, E_region: Any, B_region: Any, C_region: Any, clear_accum: Any = False, wg_wait: int = 0
    ) -> None:
        """C += A @ B of one tile of `warp_k`, all operands in shared memory; `wg_wait` groups stay under way (-1: no wait)."""
        a_params = self.compute_wgmma_a_desc_params(A_region)
        desc_a = alloc_wgmma_desc()
        self.init_wgmma_a_desc(desc_a, A_region, a_params)

        def atom(b: tuple[Any, Any, Any], c: Any, e: tuple[Any, Any], i: Any, ki: Any, keep: Any) -> None:
            a_at = a_params.byte_offset(self._row(i), ki * self._a_step) // 16
            majors, names = (a_params.is_k_major, b[0].is_k_major), self._names
            accum = self.accum_dtype
            ptx_wgmma_sp_ss(accum, self.wgmma_prefix, *majors, *names, desc_a, a_at, *b[1:], c, 0, *e, 0, keep, 1, 1)

        self._sparse_group(atom, E_region, B_region, C_region, clear_accum, wg_wait)

    def wgmma_rs(  # type: ignore[override]
        self, A_region: Any, E_region: Any, B_region: Any, C_region: Any, clear_accum: Any = False, wg_wait: int = 0
    ) -> None:
        """wgmma_ss with A's kept half in a fragment."""

        def atom(b: tuple[Any, Any, Any], c: Any, e: tuple[Any, Any], i: Any, ki: Any, keep: Any) -> None:
            a = self._registers(A_region, (i * self.wgmma_num_k_atoms + ki) * self.local_size_a, "A")
            accum, names = self.accum_dtype, self._names
            ptx_wgmma_sp_rs(accum, self.wgmma_prefix, b[0].is_k_major, *names, a, 0, *b[1:], c, 0, *e, 0, keep, 1, 1)

        self._sparse_group(atom, E_region, B_region, C_region, clear_accum, wg_wait)

    def _sparse_group(self, atom: Any, E: Any, B: Any, C: Any, clear: Any, wg_wait: int) -> None:
        b_params = self.compute_wgmma_b_desc_params(B)
        desc_b = alloc_wgmma_desc()
        self.init_wgmma_b_desc(desc_b, B, b_params)
        steps, tiles = self.wgmma_num_k_atoms, self.wgmma_num_inst_m
        words = alloc_local((self.local_size_e,), self.e_dtype)
        registers = alloc_local((steps * tiles,), "uint32")
        warp_m = self.extract_thread_binding(self.get_thread_binding())[2]

        def load(ki: Any, i: Any) -> None:
            self.ldmatrix_e(words, E, i, warp_m, ki, 0)
            registers[ki * tiles + i] = self._word(words, 0, "wgmma")

        unrolled((steps, tiles), load, "wgmma")

        def one(i: Any, j: Any, ki: Any) -> None:
            b_at = b_params.byte_offset(self._column(j), ki * self.micro_size_k) // 16
            atom((b_params, desc_b, b_at), self._c(C, i, j), (registers, ki * tiles + i), i, ki, dense.keeps(clear, ki))

        self._group(one, wg_wait)

    def wgmma(self, *operands: Any, **options: Any) -> None:
        """A sparse product has metadata: see `wgmma_ss`."""
        raise UnsupportedError(f"wgmma of a {type(self).__name__}: its A is sparse", fix="wgmma_ss(A, E, B, C)")

    wgmma_ss_atom = wgmma_rs_atom = mma_sp = wgmma  # type: ignore[assignment]

    def ldmatrix_a(self, *operands: Any, **options: Any) -> None:
        """wgmma reads A by its descriptor, or from a fragment."""
        raise UnsupportedError(f"ldmatrix of a {type(self).__name__}", fix="wgmma_ss, or wgmma_rs on a fragment")

    ldmatrix_b = ldmatrix_a


__all__ = ["WGSparseTensorCoreIntrinEmitter"]
