"""2:4 sparse products: T.gemm_sp against the dense product of the matrix that was compressed."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, product_rounding
from tilelang.errors import DTypeError, LayoutError, SemanticError, ShapeError, UnsupportedError
from tilelang.utils.sparse import compress, decompress, make_semi_sparse, randint_semi_sparse, randn_semi_sparse

SM80 = {"kind": "cuda", "arch": "sm_80"}
SM90 = {"kind": "cuda", "arch": "sm_90a"}


def matmul(
    M,
    N,
    K,
    block,
    dtype,
    code,
    accum,
    trans_A=False,
    trans_E=False,
    trans_B=False,
    stages=0,
    by_hand=False,
    annotated=False,
    fragment=False,
):
    m, n, k = block
    covered = torch.empty((), dtype=getattr(torch, code)).element_size() * (4 if dtype == "float32" else 8)
    e = k // covered

    def shape(rows, columns, swapped):
        return (columns, rows) if swapped else (rows, columns)

    def at(rows, columns, swapped):
        return (columns, rows) if swapped else (rows, columns)

    @T.prim_func
    def main(
        A: T.Tensor(shape(M, K // 2, trans_A), dtype),
        E: T.Tensor(shape(M, K // covered, trans_E), code),
        B: T.Tensor(shape(K, N, trans_B), dtype),
        C: T.Tensor((M, N), accum),
    ):
        with T.Kernel(T.ceildiv(N, n), T.ceildiv(M, m), threads=128) as (bx, by):
            A_s = T.alloc_shared(shape(m, k // 2, trans_A), dtype)
            E_s = T.alloc_shared(shape(m, e, trans_E), code)
            B_s = T.alloc_shared(shape(k, n, trans_B), dtype)
            acc = T.alloc_fragment((m, n), accum)
            if annotated:
                T.annotate_layout(
                    {
                        E: tilelang.layout.make_cutlass_metadata_layout(E, mma_dtype=dtype, arch="8.0"),
                        E_s: tilelang.layout.make_cutlass_metadata_layout(E_s, mma_dtype=dtype, arch="8.0"),
                    }
                )
            T.clear(acc)
            for ko in T.Pipelined(T.ceildiv(K, k), num_stages=stages):
                T.copy(A[at(by * m, ko * k // 2, trans_A)], A_s)
                T.copy(E[at(by * m, ko * e, trans_E)], E_s)
                T.copy(B[at(ko * k, bx * n, trans_B)], B_s)
                if fragment:
                    A_f = T.alloc_fragment((m, k // 2), dtype)
                    T.copy(A_s, A_f)
                    T.gemm_sp(A_f, E_s, B_s, acc, False, trans_E, trans_B)
                elif by_hand:
                    T.wgmma_gemm_sp(A_s, E_s, B_s, acc, trans_A, trans_E, trans_B)
                    T.wait_wgmma(0)
                else:
                    T.gemm_sp(A_s, E_s, B_s, acc, trans_A, trans_E, trans_B, policy=T.GemmWarpPolicy.FullRow)
            T.copy(acc, C[by * m, bx * n])

    return main


SM89 = {"kind": "cuda", "arch": "sm_89"}
WARP, GROUP, DENSE = "mma_sp_", "wgmma_sp_", "_dense"
CASES = [
    ("float16", "int16", "float32", {}, SM80, WARP),
    ("float16", "int16", "float16", dict(trans_B=True, stages=2), SM80, WARP),
    ("float16", "int32", "float32", dict(trans_A=True, trans_B=True), SM80, WARP),
    ("bfloat16", "uint8", "float32", dict(trans_E=True, fragment=True), SM80, WARP),
    ("float32", "int16", "float32", dict(trans_B=True), SM80, WARP),
    ("float32", "uint8", "float32", dict(stages=2), SM90, WARP),
    ("int8", "int32", "int32", dict(trans_B=True), SM80, WARP),
    ("int8", "int16", "int32", {}, SM80, WARP),
    ("float8_e4m3fn", "uint8", "float32", dict(trans_B=True), SM89, WARP),
    ("float16", "int16", "float32", dict(stages=2), SM90, GROUP),
    ("float16", "int32", "float16", dict(trans_A=True, trans_B=True), SM90, GROUP),
    ("bfloat16", "uint8", "float32", dict(trans_E=True, by_hand=True), SM90, GROUP),
    ("bfloat16", "int16", "float32", dict(fragment=True, stages=2), SM90, GROUP),
    ("int8", "int32", "int32", dict(trans_B=True, stages=2), SM90, GROUP),
    ("float8_e5m2", "int16", "float32", dict(trans_B=True), SM90, GROUP),
    ("float16", "int16", "float32", {}, "c", DENSE),
    ("int8", "uint8", "int32", dict(trans_E=True), "c", DENSE),
]


def _operands(M, N, K, dtype, code, options, device, **order):
    """A and B, and the kernel's three inputs."""
    kind = getattr(torch, dtype)
    if dtype == "int8":
        a = randint_semi_sparse(M, K, -20, 20, device=device)
        b = torch.randint(-20, 20, (K, N), device=device).to(kind)
    else:
        a, b = randn_semi_sparse(M, K, kind, device), torch.randn(K, N, device=device).to(kind)
    kept, places = compress(a, metadata_dtype=getattr(torch, code), **order)
    swapped = (options.get("trans_A"), options.get("trans_E"), options.get("trans_B"))
    return a, b, [x.t().contiguous() if swap else x for x, swap in zip((kept, places, b), swapped, strict=True)]


