"""Blocks of several tiles: the same bits as tile by tile, against torch, and programs whose tiles are not one longer tile."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.layout import make_swizzled_layout

HOPPER = {"kind": "cuda", "arch": "sm_90a"}
OFF = {"tl.enable_tile_resizing": False}


def compiled(program, configs=None, multiprocessors=4):
    target = {**HOPPER, "multiprocessors": multiprocessors}
    return tilelang.compile(program, target=target, execution_backend="simulator", pass_configs=configs)


def tiles(kernel) -> int:
    """How many tiles of the program a block computes."""
    return next((r.values["tiles"] for r in kernel.remarks if r.rule == "tile"), 1)


def both(program, inputs, shape, dtype, multiprocessors=4):
    """(kernel, its result, which is bit by bit that of a block for each tile)."""
    results = []
    for kernel in (compiled(program, None, multiprocessors), compiled(program, OFF, multiprocessors)):
        out = torch.full(shape, float("nan")).to(dtype)
        kernel(*inputs, out)
        results.append(out)
    assert tiles(kernel) == 1
    assert torch.equal(*results)
    return compiled(program, None, multiprocessors), results[0]


def product(M, N, K, bm, bn, bk, threads, dtype="float16", tb=True, swizzle=True, layouts=False, rows_first=False):
    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((N, K) if tb else (K, N), dtype), C: T.Tensor((M, N), "float32")):
        grid = (T.ceildiv(N, bn), T.ceildiv(M, bm))
        with T.Kernel(*(grid[::-1] if rows_first else grid), threads=threads) as (x, y):
            bx, by = (y, x) if rows_first else (x, y)
            As = T.alloc_shared((bm, bk), dtype)
            Bs = T.alloc_shared((bn, bk) if tb else (bk, bn), dtype)
            Cl = T.alloc_fragment((bm, bn), "float32")
            T.use_swizzle(3, enable=swizzle)
            if layouts:
                T.annotate_layout({As: make_swizzled_layout(As), Bs: make_swizzled_layout(Bs)})
            row = by * bm
            T.clear(Cl)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=2):
                T.copy(A[row, k * bk], As)
                if tb:
                    T.copy(B[bx * bn, k * bk], Bs)
                else:
                    T.copy(B[k * bk, bx * bn], Bs)
                T.gemm(As, Bs, Cl, transpose_B=tb)
            T.copy(Cl, C[row, bx * bn])

    return main


@pytest.mark.parametrize(
    "bm, bn, threads, tb, swizzle, times, block",
    [
        (128, 128, 256, True, True, 2, 256),
        (128, 128, 128, True, False, 2, 256),  # a second warpgroup for the sums
        (128, 128, 128, False, True, 2, 256),
        (64, 256, 128, True, True, 2, 256),  # along y
        (64, 64, 128, False, False, 8, 256),
        (128, 256, 256, True, True, 1, 256),  # nothing to gain
        (192, 128, 384, True, True, 1, 384),  # no room for the sums
    ],
)
def test_products(bm, bn, threads, tb, swizzle, times, block):
    M, N, K = 8 * bm - 24, 8 * bn - 40, 3 * 64 + 8
    a, b = torch.randn(M, K).half(), torch.randn(N, K).half()
    program = product(M, N, K, bm, bn, 64, threads, tb=tb, swizzle=swizzle)
    kernel, c = both(program, (a, b if tb else b.T.contiguous()), (M, N), torch.float32)
    assert tiles(kernel) == times
    assert times == 1 or [r.values["threads"] for r in kernel.remarks if r.rule == "tile"] == [block]
    torch.testing.assert_close(c, a.float() @ b.float().T, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("bm, bn, shape", [(128, 128, "128 x 256"), (64, 256, "128 x 256")])
def test_rows_along_x(bm, bn, shape):
    """Which axis of the grid counts columns is the program's choice; the tile is the same."""
    M, N, K = 1024, 2048, 256
    a, b = torch.randn(M, K).half(), torch.randn(N, K).half()
    kernel, c = both(product(M, N, K, bm, bn, 64, 128, rows_first=True), (a, b), (M, N), torch.float32)
    assert [shape in r.text for r in kernel.remarks if r.rule == "tile"] == [True]
    torch.testing.assert_close(c, a.float() @ b.float().T, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("bm, bk, times", [(128, 64, 2), (128, 32, 2), (256, 32, 1)])
def test_layouts_of_operands_give_way(bm, bk, times):
    """Who writes `T.annotate_layout` for the tiles of a product asks for what any other tiles get as well."""
    M, N, K = 1024, 1024, 256
    a, b = torch.randn(M, K).half(), torch.randn(N, K).half()
    kernel, c = both(product(M, N, K, bm, 128, bk, 256, layouts=True), (a, b), (M, N), torch.float32)
    assert tiles(kernel) == times and bool([r for r in kernel.remarks if r.rule == "step"]) is (bk == 32)
    torch.testing.assert_close(c, a.float() @ b.float().T, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", ["float8_e4m3", "bfloat16"])
def test_dtypes(dtype):
    torch_type = getattr(torch, "float8_e4m3fn" if dtype == "float8_e4m3" else dtype)
    a, b = torch.randn(1024, 256).to(torch_type), torch.randn(1024, 256).to(torch_type)
    kernel, c = both(product(1024, 1024, 256, 128, 128, 64, 128, dtype), (a, b), (1024, 1024), torch.float32)
    assert tiles(kernel) == 2
    torch.testing.assert_close(c, a.float() @ b.float().T, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("bm, bn, threads, times", [(128, 128, 128, 2), (128, 128, 256, 2), (64, 64, 128, 8), (64, 128, 128, 4)])
def test_operands_that_are_unpacked(bm, bn, threads, times):
    """4-bit weights: a longer tile of columns is unpacked once for all rows of a block, by two warpgroups."""
    M, N, K, bk = 1000, 1024, 256, 64

    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), Bq: T.Tensor((N, K // 2), "uint8"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=threads) as (bx, by):
            As = T.alloc_shared((bm, bk), "float16")
            Qs = T.alloc_shared((bn, bk // 2), "uint8")
            Bl = T.alloc_fragment((bn, bk), "float16")
            Bs = T.alloc_shared((bn, bk), "float16")
            Cl = T.alloc_fragment((bm, bn), "float32")
            T.clear(Cl)
            for k in T.Pipelined(K // bk, num_stages=2):
                T.copy(A[by * bm, k * bk], As)
                T.copy(Bq[bx * bn, k * (bk // 2)], Qs)
                for i, j in T.Parallel(bn, bk):
                    Bl[i, j] = T.cast((T.cast(Qs[i, j // 2], "int32") >> ((j % 2) * 4)) & 15, "float16") - T.float16(8)
                T.copy(Bl, Bs)
                T.gemm(As, Bs, Cl, transpose_B=True)
            T.copy(Cl, C[by * bm, bx * bn])

    a, q = torch.randn(M, K).half(), torch.randint(0, 256, (N, K // 2), dtype=torch.uint8)
    kernel, c = both(main, (a, q), (M, N), torch.float32)
    assert tiles(kernel) == times and not [r for r in kernel.remarks if r.rule == "step"]
    assert [r.values["threads"] for r in kernel.remarks if r.rule == "tile"] == [256]
    codes = torch.stack([q & 15, q >> 4], -1).reshape(N, K).float() - 8
    torch.testing.assert_close(c, a.float() @ codes.T, rtol=1e-3, atol=1e-2)


def epilogue(M, N, K, kind, bm=128, bn=128, group=32):
    """A product whose block does something with its tile: what `kind` says."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), "float16"), B: T.Tensor((N, K), "float16"), bias: T.Tensor((N,), "float32"),
        scale: T.Tensor((N // group,), "float32"), sums: T.Tensor((M, N // bn), "float32"), C: T.Tensor((M, N), "float32"),
    ):  # fmt: skip
        with T.Kernel(N // bn, M // bm, threads=128) as (bx, by):
            As = T.alloc_shared((bm, 64), "float16")
            Bs = T.alloc_shared((bn, 64), "float16")
            Cs = T.alloc_shared((bm, bn), "float32")
            Cl = T.alloc_fragment((bm, bn), "float32")
            one = T.alloc_fragment((bn,), "float32")
            rows = T.alloc_fragment((bm,), "float32")
            column = bx * bn
            T.clear(Cl)
            for k in T.Pipelined(K // 64, num_stages=2):
                T.copy(A[by * bm, k * 64], As)
                T.copy(B[column, k * 64], Bs)
                T.gemm(As, Bs, Cl, transpose_B=True)
            if kind == "bias":
                T.copy(bias[column : column + bn], one)
                for i, j in T.Parallel(bm, bn):
                    Cl[i, j] = T.max(Cl[i, j] + one[j], 0.0)
            elif kind == "bias by element":
                for i, j in T.Parallel(bm, bn):
                    Cl[i, j] += bias[bx * bn + j]
            elif kind == "groups":
                for i, j in T.Parallel(bm, bn):
                    Cl[i, j] *= scale[(column + j) // group]
            elif kind == "triangle":
                for i, j in T.Parallel(bm, bn):
                    Cl[i, j] = T.if_then_else(by * bm + i >= bx * bn + j, Cl[i, j], bias[column + j])
            elif kind == "sum of rows":  # of a tile: not the sum over two
                T.reduce_sum(Cl, rows, dim=1)
                T.copy(rows, sums[by * bm : by * bm + bm, bx])
            elif kind == "the tile's number":
                for i, j in T.Parallel(bm, bn):
                    Cl[i, j] += bx
            elif kind == "one scale for a tile":
                for i, j in T.Parallel(bm, bn):
                    Cl[i, j] *= scale[bx]
            elif kind == "place in the tile":
                for i, j in T.Parallel(bm, bn):
                    Cl[i, j] += j
            elif kind == "half of the tile":
                T.clear(Cl[:, 0:64])
            elif kind == "neighbour":
                for i, j in T.Parallel(bm, bn):
                    Cl[i, j] += bias[T.min(bx * bn + j + 1, bx * bn + bn - 1)]
            elif kind == "last column wins":
                for i, j in T.Parallel(bm, bn):
                    if j == bn - 1:
                        rows[i] = Cl[i, j]
                for i, j in T.Parallel(bm, bn):
                    Cl[i, j] += rows[i]
            elif kind == "each thread's own":
                for i, j in T.Parallel(bm, bn):
                    Cl[i, j] += T.cast(T.get_lane_idx() // 64, "float32")
            elif kind == "atomic":
                T.atomic_add(sums[by * bm, bx], 1.0)
            T.copy(Cl, Cs)
            T.copy(Cs, C[by * bm, column])

    return main


WANTED = {
    "bias": lambda c, bias, scale: (c + bias).relu(),
    "bias by element": lambda c, bias, scale: c + bias,
    "groups": lambda c, bias, scale: c * scale.repeat_interleave(32),
    "triangle": lambda c, bias, scale: torch.where(torch.ones_like(c, dtype=torch.bool).tril(), c, bias),
}


def columns(c):
    return torch.arange(c.shape[1])


OTHERS = {
    "sum of rows": lambda c, bias, scale: c,
    "the tile's number": lambda c, bias, scale: c + columns(c) // 128,
    "one scale for a tile": lambda c, bias, scale: c * scale[columns(c) // 128],
    "place in the tile": lambda c, bias, scale: c + columns(c) % 128,
    "half of the tile": lambda c, bias, scale: c * (columns(c) % 128 >= 64),
    "neighbour": lambda c, bias, scale: c + bias[(columns(c) // 128 * 128 + 127).minimum(columns(c) + 1)],
    "last column wins": lambda c, bias, scale: c + c[:, 127::128].repeat_interleave(128, 1),
    "each thread's own": lambda c, bias, scale: c,
    "atomic": lambda c, bias, scale: c,
}


@pytest.mark.parametrize(
    "size, multiprocessors, both_axes, rows_alone",
    [(512, 4, ["128", "256"], ["256", "128"]), (256, 16, ["64", "64"], ["64", "128"])],
)
@pytest.mark.parametrize("kind", [*WANTED, *OTHERS])
def test_epilogues(kind, size, multiprocessors, both_axes, rows_alone):
    """Longer tiles for a large product, shorter ones for a small one, by the axes along which neighbours are one tile."""
    M, N, K = size, size, 128
    a, b, bias = torch.randn(M, K).half(), torch.randn(N, K).half(), torch.randn(N)
    scale, sums = torch.randn(N // 32), torch.zeros(M, N // 128)
    kernel, c = both(epilogue(M, N, K, kind), (a, b, bias, scale, sums), (M, N), torch.float32, multiprocessors)
    wanted = (WANTED | OTHERS)[kind](a.float() @ b.float().T, bias, scale)
    shapes = [r.text.split(", ")[1].split(" x ")[:2] for r in kernel.remarks if r.rule == "tile"]
    # What the others do with their columns keeps those apart, but for two all rows of a longer tile.
    assert shapes == (
        [both_axes] if kind in WANTED else [] if kind in ("sum of rows", "each thread's own", "atomic") else [rows_alone]
    )
    torch.testing.assert_close(c, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "rows, columns, multiprocessors, times",
    [
        (3, 3, 4, 1), (2, 2, 4, 1), (5, 8, 4, 2), (8, 5, 4, 2), (2, 2, 8, 0.5), (2, 2, 16, 0.25), (2, 3, 132, 0.25),
        (1, 2, 4, 0.5), (2, 1, 16, 0.25), (1, 1, 16, 0.25),  # also along an axis of one tile
    ],
)  # fmt: skip
def test_multiprocessors_have_work(rows, columns, multiprocessors, times):
    """Longer tiles only where four of them have one, and no block a part of its tiles; shorter ones where they have none."""
    M, N, K = 128 * rows, 128 * columns, 128
    a, b = torch.randn(M, K).half(), torch.randn(N, K).half()
    kernel, c = both(product(M, N, K, 128, 128, 64, 128), (a, b), (M, N), torch.float32, multiprocessors)
    assert tiles(kernel) == times
    torch.testing.assert_close(c, a.float() @ b.float().T, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "M, N, bm, bn, threads, multiprocessors, shape",
    [
        (16, 512, 128, 128, 128, 4, "64 x 128"),  # as few rows as an instruction has
        (33, 520, 128, 256, 256, 3, "64 x 256"),
        (300, 16, 128, 128, 128, 3, "128 x 16"),
        (5, 24, 128, 128, 128, 4, "64 x 32"),  # both
        (65, 512, 128, 128, 128, 4, None),  # more than half of the rows are there
        (16, 512, 64, 128, 128, 4, None),
    ],
)
@pytest.mark.parametrize("tb", [True, False])
def test_the_only_tile_along_an_axis_is_no_longer_than_the_tensors(M, N, bm, bn, threads, multiprocessors, shape, tb):
    K = 200
    a, b = torch.randn(M, K).half(), torch.randn(N, K).half()
    inputs = a, b if tb else b.T.contiguous()
    kernel, c = both(product(M, N, K, bm, bn, 64, threads, tb=tb), inputs, (M, N), torch.float32, multiprocessors)
    found = [r.text.split(" of ")[1].rpartition(" x ")[0] for r in kernel.remarks if r.text.startswith("tiles of")]
    assert found[-1:] == ([] if shape is None else [shape])
    torch.testing.assert_close(c, a.float() @ b.float().T, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["plain", "max", "bias", "rows of one tensor only"])
def test_what_else_is_done_with_the_only_tile(kind):
    """Rows beyond the tensors may be left out only where nothing but copies and the tile itself sees them."""
    M, N, K = 16, 512, 192

    @T.prim_func
    def main(
        A: T.Tensor((M, K), "float16"), B: T.Tensor((N, K), "float16"), bias: T.Tensor((128,), "float32"),
        C: T.Tensor((128 if kind == "rows of one tensor only" else M, N), "float32"),
    ):  # fmt: skip
        with T.Kernel(T.ceildiv(N, 128), 1, threads=128) as (bx, by):
            As, Bs = T.alloc_shared((128, 64), "float16"), T.alloc_shared((128, 64), "float16")
            Cl = T.alloc_fragment((128, 128), "float32")
            T.clear(Cl)
            for k in T.Pipelined(T.ceildiv(K, 64), num_stages=2):
                T.copy(A[by * 128, k * 64], As)
                T.copy(B[bx * 128, k * 64], Bs)
                T.gemm(As, Bs, Cl, transpose_B=True)
            if kind == "max":
                for i, j in T.Parallel(128, 128):
                    Cl[i, j] = T.max(Cl[i, j], 0.0)
            if kind == "bias":
                for i, j in T.Parallel(128, 128):
                    Cl[i, j] += bias[i]
            T.copy(Cl, C[by * 128, bx * 128])

    a, b, bias = torch.randn(M, K).half(), torch.randn(N, K).half(), torch.randn(128)
    rows = 128 if kind == "rows of one tensor only" else M
    kernel, c = both(main, (a, b, bias), (rows, N), torch.float32)
    cut = [r for r in kernel.remarks if r.text.startswith("tiles of")]
    assert bool(cut) is (kind in ("plain", "max"))
    wanted = torch.zeros(rows, N)
    wanted[:M] = a.float() @ b.float().T
    wanted = wanted.clamp(min=0) if kind == "max" else wanted + bias[:M, None] if kind == "bias" else wanted
    torch.testing.assert_close(c, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "bk, steps, tb, dtype, configs, step",
    [
        (32, 6, True, "float16", {}, 64),
        (32, 6, False, "bfloat16", {}, 64),
        (16, 8, True, "float16", {}, 64),
        (64, 4, True, "float8_e4m3", {}, 128),
        (128, 3, True, "float16", {}, 64),  # a ring of three slots becomes one of more
        (128, 3, False, "float16", {}, 64),
        (32, 5, True, "float16", {}, None),  # no whole number of longer steps
        (32, 6, True, "float16", {"tl.exact_num_stages": True}, None),
        (64, 3, True, "float16", {}, None),
        (48, 4, True, "float16", {}, None),
    ],
)
def test_steps_are_rows_of_a_swizzle(bk, steps, tb, dtype, configs, step):
    M, N, K = 1000, 1024, bk * steps
    torch_type = getattr(torch, "float8_e4m3fn" if dtype == "float8_e4m3" else dtype)
    a, b = torch.randn(M, K).to(torch_type), torch.randn(N, K).to(torch_type)
    program, inputs = product(M, N, K, 128, 128, bk, 128, dtype, tb), (a, b if tb else b.T.contiguous())
    kernel, c = both(program, inputs, (M, N), torch.float32)
    torch.testing.assert_close(c, a.float() @ b.float().T, rtol=1e-3, atol=1e-2)
    kernel = compiled(program, configs)
    assert [r.values["step"] for r in kernel.remarks if r.rule == "step"] == ([] if step is None else [step])
    out = torch.full((M, N), float("nan"))
    kernel(*inputs, out)
    assert torch.equal(out, c)


def test_steps_that_are_more_than_a_place_stay():
    """A step whose number is used for something else, and a tile that is used behind the loop."""

    def program(kind):
        @T.prim_func
        def main(A: T.Tensor((512, 192), "float16"), B: T.Tensor((512, 192), "float16"), C: T.Tensor((512, 512), "float32")):
            with T.Kernel(4, 4, threads=128) as (bx, by):
                As = T.alloc_shared((128, 32), "float16")
                Bs = T.alloc_shared((128, 32), "float16")
                Cl = T.alloc_fragment((128, 128), "float32")
                T.clear(Cl)
                for k in T.Pipelined(6, num_stages=2):
                    T.copy(A[by * 128, (k ^ 1) * 32 if kind == "order" else k * 32], As)
                    T.copy(B[bx * 128, (k ^ 1) * 32 if kind == "order" else k * 32], Bs)
                    T.gemm(As, Bs, Cl, transpose_B=True)
                if kind == "behind":
                    for i, j in T.Parallel(128, 32):
                        Cl[i, j] += As[i, j]
                T.copy(Cl, C[by * 128, bx * 128])

        return main

    a, b = torch.randn(512, 192).half(), torch.randn(512, 192).half()
    for kind in ("order", "behind"):
        kernel, c = both(program(kind), (a, b), (512, 512), torch.float32)
        assert not [r for r in kernel.remarks if r.rule == "step"]
        wanted = a.float() @ b.float().T
        if kind == "behind":
            wanted.view(512, 4, 128)[:, :, :32] += a[:, 160:].float()[:, None]
        torch.testing.assert_close(c, wanted, rtol=1e-3, atol=1e-2)


def test_rows_that_belong_to_experts():
    """Which expert a tile of rows belongs to is found in a table; along its columns, tiles are one longer tile."""
    sizes, K, N, bm = (256, 128, 384), 192, 1024, 128
    offsets = [sum(sizes[:i]) for i in range(len(sizes))]

    @T.prim_func
    def main(
        A: T.Tensor((sum(sizes), K), "float16"), B: T.Tensor((len(sizes), K, N), "float16"),
        first: T.Tensor((len(sizes),), "int32"), C: T.Tensor((sum(sizes), N), "float32"),
    ):  # fmt: skip
        with T.Kernel(sum(sizes) // bm, T.ceildiv(N, 128), threads=128) as (bx, by):
            As, Bs = T.alloc_shared((bm, 64), "float16"), T.alloc_shared((64, 128), "float16")
            Cl = T.alloc_fragment((bm, 128), "float32")
            expert = T.alloc_var("int32")
            for i in range(len(sizes)):
                expert = T.if_then_else(bx * bm >= first[i], i, expert)
            T.clear(Cl)
            for k in T.Pipelined(K // 64, num_stages=2):
                T.copy(A[bx * bm, k * 64], As)
                T.copy(B[expert, k * 64, by * 128], Bs)
                T.gemm(As, Bs, Cl)
            T.copy(Cl, C[bx * bm, by * 128])

    a, b = torch.randn(sum(sizes), K).half(), torch.randn(len(sizes), K, N).half()
    kernel, c = both(main, (a, b, torch.tensor(offsets, dtype=torch.int32)), (sum(sizes), N), torch.float32)
    assert tiles(kernel) == 2
    wanted = torch.cat([rows.float() @ weights.float() for rows, weights in zip(a.split(list(sizes)), b)])
    torch.testing.assert_close(c, wanted, rtol=1e-3, atol=1e-3)
