"""Pointers as parameters, tensors over addresses, buffers under TVM's names."""

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random
from tilelang.errors import ArgumentError, DTypeError, FrontendError, SemanticError, ShapeError


@T.prim_func
def matmul(a_ptr: T.ptr, b_ptr: T.ptr(T.float16), c_ptr: T.ptr, m: T.int32, n: T.int32, k: T.int32):
    A = T.make_tensor(a_ptr, (m, k), "float16")
    B = T.make_tensor(b_ptr, (k, n), "float16")
    C = T.make_tensor(c_ptr, (m, n), "float32")
    with T.Kernel(T.ceildiv(n, 32), T.ceildiv(m, 32), threads=64) as (bx, by):
        x = T.alloc_shared((32, 32), "float16")
        y = T.alloc_shared((32, 32), "float16")
        z = T.alloc_fragment((32, 32), "float32")
        T.clear(z)
        for i in T.serial(T.ceildiv(k, 32)):
            T.copy(A[by * 32, i * 32], x)
            T.copy(B[i * 32, bx * 32], y)
            T.gemm(x, y, z)
        T.copy(z, C[by * 32, bx * 32])


def test_pointer_parameters(device):
    kernel = tilelang.compile(matmul)
    a, b = random((40, 64), "float16", device), random((64, 72), "float16", device)
    want = a.double() @ b.double()
    scale = a.double().abs() @ b.double().abs()
    for view in (lambda t: t, lambda t: t.data_ptr()):
        c = torch.full((40, 72), float("nan"), device=device)
        kernel(view(a), b, view(c), 40, 72, 64)
        assert_close(c, want, terms=64, scale=scale)