def _check(out, a, b, dtype):
    exact = a.double() @ b.double()
    if dtype == "int8":
        assert torch.equal(out.double(), exact)
    elif dtype == "float32":  # tfloat32 products
        torch.testing.assert_close(out.double(), exact, rtol=1e-2, atol=5e-2)
    else:
        assert_close(out, exact, **product_rounding(out, a, b))


@pytest.mark.parametrize("dtype, code, accum, options, target, instruction", CASES)
def test_against_the_dense_product(dtype, code, accum, options, target, instruction, device):
    M, N, K = 100, 72, 160  # ragged in all three: past the end metadata is zero
    if target == "c" and device != "cpu":
        pytest.skip("runs on a CPU")
    a, b, given = _operands(M, N, K, dtype, code, options, device)
    program = matmul(M, N, K, (64, 64, 64), dtype, code, accum, **options)
    assert instruction in tilelang.compile(program, target=target).get_kernel_source()
    _check(run(program, given, ((M, N), accum), device=device, target=target), a, b, dtype)


@pytest.mark.parametrize("dtype, code, accum, target", [
    ("float16", "int16", "float32", SM80), ("int8", "int32", "int32", SM80), ("bfloat16", "int16", "float32", SM90),
])  # fmt: skip
def test_metadata_in_the_order_of_cutlass(dtype, code, accum, target, device):
    M, N, K = 128, 72, 256
    a, b, given = _operands(M, N, K, dtype, code, {"trans_B": True}, device, arch="8.0")
    program = matmul(M, N, K, (64, 64, 64), dtype, code, accum, trans_B=True, annotated=True)
    _check(run(program, given, ((M, N), accum), device=device, target=target), a, b, dtype)


@pytest.mark.parametrize("dtype", ("float16", "float32", "int8"))
def test_torch_compresses_in_the_same_order(dtype):
    """What torch.sparse hands to CUTLASS is what compress(arch="8.0") makes."""
    conversions = pytest.importorskip("torch.sparse._semi_structured_conversions")
    kind = getattr(torch, dtype)
    a = randint_semi_sparse(128, 256, 1, 100) if dtype == "int8" else randn_semi_sparse(128, 256, kind)
    kept, places = conversions.sparse_semi_structured_from_dense_cutlass(a)
    ours = compress(a, arch="8.0")
    assert torch.equal(kept, ours[0]) and torch.equal(places.view(-1), ours[1].view(-1))


@pytest.mark.parametrize("block, dtype, why", [
    ((64, 64, 48), "float16", "m, n, k are not multiples of 16, 8, 32"), ((40, 64, 64), "float16", "not multiples of 16"),
])  # fmt: skip
def test_what_no_instruction_covers_is_expanded(block, dtype, why, device):
    M, N, K = 80, 64, 96
    a, b, given = _operands(M, N, K, dtype, "int16", {}, device)
    program = matmul(M, N, K, block, dtype, "int16", "float32")
    kernel = tilelang.compile(program, target=SM80)
    assert any(why in str(remark) for remark in kernel.remarks) and "_sp_" not in kernel.get_kernel_source()
    _check(run(program, given, ((M, N), "float32"), device=device, target=SM80), a, b, dtype)


