"""tcgen05.mma by hand: T.TCGEN05TensorCoreIntrinEmitter and single instructions, in the simulator. No such GPU was at hand."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.tileop.test_tcgen05 import assembles, compiled
from testing.tileop.test_wgmma import operand
from tilelang.errors import DTypeError, LayoutError, SemanticError, ShapeError, SimulationError, UnsupportedError
from tilelang.layout import make_linear_layout, make_tcgen05mma_swizzled_layout
from tilelang.target.tcgen05 import instruction_descriptor

FLOAT, HALF = "float32", "float16"
HALVES = (HALF, HALF, FLOAT)


def matmul(M, N, K, types, chunk, trans_a=False, trans_b=True, form="whole", annotate=False):
    """C = A B of one block; `form`: "whole" products, or "atoms" of A in shared ("ss") or in tensor memory ("ts")."""
    rows, columns = (2, 1) if M == 64 else (4, 1)
    emitter = T.TCGEN05TensorCoreIntrinEmitter(*types, trans_a, trans_b, rows, columns, M // rows, N // columns, chunk)
    extents = (emitter.tcgen05_num_k_atoms, emitter.tcgen05_num_inst_m, emitter.tcgen05_num_inst_n)
    ts = form == "ts"

    @T.prim_func
    def main(
        A: T.Tensor((K, M) if trans_a else (M, K), types[0]),
        B: T.Tensor((N, K) if trans_b else (K, N), types[1]),
        C: T.Tensor((M, N), types[2]),
    ):
        with T.Kernel(1, threads=128):
            A_s = T.alloc_shared((chunk, M) if trans_a else (M, chunk), types[0])
            B_s = T.alloc_shared((N, chunk) if trans_b else (chunk, N), types[1])
            A_t = T.alloc_tmem((M, chunk), types[0]) if ts else A_s
            C_t, C_f = T.alloc_tmem((M, N), types[2]), T.alloc_fragment((M, N), types[2])
            done = T.alloc_barrier(1)
            da, db, instr = T.alloc_tcgen05_smem_desc(), T.alloc_tcgen05_smem_desc(), T.alloc_tcgen05_instr_desc()
            instr[0] = emitter.compute_tcgen05_instr_desc()
            if annotate:
                T.annotate_layout({A_s: make_tcgen05mma_swizzled_layout(A_s), B_s: make_tcgen05mma_swizzled_layout(B_s)})
            if form != "whole":
                b_params = emitter.compute_tcgen05_b_desc_params(B_s)
                emitter.init_tcgen05_b_desc(db, B_s, b_params)
            if form == "ss":
                a_params = emitter.compute_tcgen05_a_desc_params(A_s)
                emitter.init_tcgen05_a_desc(da, A_s, a_params)
            for k in T.serial(K // chunk):
                if trans_a:
                    T.copy(A[k * chunk, 0], A_s)
                else:
                    T.copy(A[0, k * chunk], A_s)
                if trans_b:
                    T.copy(B[0, k * chunk], B_s)
                else:
                    T.copy(B[k * chunk, 0], B_s)
                if ts:
                    T.copy(A_s, A_t)
                if form == "whole":
                    emitter.tcgen05mma(A_t, B_s, C_t, done[0], clear_accum=k == 0)
                else:
                    for ki, i, j in T.grid(*extents):
                        if ts:
                            emitter.tcgen05_ts_atom(A_t, db, C_t, i, j, ki, b_params, clear_accum=k == 0)
                        else:
                            emitter.tcgen05_ss_atom(da, db, C_t, i, j, ki, a_params, b_params, instr[0], k == 0)
                    T.tcgen05_mma_arrive(done[0])
                T.mbarrier_wait_parity(done[0], k % 2)
            T.copy(C_t, C_f)
            T.copy(C_f, C)

    return main


CASES = [
    (128, 64, 64, HALVES, 32, {}),
    (128, 64, 64, HALVES, 32, dict(form="ss")),
    (256, 96, 64, HALVES, 64, dict(form="ss")),
    (64, 512, 32, ("bfloat16", "bfloat16", FLOAT), 32, dict(form="ss")),
    (128, 64, 64, HALVES, 32, dict(form="ss", trans_a=True, trans_b=False)),
    (128, 64, 64, (HALF, HALF, HALF), 64, dict(form="ss", trans_b=False, annotate=True)),
    (128, 32, 128, ("float8_e4m3fn", "float8_e5m2", FLOAT), 64, dict(form="ss")),
    (128, 32, 128, ("int8", "int8", "int32"), 64, dict(form="ss")),
    (128, 32, 32, (FLOAT, FLOAT, FLOAT), 16, dict(form="ss")),
    (128, 64, 64, HALVES, 32, dict(form="ts")),
    (256, 32, 64, HALVES, 64, dict(form="ts", annotate=True)),
]


@pytest.mark.parametrize("M, N, K, types, chunk, options", CASES)
def test_product(M, N, K, types, chunk, options):
    a, b = operand((M, K), types[0]), operand((N, K), types[1])
    if types[0] == FLOAT:  # tf32 ignores the lower 13 bits
        a, b = ((x.view(torch.int32) & ~0x1FFF).view(torch.float32) for x in (a, b))
    kernel = compiled(matmul(M, N, K, types, chunk, **options))
    given = [a.t().contiguous() if options.get("trans_a") else a, b if options.get("trans_b", True) else b.t().contiguous()]
    c = torch.full((M, N), 77 if "int" in types[2] else torch.nan).to(getattr(torch, types[2]))
    kernel(*given, c)
    exact = a.double() @ b.double().t()
    if types[2] == "int32":
        assert torch.equal(c.double(), exact)
    else:
        tolerance = 2e-2 if types[2] == HALF else 1e-5
        torch.testing.assert_close(c.double(), exact, rtol=0, atol=tolerance * exact.abs().max().item())


@pytest.mark.parametrize("form", ["ss", "ts"])
def test_atoms_assemble_and_are_clean(form):
    kernel = compiled(matmul(128, 64, 64, HALVES, 32, form=form))
    assembles(kernel)
    report = kernel.check(operand((128, 64), HALF), operand((64, 64), HALF), torch.zeros(128, 64), schedules=3)
    assert not report.findings, str(report)


def specialized(M, N, K, chunk, slots, by_atoms):
    """A warp loads, one multiplies, a warpgroup stores; every order by barriers of the author's."""
    emitter = T.TCGEN05TensorCoreIntrinEmitter(*HALVES, False, True, 4, 1, M // 4, N, chunk)
    steps = K // chunk

    @T.prim_func
    def main(A: T.Tensor((M, K), HALF), B: T.Tensor((N, K), HALF), C: T.Tensor((M, N), FLOAT)):
        with T.Kernel(1, threads=256):
            A_s, B_s = T.alloc_shared((slots, M, chunk), HALF), T.alloc_shared((slots, N, chunk), HALF)
            C_t, C_f = T.alloc_tmem((M, N), FLOAT), T.alloc_fragment((M, N), FLOAT)
            full, empty, done = T.alloc_barrier([1] * slots), T.alloc_barrier([1] * slots), T.alloc_barrier(1)
            da, db = T.alloc_tcgen05_smem_desc(), T.alloc_tcgen05_smem_desc()
            tx = T.get_thread_binding()
            if tx < 32:
                for k in T.serial(steps):
                    T.mbarrier_wait_parity(empty[k % slots], (k // slots + 1) % 2)
                    if T.shuffle_elect(32):
                        T.tma_copy(A[0:M, k * chunk : (k + 1) * chunk], A_s[k % slots, :, :], barrier=full[k % slots])
                        T.tma_copy(B[0:N, k * chunk : (k + 1) * chunk], B_s[k % slots, :, :], barrier=full[k % slots])
                        T.mbarrier_arrive(full[k % slots])
            elif tx < 64:
                for k in T.serial(steps):
                    T.mbarrier_wait_parity(full[k % slots], k // slots % 2)
                    a, b = A_s[k % slots, :, :], B_s[k % slots, :, :]
                    a_params, b_params = emitter.compute_tcgen05_a_desc_params(a), emitter.compute_tcgen05_b_desc_params(b)
                    emitter.init_tcgen05_a_desc(da, a, a_params)
                    emitter.init_tcgen05_b_desc(db, b, b_params)
                    if T.shuffle_elect(32):
                        if by_atoms:
                            for ki in T.unroll(emitter.tcgen05_num_k_atoms):
                                emitter.tcgen05_ss_atom(da, db, C_t, 0, 0, ki, a_params, b_params, clear_accum=k == 0)
                        else:
                            T.tcgen05_gemm(a, b, C_t, transpose_B=True, mbar=None, clear_accum=k == 0)
                        T.tcgen05_mma_arrive(empty[k % slots])
                        if k == steps - 1:
                            T.tcgen05_mma_arrive(done)
            T.mbarrier_wait_parity(done, 0)
            T.copy(C_t, C_f)
            T.copy(C_f, C)

    return main


@pytest.mark.parametrize("by_atoms", [True, False])
def test_roles_of_warps(by_atoms):
    kernel = compiled(specialized(128, 64, 256, 64, 3, by_atoms))
    a, b, c = operand((128, 256), HALF), operand((64, 256), HALF), torch.full((128, 64), torch.nan)
    kernel(a, b, c)
    exact = a.double() @ b.double().t()
    torch.testing.assert_close(c.double(), exact, rtol=0, atol=1e-5 * exact.abs().max().item())
    assembles(kernel)
    report = kernel.check(a, b, c, schedules=3)
    assert not report.findings, str(report)


def by_hand(m, n, how):
    """One instruction of float16, k 16; `how` of it: plain, A in tensor memory, with masks, or .ws. D shows all 128 lanes."""
    wide = how == "wide"
    columns = n * m // 128 if wide else n

    @T.prim_func
    def main(A: T.Tensor((m, 16), HALF), B: T.Tensor((n, 16), HALF), D: T.Tensor((128, columns), FLOAT)):
        with T.Kernel(1, threads=128):
            A_s, B_s = T.alloc_shared((m, 16), HALF), T.alloc_shared((n, 16), HALF)
            T.annotate_layout({A_s: make_tcgen05mma_swizzled_layout(A_s), B_s: make_tcgen05mma_swizzled_layout(B_s)})
            A_t = T.alloc_tmem((128, 16), HALF) if how == "moved" else None
            D_t, D_f = T.alloc_tmem((128, columns), FLOAT), T.alloc_fragment((128, columns), FLOAT)
            done = T.alloc_barrier(1)
            da, db = T.alloc_tcgen05_smem_desc(), T.alloc_tcgen05_smem_desc()
            instr = T.alloc_tcgen05_instruction_desc()
            T.copy(A, A_s)
            T.copy(B, B_s)
            T.fill(D_t, 3.0)
            if how == "moved":
                T.copy(A_s, A_t)
            T.initialize_tcgen05_descriptor(da, T.address_of(A_s[0, 0]), 1, 16, swizzle_mode=6)
            found = T.compute_umma_descriptor(make_tcgen05mma_swizzled_layout(B_s), B_s, False)
            offsets = found.leading_byte_offset, found.stride_byte_offset
            T.initialize_tcgen05_descriptor(db, T.address_of(B_s[0, 0]), *offsets, swizzle_mode=found.swizzle_mode)
            instr[0] = instruction_descriptor(HALVES, m, n, (False, False))
            T.tcgen05_before_thread_sync()
            T.sync_threads()
            if T.get_thread_binding() == 64:
                if how == "masked":
                    T.ptx_tcgen05_mma_ss(HALF, da, 0, db, 0, D_t, 0, instr, False, 0, 0xFFFF, 0x80000001, 0)
                elif how == "moved":
                    T.ptx_tcgen05_mma_ts(HALF, A_t, 0, db, 0, D_t, 0, instr, False)
                else:
                    T.ptx_tcgen05_mma_ss(HALF, da.data, 0, db.data, 0, D_t.data, 0, instr[0], how == "added", enable_ws=wide)
                T.tcgen05_mma_arrive(done[0])
            T.mbarrier_wait_parity(done[0], 0)
            T.copy(D_t, D_f)
            T.copy(D_f, D)

    return main


@pytest.mark.parametrize(
    "m, n, how",
    [
        (128, 64, "plain"),
        (128, 64, "added"),
        (128, 64, "moved"),
        (128, 64, "masked"),
        (128, 64, "wide"),
        (64, 128, "wide"),
        (32, 256, "wide"),
    ],
)
def test_one_instruction(m, n, how):
    """Where D is, by PTX ISA, "Data path layout organization": .ws of 64 rows is layout E, of 32 rows layout G."""
    a, b = operand((m, 16), HALF), operand((n, 16), HALF)
    kernel = compiled(by_hand(m, n, how))
    assembles(kernel)
    columns = n * m // 128 if how == "wide" else n
    d = torch.full((128, columns), torch.nan)
    kernel(a, b, d)
    exact = a.double() @ b.double().t() + (3 if how == "added" else 0)
    expected = torch.cat(list(exact.chunk(128 // m, dim=1))) if how == "wide" else exact
    if how == "masked":
        kept = torch.zeros(128, dtype=torch.bool)
        kept[32:48] = kept[64] = kept[95] = True
        expected[kept] = 3
    torch.testing.assert_close(d.double(), expected, rtol=0, atol=1e-4)


def test_descriptor_parameters():
    seen = {}

    @T.prim_func
    def main(A: T.Tensor((8,), FLOAT)):
        with T.Kernel(1, threads=32):
            for width, columns in ((128, 64), (64, 32), (32, 16)):
                tile = T.alloc_shared((64, columns), HALF)
                seen[width] = T.compute_umma_descriptor(make_tcgen05mma_swizzled_layout(tile), tile, False)
            A[0] = 1

    main.get()
    assert all(isinstance(p, T.TCGEN05DescriptorParams) and p.is_k_major and p.elem_bits == 16 for p in seen.values())
    assert [seen[w].swizzle_mode for w in (128, 64, 32)] == [2, 4, 6]
    assert [seen[w].stride_byte_offset * 16 for w in (128, 64, 32)] == [1024, 512, 256]
    with pytest.raises(TypeError, match="elem_bits"):
        T.TCGEN05DescriptorParams(2, 1, 64, 64, 4)
    assert seen[128].k_atom_size == 4 and seen[128].byte_offset(16, 32) == 2 * 1024 + 64


@pytest.mark.parametrize(
    "given, error, words",
    [
        (dict(a_dtype="float64"), UnsupportedError, "no tcgen05.mma of float64"),
        (dict(a_dtype=FLOAT, b_dtype=FLOAT, accum_dtype=FLOAT), UnsupportedError, "not contiguous"),
        (dict(warp_row_tiles=48), ShapeError, "96 rows of C"),
        (dict(warp_col_tiles=8, block_col_warps=1), ShapeError, "8 columns of C"),
        (dict(reduce_k=2), UnsupportedError, "reduce_k=2"),
    ],
)
def test_products_that_do_not_exist(given, error, words):
    plain = dict(block_row_warps=2, block_col_warps=2, warp_row_tiles=64, warp_col_tiles=32, chunk=32)
    with pytest.raises(error, match=words):
        T.TCGEN05TensorCoreIntrinEmitter(**{**plain, **given})


@pytest.mark.parametrize(
    "statement, error, words",
    [
        (lambda s, t, d, i: T.ptx_tcgen05_mma_ss("float64", d, 0, d, 0, t, 0, i[0]), DTypeError, "float64"),
        (lambda s, t, d, i: T.ptx_tcgen05_mma_ss(HALF, s, 0, d, 0, t, 0, i[0]), DTypeError, "no descriptor"),
        (lambda s, t, d, i: T.ptx_tcgen05_mma_ss(HALF, d, 8, d, 0, t, 0, i[0]), SemanticError, "A_offset of T.ptx_.* is 8"),
        (lambda s, t, d, i: T.ptx_tcgen05_mma_ss(HALF, d, 0, d, 0, s, 0, i[0]), SemanticError, "no tile in tensor memory"),
        (lambda s, t, d, i: T.ptx_tcgen05_mma_ts(HALF, s, 0, d, 0, t, 0, i[0]), SemanticError, "A of T.ptx_tcgen05_mma_ts"),
        (lambda s, t, d, i: T.ptx_tcgen05_mma_ts(HALF, t, 0, d, 0, t, 0, i, True, 1, enable_ws=True), SemanticError, "no lanes"),
        (lambda s, t, d, i: T.alloc_tcgen05_instr_desc("uint64"), DTypeError, "uint32"),
        (lambda s, t, d, i: T.alloc_tcgen05_instruction_desc("int32"), DTypeError, "uint32"),
        (lambda s, t, d, i: T.compute_umma_descriptor(make_linear_layout(s), s, False), LayoutError, "none that wgmma"),
        (
            lambda s, t, d, i: T.gemm_blockscaled(s, s, s, t, t, k_start=0, sf_a_granularity_k=32, sf_b_granularity_k=32),
            UnsupportedError,
            "not in tensor memory",
        ),
    ],
)
def test_misuse(statement, error, words):
    @T.prim_func
    def main(A: T.Tensor((8,), FLOAT)):
        with T.Kernel(1, threads=128):
            s, t = T.alloc_shared((128, 64), HALF), T.alloc_tmem((128, 64), FLOAT)
            statement(s, t, T.alloc_tcgen05_smem_desc(), T.alloc_tcgen05_instr_desc())

    with pytest.raises(error, match=words):
        main.get()


def test_other_targets_and_descriptors_without_meaning():
    with pytest.raises(UnsupportedError, match="sm_100a"):
        compiled(by_hand(128, 64, "plain"), "sm_90a")
    with pytest.raises(SimulationError, match="a shape that it does not have"):
        compiled(by_hand(32, 64, "plain"))(operand((32, 16), HALF), operand((64, 16), HALF), torch.zeros(128, 64))
