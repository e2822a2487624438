"""How kernels are put together: several launches and outputs, macros, closures, eager functions, layouts, grids, printing."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def three_launches(N):
    """Each launch reads what the one before wrote; an unused block axis and an empty loop do no harm."""

    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), W: T.Tensor((N,), "float32"), B: T.Tensor((N,), "float32")):
        with T.Kernel(T.ceildiv(N, 64), threads=64) as bx:
            for i in T.Parallel(64):
                W[bx * 64 + i] = A[bx * 64 + i] * 2.0
        with T.Kernel(T.ceildiv(N, 128), threads=32) as bx:
            for i in T.Parallel(128):
                B[bx * 128 + i] = W[N - 1 - (bx * 128 + i)]
        with T.Kernel(1, 1, threads=256) as (bx, by):
            for i in T.Parallel(N):
                B[i] = B[i] + 1.0

    return main


def test_several_launches(device):
    a = random(200, "float32", device)
    w, b = run(three_launches(200), [a], ((200,), "float32"), ((200,), "float32"), device=device)
    x = a.double() * 2
    assert_close(w, x, ulps=0)
    assert_close(b, x.flip(0) + 1, scale=x.flip(0).abs() + 1)


def statistics(M, N):
    @T.prim_func
    def main(
        A: T.Tensor((M, N), "float32"),
        total: T.Tensor((M,), "float32"),
        high: T.Tensor((M,), "float16"),
        mask: T.Tensor((M, N), "bool"),
        order: T.Tensor((M, N), "int64"),
    ):
        with T.Kernel(M, threads=64) as bx:
            x = T.alloc_fragment((1, N), "float32")
            s = T.alloc_fragment((1,), "float32")
            h = T.alloc_fragment((1,), "float32")
            T.copy(A[bx, 0], x)
            T.reduce_sum(x, s, dim=1)
            T.reduce_max(x, h, dim=1)
            total[bx] = s[0]
            high[bx] = T.cast(h[0], "float16")
            for i, j in T.Parallel(1, N):
                mask[bx, j] = x[i, j] == h[i]
                order[bx, j] = T.cast(bx, "int64") * N + j

    return main


def test_outputs_of_several_dtypes(device):
    M, N = 7, 90
    a = random((M, N), "float32", device)
    outs = [((M,), "float32"), ((M,), "float16"), ((M, N), "bool"), ((M, N), "int64")]
    total, high, mask, order = run(statistics(M, N), [a], *outs, device=device)
    x = a.double()
    assert_close(total, x.sum(1), terms=N, scale=x.abs().sum(1))
    assert_close(high, x.amax(1))
    assert_close(mask, a == a.amax(1, keepdim=True))
    assert_close(order, torch.arange(M * N).view(M, N))


def test_several_returned_outputs(device):
    """out_idx with several outputs, one of them in the middle, returns a list in order."""
    N = 70

    @T.prim_func
    def main(
        A: T.Tensor((N,), "float32"), B: T.Tensor((N,), "float32"), C: T.Tensor((N,), "float32"), D: T.Tensor((N, 2), "int32")
    ):
        with T.Kernel(1, threads=64) as _:
            for i in T.Parallel(N):
                B[i] = A[i] + C[i]
                D[i, 0] = i
                D[i, 1] = -i

    a, c = random(N, "float32", device), random(N, "float32", device)
    result = tilelang.compile(main, out_idx=[1, -1])(a, c)
    assert isinstance(result, list) and len(result) == 2
    assert_close(result[0], a.double() + c.double(), scale=a.abs() + c.abs())
    count = torch.arange(N)
    assert_close(result[1], torch.stack([count, -count], 1))


@T.macro
def scale_tile(x, rows, columns, factor):
    for i, j in T.Parallel(rows, columns):
        x[i, j] = x[i, j] * factor


@T.macro
def row_sum(x, out):
    T.reduce_sum(x, out, dim=1)


@T.macro
def load_or_zero(A, row, column, limit):
    return T.if_then_else(row < limit, A[row, column], 0.0)


def with_macros(M, N):
    def activation(value):  # a plain function of expressions, from the closure
        return T.max(value, 0.0) + T.min(value, 0.0) * 0.1

    @T.macro
    def finish(x, s):
        scale_tile(x, 16, N, 2.0)
        row_sum(x, s)

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), B: T.Tensor((M, N), "float32"), S: T.Tensor((M,), "float32")):
        with T.Kernel(T.ceildiv(M, 16), threads=64) as bx:
            x = T.alloc_fragment((16, N), "float32")
            s = T.alloc_fragment((16,), "float32")
            for i, j in T.Parallel(16, N):
                x[i, j] = activation(load_or_zero(A, bx * 16 + i, j, M))
            finish(x, s)
            T.copy(x, B[bx * 16, 0])
            T.copy(s, S[bx * 16])

    return main


def test_macros_and_closures(device):
    M, N = 40, 50
    a = random((M, N), "float32", device)
    b, s = run(with_macros(M, N), [a], ((M, N), "float32"), ((M,), "float32"), device=device)
    x = torch.nn.functional.leaky_relu(a.double(), 0.1) * 2
    assert_close(b, x)
    assert_close(s, x.sum(1), terms=N, scale=x.abs().sum(1))


@tilelang.jit
def eager_scale(A, factor: float = 2.0):
    M, N = T.const("M, N")
    A: T.Tensor((M, N), "float32")
    B = T.empty((M, N), "float32")
    with T.Kernel(T.ceildiv(N, 64), T.ceildiv(M, 8), threads=64) as (bx, by):
        for i, j in T.Parallel(8, 64):
            B[by * 8 + i, bx * 64 + j] = A[by * 8 + i, bx * 64 + j] * factor
    return B


@tilelang.jit
def eager_gemm(A, B, bm: int = 32, bn: int = 48, dtype: T.dtype = T.float16):
    M, N, K = T.const("M, N, K")
    A: T.Tensor((M, K), dtype)
    B: T.Tensor((K, N), dtype)
    C = T.empty((M, N), T.float32)
    S = T.empty((M,), T.float32)
    with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=64) as (bx, by):
        As = T.alloc_shared((bm, 32), dtype)
        Bs = T.alloc_shared((32, bn), dtype)
        Cl = T.alloc_fragment((bm, bn), T.float32)
        T.clear(Cl)
        for k in T.Pipelined(T.ceildiv(K, 32), num_stages=2):
            T.copy(A[by * bm, k * 32], As)
            T.copy(B[k * 32, bx * bn], Bs)
            T.gemm(As, Bs, Cl)
        T.copy(Cl, C[by * bm, bx * bn])
        if bx == 0:
            for i in T.Parallel(bm):
                S[by * bm + i] = by * bm + i
    return C, S


def test_eager(device):
    for shape in ((20, 70), (3, 64), (20, 70)):
        a = random(shape, "float32", device)
        assert_close(eager_scale(a), a.double() * 2, ulps=0)
    assert_close(eager_scale(a, 0.25), a.double() / 4, ulps=0)
    assert_close(eager_scale(a, factor=-1.0), -a.double(), ulps=0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_eager_gemm(dtype, device):
    a, b = random((50, 40), dtype, device), random((40, 60), dtype, device)
    c, s = eager_gemm(a, b, dtype=dtype)
    x, y = a.double(), b.double()
    assert_close(c, x @ y, terms=40, scale=x.abs() @ y.abs())
    assert_close(s, torch.arange(50).double(), ulps=0)


@tilelang.jit(out_idx=[-1])
def lazy_add(N, block, dtype="float32"):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), B: T.Tensor((N,), dtype), C: T.Tensor((N,), dtype)):
        with T.Kernel(T.ceildiv(N, block), threads=64) as bx:
            for i in T.Parallel(block):
                C[bx * block + i] = A[bx * block + i] + B[bx * block + i]

    return main


def test_lazy(device):
    kernel = lazy_add(100, 48)
    assert lazy_add(100, 48) is kernel
    a, b = random(100, "float32", device), random(100, "float32", device)
    assert_close(kernel(a, b), a.double() + b.double(), scale=a.abs() + b.abs())
    with pytest.raises(ValueError):
        kernel(a)
    with pytest.raises(TypeError):
        kernel(a, b.double())
    with pytest.raises(ValueError):
        kernel(a, b[:50])


def swizzled(M, N, K, layout, order, panel):
    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), B: T.Tensor((K, N), "float16"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 32), threads=64) as (bx, by):
            As = T.alloc_shared((32, 64), "float16")
            Bs = T.alloc_shared((64, 32), "float16")
            Cl = T.alloc_fragment((32, 32), "float32")
            if layout is not None:
                T.annotate_layout({As: layout(As), Bs: layout(Bs)})
            T.use_swizzle(panel_size=panel, order=order)
            T.clear(Cl)
            for k in T.Pipelined(T.ceildiv(K, 64), num_stages=2):
                T.copy(A[by * 32, k * 64], As)
                T.copy(B[k * 64, bx * 32], Bs)
                T.gemm(As, Bs, Cl)
            T.copy(Cl, C[by * 32, bx * 32])

    return main


@pytest.mark.parametrize(
    "name, order, panel",
    [
        ("make_swizzled_layout", "row", 2),
        ("make_swizzled_layout", "column", 3),
        ("make_linear_layout", "row", 10),
        ("make_full_bank_swizzled_layout", "column", 1),
        (None, "row", 3),
        (None, "column", 10),
    ],
)
def test_annotated_layouts_and_swizzled_grid(name, order, panel, device):
    from tilelang import layout

    M, N, K = 150, 170, 100
    a, b = random((M, K), "float16", device), random((K, N), "float16", device)

    def make(buffer):
        wide = name == "make_full_bank_swizzled_layout" and buffer.shape[1] != 64  # rows of 128 bytes only
        return getattr(layout, "make_swizzled_layout" if wide else name)(buffer)

    out = run(swizzled(M, N, K, make if name else None, order, panel), [a, b], ((M, N), "float32"), device=device)
    x, y = a.double(), b.double()
    assert_close(out, x @ y, terms=K, scale=x.abs() @ y.abs())


def block_shapes(M, N, threads):
    @T.prim_func
    def main(A: T.Tensor((3, M, N), "float32"), B: T.Tensor((3, M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 32), T.ceildiv(M, 8), 3, threads=threads) as (bx, by, bz):
            s = T.alloc_shared((8, 32), "float32")
            T.copy(A[bz, by * 8, bx * 32], s)
            for i, j in T.Parallel(8, 32):
                B[bz, by * 8 + i, bx * 32 + j] = s[7 - i, j] if by * 8 + 8 <= M else s[i, j]

    return main


@pytest.mark.parametrize("threads", [1, 32, 33, 100, (16, 4), (8, 2, 4), 512], ids=str)
def test_blocks_of_any_shape(threads, device):
    M, N = 20, 50
    a = random((3, M, N), "float32", device)
    expected = a.double().clone()
    for start in range(0, M - 7, 8):
        expected[:, start : start + 8] = expected[:, start : start + 8].flip(1)
    assert_close(run(block_shapes(M, N, threads), [a], ((3, M, N), "float32"), device=device), expected, ulps=0)


def placed(M, N):
    """A register tile in the layout that the author gives, and a nest in that of the tile."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), B: T.Tensor((M, N), "float32")):
        with T.Kernel(1, threads=64) as _:
            x = T.alloc_fragment((M, N), "float32")
            y = T.alloc_fragment((M, N), "float32")
            where = T.Fragment(
                (M, N), forward_fn=lambda i, j: (i % 4 * 16 + j // 2 % 16, i // 4 * (N // 16) + j // 32 * 2 + j % 2)
            )
            T.annotate_layout({x: where})
            T.copy(A, x)
            for i, j in T.Parallel(M, N, loop_layout=where):
                y[i, j] = x[i, j] * 2.0
            for i, j in T.Parallel(M, N, coalesced_width=2):
                B[i, j] = y[i, j] + x[i, j]

    return main


def test_author_places_a_fragment(device):
    a = random((8, 64), "float32", device)
    assert_close(run(placed(8, 64), [a], ((8, 64), "float32"), device=device), a.double() * 3)


def with_workspace(M, N):
    """A workspace that the launcher allocates, written by one launch and read by the next."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), B: T.Tensor((M, N), "float32")):
        work = T.alloc_global((N, M), "float32")
        with T.Kernel(T.ceildiv(M, 8), threads=64) as bx:
            for i, j in T.Parallel(8, N):
                if bx * 8 + i < M:
                    work[j, bx * 8 + i] = A[bx * 8 + i, j]
        with T.Kernel(T.ceildiv(M, 8), threads=64) as bx:
            for i, j in T.Parallel(8, N):
                if bx * 8 + i < M:
                    B[bx * 8 + i, j] = work[N - 1 - j, bx * 8 + i]

    return main


def test_workspace(device):
    a = random((20, 30), "float32", device)
    assert_close(run(with_workspace(20, 30), [a], ((20, 30), "float32"), device=device), a.double().flip(1), ulps=0)


def far_row(M, N):
    @T.prim_func
    def main(A: T.Tensor((M, N), "int8"), row: T.int32, B: T.Tensor((N,), "int8")):
        with T.Kernel(T.ceildiv(N, 1024), threads=64) as bx:
            s = T.alloc_shared((1024,), "int8")
            T.copy(A[row, bx * 1024], s)
            for i in T.Parallel(1024):
                B[bx * 1024 + i] = s[i] + A[row - 1, bx * 1024 + i]

    return main


@pytest.mark.usefixtures("much_memory")
def test_indices_beyond_32_bits(device):
    """More than 2**31 elements; all but two rows are never touched, so they take no memory on a CPU."""
    M, N = 70000, 32768
    a = torch.empty((M, N), dtype=torch.int8, device=device)
    a[M - 2 :] = random((2, N), "int8", device, -50, 50)
    b = torch.empty(N, dtype=torch.int8, device=device)
    tilelang.compile(far_row(M, N))(a, M - 1, b)
    assert_close(b, a[M - 1] + a[M - 2])


def checked(M, N, block=16, *, scale=2.0):
    """Defaults, assertions of Python values, and names of the enclosing function that only annotations use."""
    shape, kind = (M, N), "float32"
    assert block > 0

    @T.prim_func
    def main(A: T.Tensor(shape, kind), B: T.Tensor(shape, kind)):
        assert N > 0
        with T.Kernel(T.ceildiv(M, block), threads=32) as bx:
            assert N % 2 == 0, "columns come in pairs"
            for i, j in T.Parallel(block, N // 2):
                left, right = A[bx * block + i, j * 2], A[bx * block + i, j * 2 + 1]
                (B[bx * block + i, j * 2], B[bx * block + i, j * 2 + 1]) = (right * scale, left * scale)

    return main


def test_python_in_a_kernel(device):
    a = random((20, 30), "float32", device)
    out = run(checked(20, 30, scale=0.5), [a], ((20, 30), "float32"), device=device)
    assert_close(out, a.double().view(20, 15, 2).flip(2).reshape(20, 30) * 0.5, ulps=0)
    with pytest.raises(Exception, match="columns come in pairs"):
        tilelang.compile(checked(20, 31))


def many_tiles(N):
    """Shared tiles whose lives do not overlap: together more than the arena, one after the other less."""

    @T.prim_func
    def main(A: T.Tensor((4, N, N), "float32"), B: T.Tensor((4, N, N), "float32")):
        with T.Kernel(1, threads=256) as _:
            for stage in range(4):
                s = T.alloc_shared((N, N), "float32")
                T.copy(A[stage, 0, 0], s)
                for i, j in T.Parallel(N, N):
                    B[stage, i, j] = s[j, i]

    return main


@pytest.mark.parametrize("N", [48, 128])
def test_shared_memory_of_a_loop(N, device):
    a = random((4, N, N), "float32", device)
    assert_close(run(many_tiles(N), [a], ((4, N, N), "float32"), device=device), a.double().mT, ulps=0)


def reused_tiles(N):
    @T.prim_func
    def main(A: T.Tensor((N, N), "float32"), B: T.Tensor((N, N), "float32")):
        with T.Kernel(1, threads=128) as _:
            one = T.alloc_shared((N, N), "float32")
            two = T.alloc_shared((N, N), "float32")
            three = T.alloc_shared((N, N), "float32")
            f = T.alloc_fragment((N, N), "float32")
            T.copy(A, one)
            for i, j in T.Parallel(N, N):
                two[i, j] = one[j, i] + 1.0
            for i, j in T.Parallel(N, N):
                three[i, j] = two[N - 1 - i, j] * 2.0
            T.copy(three, f)
            T.copy(f, B)

    return main


@pytest.mark.parametrize("N", [40, 128])
def test_shared_memory_is_reused(N, device):
    """At N = 128 three tiles take 192 KiB: they fit, and only with barriers between reuse is the result right."""
    a = random((N, N), "float32", device)
    x = ((a.double().T + 1) * 2).flip(0)
    assert_close(run(reused_tiles(N), [a], ((N, N), "float32"), device=device), x, scale=x.abs() + 2)


def printing(N):
    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((N,), "float32")):
        with T.Kernel(1, threads=32) as bx:
            s = T.alloc_shared((N,), "float32")
            T.copy(A, s)
            T.print("start")
            T.print(bx, msg="block")
            T.print(s[0], msg="element")
            T.copy(s, B)

    return main


def printing_tiles(N):
    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((N,), "float32")):
        with T.Kernel(1, threads=32) as _:
            f = T.alloc_fragment((N,), "float32")
            s = T.alloc_shared((N,), "float32")
            T.copy(A, f)
            T.copy(f, s)
            T.print(f, msg="fragment")
            T.print(s, msg="shared")
            T.copy(s, B)

    return main


def printed(program, device, capfd):
    a = torch.full((16,), 4.5, device=device)
    assert_close(run(program, [a], ((16,), "float32"), device=device), a.double(), ulps=0)
    if device == "cuda":
        torch.cuda.synchronize()
    return capfd.readouterr().out


def test_print(device, capfd):
    text = printed(printing(16), device, capfd)
    for word in ("start", "block", "element", "4.5"):
        assert word in text


def test_print_of_tiles(device, capfd):
    text = printed(printing_tiles(16), device, capfd)
    for word in ("fragment", "shared"):
        assert word in text
    assert text.count("4.5") >= 32


def with_assertions(N):
    @T.prim_func
    def main(A: T.Tensor((N,), "int32"), B: T.Tensor((N,), "int32")):
        with T.Kernel(T.ceildiv(N, 64), threads=64) as bx:
            T.assume(N > 0)
            for i in T.Parallel(64):
                if bx * 64 + i < N:
                    T.device_assert(A[bx * 64 + i] >= 0, "negative")
                    B[bx * 64 + i] = A[bx * 64 + i] + 1

    return main


def test_device_assert_holds(device):
    a = random(100, "int32", device, 0, 50)
    assert_close(run(with_assertions(100), [a], ((100,), "int32"), device=device), a + 1)


@T.prim_func
def launched_by_assignments(A: T.Tensor((256,), "float32"), B: T.Tensor((256,), "float32"), C: T.Tensor((4,), "float32")):
    bx = T.launch_thread("blockIdx.x", 2)
    tx = T.launch_thread("threadIdx.x", 128)
    B[bx * 128 + tx] = A[bx * 128 + tx] + 1
    if tx < 2:
        C[bx * 2 + tx] = A[tx]


def test_axes_of_a_launch_by_assignment(device):
    a = random((256,), "float32", device)
    out, few = run(launched_by_assignments, [a], ((256,), "float32"), ((4,), "float32"), device=device)
    assert torch.equal(out, a + 1) and torch.equal(few, a[:2].repeat(2))


def workspace_inside(N, M):
    @T.prim_func
    def main(A: T.Tensor((N, M), "float32"), B: T.Tensor((M, N), "float32")):
        with T.Kernel(N, threads=64) as bx:
            work = T.alloc_global((N, M), "float32")
            for j in T.Parallel(M):
                work[bx, j] = A[bx, j] * 2
            T.sync_grid()
            for i in T.serial(bx, M, N):
                for j in T.Parallel(N):
                    B[i, j] = work[j, i]

    return main


def test_a_workspace_allocated_in_the_kernel_is_shared_by_its_blocks(device):
    N, M = 5, 70
    a = random((N, M), "float32", device)
    out = run(workspace_inside(N, M), [a], ((M, N), "float32"), device=device)
    assert torch.equal(out, a.t() * 2)