@pytest.mark.parametrize("dtype, code", [("float16", "int16"), ("int8", "uint8"), ("float32", "int32")])
def test_compress_and_back(dtype, code):
    a = make_semi_sparse(torch.randint(-9, 9, (7, 128)).to(getattr(torch, dtype)))
    kept, places = compress(a, metadata_dtype=getattr(torch, code))
    assert kept.shape == (7, 64) and torch.equal(decompress(kept, places), a)
    across, same = compress(a.t().contiguous(), transposed=True, metadata_dtype=getattr(torch, code))
    assert torch.equal(across.t(), kept) and torch.equal(same, places)
    with pytest.raises(ShapeError, match="are not zero"):
        compress(torch.ones(4, 64).half())
    with pytest.raises(ShapeError, match="multiple of 16"):
        compress(torch.zeros(4, 24).half())


def test_orders_that_are_refused():
    a = make_semi_sparse(torch.ones(32, 64).half())
    with pytest.raises(UnsupportedError, match="row-major metadata on every target"):
        compress(a, arch="9.0")
    with pytest.raises(ShapeError, match="rows in multiples of 32"):
        compress(a[:8].contiguous(), arch="8.0")

    def annotate(shape, code, **options):
        @T.prim_func
        def main(E: T.Tensor(shape, code)):
            with T.Kernel(1, threads=128):
                T.annotate_layout({E: tilelang.layout.make_cutlass_metadata_layout(E, **options)})

        main.get()

    with pytest.raises(UnsupportedError, match="arch 9.0 is not in this version"):
        annotate((64, 4), "uint8", arch="9.0", block_k=64)
    with pytest.raises(UnsupportedError, match="differently for sm_80 and for sm_90"):
        annotate((64, 4), "int16")
    with pytest.raises(DTypeError, match="CUTLASS's metadata of int8 is int32"):
        annotate((64, 4), "int16", mma_dtype="int8", arch="8.0")
    with pytest.raises(ShapeError, match="even number of int16 words"):
        annotate((64, 3), "int16", arch="8.0")


def test_what_a_word_describes():
    from tilelang.cuda.intrinsics.sparse_layout import GROUP_CONFIG, get_e_factor, get_e_replicate_factor

    assert [get_e_factor(*pair) for pair in (("float16", "int16"), (T.int8, T.int32), ("float32", "uint8"))] == [16, 32, 4]
    assert (get_e_replicate_factor("bfloat16"), get_e_replicate_factor("float8_e4m3fn")) == (2, 1)
    assert GROUP_CONFIG[T.float32] == (1, 2)
    with pytest.raises(DTypeError, match="no sparse matrix instruction takes float64"):
        get_e_factor("float64", "int16")


@pytest.mark.parametrize(
    "shapes, code, options, error, words",
    [
        (((64, 32), (64, 8), (64, 64)), "int16", {}, ShapeError, "E is 64 x 4"),
        (((64, 16), (64, 4), (64, 64)), "int16", {}, ShapeError, "A_sparse is 64 x 32"),
        (((64, 32), (64, 4), (64, 64)), "float16", {}, DTypeError, "int8, int16, int32"),
        (((64, 32), (64, 4), (64, 64)), "int16", dict(wg_wait=2), SemanticError, "T.wait_wgmma"),
    ],
)
def test_misuse(shapes, code, options, error, words):
    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32")):
        with T.Kernel(1, threads=128):
            a = T.alloc_shared(shapes[0], "float16")
            e = T.alloc_shared(shapes[1], code)
            b = T.alloc_shared(shapes[2], "float16")
            c = T.alloc_fragment((64, 64), "float32")
            T.gemm_sp(a, e, b, c, **options)

    with pytest.raises(error) as caught:
        main.get()
    assert words in str(caught.value)


def test_the_order_of_other_elements():
    """CUTLASS's words for 16-bit elements say nothing of 8-bit ones."""

    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32")):
        with T.Kernel(1, threads=128):
            a, b = T.alloc_shared((64, 64), "int8"), T.alloc_shared((128, 64), "int8")
            e, c = T.alloc_shared((64, 8), "int16"), T.alloc_fragment((64, 64), "int32")
            T.annotate_layout({e: tilelang.layout.make_cutlass_metadata_layout(e, mma_dtype="float16", arch="8.0")})
            T.gemm_sp(a, e, b, c)

    with pytest.raises(LayoutError, match="the order of metadata of 16-bit elements; A_sparse is int8"):
        main.get()