def test_table_of_pointers(device):
    @T.prim_func
    def main(table: T.Tensor((3,), T.ptr), O: T.Tensor((3, 64), "float32")):
        with T.Kernel(3, threads=32) as g:
            X = T.make_tensor_from_addr(table[g], (64,), "float32")
            Y = T.make_tensor(table[g], (8, 4), "float32", strides=(8, 2))
            x = T.alloc_fragment((64,), "float32")
            T.copy(X, x)
            for i in T.Parallel(64):
                O[g, i] = x[i] + Y[i // 4 % 8, i % 4]

    parts = [random(64, "float32", device) for _ in range(3)]
    table = torch.tensor([p.data_ptr() for p in parts], device=device)
    out = run(main, [table], ((3, 64), "float32"), device=device)
    i = torch.arange(64, device=device)
    want = torch.stack([p.double() + p.double()[i // 4 % 8 * 8 + i % 4 * 2] for p in parts])
    assert_close(out, want)


def test_tvm_names(device):
    @T.prim_func
    def main(a: T.handle, B: T.Buffer((16, 32), "float32"), o: T.handle):
        T.func_attr({"global_symbol": "tvm_names", "tir.noalias": True})
        n = T.int32()
        A = T.match_buffer(a, (n, 32), "float32")
        O = T.match_buffer(o, (4, 16, 32), "float32")
        with T.sblock("root"):
            T.reads(A[0:16, 0:32])
            T.writes(O[0:16, 0:32])
            with T.launch_thread("blockIdx.x", 2) as bx:
                with T.launch_thread("threadIdx.x", 32) as tx:
                    S = T.alloc_buffer((16, 32), "float32", scope="shared")
                    L = T.decl_buffer((4,), "float32", scope="local")
                    V = T.decl_buffer((512,), "float32", data=B.data)
                    T.sblock_attr({"pragma": 1})
                    for i in T.grid(16):
                        S[i, tx] = A[i, tx] if n > 3 else 0.0
                    T.sync_threads()
                    L[0] = 2.0
                    for i in T.serial(8):
                        r, c = T.index_to_coordinates((i + bx * 8) * 32 + tx, (16, 32))
                        O[0, r, c] = S[r, 31 - c] * L[0]
                        O[1, r, c] = V[(i + bx * 8) * 32 + tx]
                        vi, vj = T.axis.remap("SS", [r, c])
                        with T.If(vj < 16):
                            with T.Then():
                                O[2, vi, vj] = 1.0
                            with T.Else():
                                O[2, vi, vj] = -1.0
                        x = T.alloc_var("int32", init=0)
                        with T.While(x < r):
                            x += 2
                        O[3, r, c] = T.cast(x, "float32")

    a, b = random((16, 32), "float32", device), random((16, 32), "float32", device)
    out = run(main, [a, b], ((4, 16, 32), "float32"), device=device)
    i, j = torch.arange(16, device=device)[:, None], torch.arange(32, device=device)[None, :]
    ones = torch.where(j < 16, 1.0, -1.0).expand(16, 32)
    want = [a.double().flip(1) * 2, b.double(), ones.double(), ((i + 1) // 2 * 2).double().expand(16, 32)]
    assert_close(out, torch.stack(want), ulps=0)
    assert "tvm_names" in tilelang.compile(main).get_kernel_source()


def test_thread_binding(device):
    @T.prim_func
    def main(A: T.Tensor((4, 8, 16), "float32"), O: T.Tensor((4, 8, 16), "float32"), P: T.Tensor((4,), "float32")):
        with T.Kernel(4, threads=(16, 8)) as bx:
            for ty in T.thread_binding(0, 8, thread="threadIdx.y"):
                for tx in T.thread_binding(16, "threadIdx.x"):
                    O[bx, ty, tx] = A[bx, ty, tx] + 1.0
            for _x in T.thread_binding(1, thread="threadIdx.x"):
                for _y in T.thread_binding(1, thread="threadIdx.y"):
                    P[bx] = A[bx, 7, 3]

    a = random((4, 8, 16), "float32", device)
    o, p = run(main, [a], ((4, 8, 16), "float32"), ((4,), "float32"), device=device)
    assert torch.equal(o, a + 1) and torch.equal(p, a[:, 7, 3])


def test_thread_binding_for_the_rest_of_the_block(device):
    @T.prim_func
    def main(A: T.Tensor((4, 8, 16), "float32"), O: T.Tensor((4, 8, 16), "float32"), P: T.Tensor((4, 8), "float32")):
        with T.Kernel(4, threads=(16, 8)) as bx:
            tx = T.thread_binding(0, 16, thread="threadIdx.x")
            ty = T.thread_binding(8, "threadIdx.y")
            O[bx, ty, tx] = A[bx, ty, tx] + 1.0
            if ty > 2:
                first = T.thread_binding(0, 1, thread="threadIdx.x")
                P[bx, ty] = A[bx, ty, first + 3]
            else:
                P[bx, ty] = tx - tx

    a = random((4, 8, 16), "float32", device)
    o, p = run(main, [a], ((4, 8, 16), "float32"), ((4, 8), "float32"), device=device)
    want = a[:, :, 3].clone()
    want[:, :3] = 0
    assert torch.equal(o, a + 1) and torch.equal(p, want)


@T.prim_func
def blocks(A: T.Tensor((16, 32), "float32"), B: T.Tensor((32, 8), "float32"), C: T.Tensor((2, 16, 8), "float32")):
    """A product by blocks of TVM, whole and only its lower half; sums begin where k and r do."""
    with T.Kernel(1, threads=128):
        tx = T.get_thread_binding()
        for k in T.serial(2, 32):
            with T.sblock("product"):
                vi, vj, vk = T.axis.remap("SSR", [tx // 8, tx % 8, k])
                T.reads(A[vi, vk], B[vk, vj])
                T.writes(C[0, vi, vj])
                with T.init():
                    C[0, vi, vj] = 1.0
                C[0, vi, vj] = C[0, vi, vj] + A[vi, vk] * B[vk, vj]
        for k, r in T.grid(8, 4):
            with T.sblock("lower"):
                vi = T.axis.spatial(16, tx // 8)
                vj = T.axis.S(8, tx % 8)
                vk = T.axis.reduce(T.Range(8), k)
                vr = T.axis.R(T.Range.from_min_extent(0, 4), r)
                T.where(vi >= 8)
                T.where(vj > 2)
                with T.init():
                    C[1, vi, vj] = 0.0
                C[1, vi, vj] += A[vi, vk * 4 + vr] * B[vk * 4 + vr, vj]


def test_blocks_with_reductions(device):
    a, b = random((16, 32), "float32", device), random((32, 8), "float32", device)
    c = torch.full((2, 16, 8), 7.0, device=device)
    tilelang.compile(blocks, execution_backend="simulator" if device == "cpu" else "auto")(a, b, c)
    whole = a.double()[:, 2:] @ b.double()[2:] + 1
    half = torch.full((16, 8), 7.0, dtype=torch.float64, device=device)
    half[8:, 3:] = (a.double() @ b.double())[8:, 3:]
    torch.testing.assert_close(c.double(), torch.stack([whole, half]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "statement, kind, part",
    [
        (lambda x, G: T.make_tensor(G[0], (4,), "float32"), DTypeError, "an address is an int64"),
        (lambda x, G: T.make_tensor(x, (4,), "float32"), FrontendError, "T.view"),
        (lambda x, G: T.make_tensor_from_addr(T.cast(G[0], "int64"), (4, 2), "float32", (1,)), ShapeError, "1 strides"),
        (lambda x, G: T.match_buffer(3, (4,)), FrontendError, "annotate the parameter with T.handle"),
        (lambda x, G: T.match_buffer(x, (9,)), ShapeError, "x, which is 8, with shape 9"),
        (lambda x, G: T.alloc_buffer((4,), "float32", scope="texture"), SemanticError, "'texture'"),
        (lambda x, G: T.decl_buffer((4,), "float32", data=x.data, elem_offset=2), FrontendError, "at element 2 of x"),
        (lambda x, G: T.tvm_access_ptr(T.type_annotation("float16"), x.data, 0, 8, 1), SemanticError, "which is float32"),
        (lambda x, G: T.launch_thread("blockIdx.q", 4), SemanticError, "'blockIdx.q'"),
        (lambda x, G: T.launch_thread("threadIdx.x", 0), ShapeError, "positive constant"),
        (lambda x, G: T.thread_binding(4), SemanticError, "without a thread axis"),
        (lambda x, G: T.where(True), FrontendError, "guard the statements with if"),
        (lambda x, G: T.Range(0, 2.5), DTypeError, "end of T.Range"),
        (lambda x, G: T.init().open([]), FrontendError, "T.init outside of a T.sblock"),
        (lambda x, G: T.axis.remap("SQ", [0, 0]), SemanticError, "reduction"),
        (lambda x, G: T.axis.remap("R", [x[0]]), SemanticError, "the index of no loop"),
        (lambda x, G: T.While(True), FrontendError, "always true"),
    ],
)
def test_refusals(statement, kind, part):
    @T.prim_func
    def main(G: T.Tensor((8,), "float32")):
        with T.Kernel(1):
            x = T.alloc_shared((8,), "float32")
            statement(x, G)

    with pytest.raises(kind) as caught:
        main.get()
    assert part in str(caught.value)


def test_pointer_arguments_are_checked(device):
    kernel = tilelang.compile(matmul)
    with pytest.raises(ArgumentError, match="got str"):
        kernel("a", 0, 0, 1, 1, 1)


@T.prim_func
def optional(a_ptr: T.ptr(T.float32), bias: T.ptr(T.float32), O: T.Tensor((64,), "float32")):
    A = T.make_tensor(a_ptr, (64,), "float32")
    B = T.make_tensor(bias, (64,), "float32")
    with T.Kernel(1, threads=64):
        tx = T.get_thread_binding()
        y = T.alloc_var("float32", init=T.undef("float32"))
        y = A[tx]
        if not T.isnullptr(bias):
            y += B[tx]
        if T.isnullptr(A.data) or T.isnullptr(O) or T.isnullptr(T.address_of(A[3])):
            y = -1.0
        O[tx] = y


@pytest.mark.parametrize("target", [None, "c"])
def test_null(target, device):
    place = "cpu" if target else device
    kernel = tilelang.compile(optional, **({"target": target} if target else {}))
    a, bias = random((64,), "float32", place), random((64,), "float32", place)
    for given in (bias, None, 0, bias.data_ptr()):
        out = torch.full((64,), torch.nan, device=place)
        kernel(a, given, out)
        assert torch.equal(out, a + bias if given is bias or given else a)
    assert T.undef("float16").constant() == 0


@T.prim_func
def bytes_behind(A: T.Tensor((64,), "float32")):
    T.import_source("template <class T> __device__ inline void put(T* place, T value) { *place = value; }")
    with T.Kernel(1, threads=32):
        tx = T.get_thread_binding()
        T.call_extern("void", "put", T.handle_add_byte_offset(A.data, tx * 8), T.cast(tx, "float32"))
        T.call_extern(
            "void",
            "put",
            T.handle_add_byte_offset(T.address_of(A[1]), 8 * tx),
            T.Call("float32", "tirx.exp2", [T.cast(-tx, "float32")]),
        )


def test_bytes_behind_a_pointer(device):
    a = torch.full((64,), torch.nan, device=device)
    tilelang.compile(bytes_behind)(a)
    count = torch.arange(32, device=device).float()
    assert torch.equal(a, torch.stack([count, 2.0**-count], 1).view(-1))


@T.prim_func
def axes(A: T.Tensor((6, 4, 32), "int32")):
    by = T.env_thread("blockIdx.y")
    with T.attr(T.iter_var("bx", (0, 6), "ThreadIndex", "blockIdx.x"), "thread_extent", 6), T.launch_thread(by, 4):
        tx = T.IterVar(None, T.var("tx", "int32"), 1, "threadIdx.x")
        with T.attr(tx, "thread_extent", 32):
            A[T.get_block_binding(0), by, tx] = by * 100 + tx + T.get_block_binding(0)


def test_axes_as_indices(device):
    out = torch.full((6, 4, 32), -1, dtype=torch.int32, device=device)
    tilelang.compile(axes)(out)
    bx, by, tx = torch.meshgrid(torch.arange(6), torch.arange(4), torch.arange(32), indexing="ij")
    assert torch.equal(out.cpu(), (by * 100 + tx + bx).int())
