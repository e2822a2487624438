"""Reducers: contributions from any iteration, several nests and epochs, the older form, misuse."""

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random
from tilelang.errors import DTypeError, SemanticError


def rows(M, N, op, dtype, scope, threads=128):
    """Row and column results of one tile, in one nest, over several steps."""
    steps = 3

    @T.prim_func
    def main(A: T.Tensor((M, N * steps), dtype), R: T.Tensor((M,), dtype), C: T.Tensor((N,), dtype)):
        with T.Kernel(1, threads=threads):
            x = T.alloc_shared((M, N), dtype) if scope == "shared" else T.alloc_fragment((M, N), dtype)
            row = T.alloc_reducer((M,), dtype, op=op)
            column = T.alloc_reducer((N,), dtype, op=op)
            result = T.alloc_fragment((N,), dtype)
            T.reducer_init(row)
            T.reducer_init(column, 3)
            for k in T.serial(steps):
                T.copy(A[0, k * N], x)
                for i, j in T.Parallel(M, N):
                    T.reducer_update(row[i], x[i, j])
                    T.reducer_update(column[j], x[i, j])
            T.finalize_reducer(row)
            T.finalize_reducer(column, result)
            T.copy(row, R)
            T.copy(result, C)

    return main


@pytest.mark.parametrize(
    "M, N, op, dtype, scope, threads",
    [
        (64, 32, "sum", "float32", "fragment", 128),
        (48, 80, "max", "float32", "shared", 96),
        (7, 130, "min", "int32", "fragment", 64),
        (16, 16, "bitxor", "uint32", "shared", 128),
    ],
)
def test_rows_and_columns(M, N, op, dtype, scope, threads, device):
    a = random((M, 3 * N), dtype, device) if dtype != "int32" else random((M, 3 * N), dtype, device, -99, 99)
    r, c = run(rows(M, N, op, dtype, scope, threads), [a], ((M,), dtype), ((N,), dtype), device=device)
    stacked = torch.cat([a[:, k * N : (k + 1) * N] for k in range(3)])
    if op == "bitxor":
        rows_, columns = a.cpu().view(torch.int32), stacked.cpu().view(torch.int32)
        want_r, want_c = torch.zeros(M, dtype=torch.int32), torch.full((N,), 3, dtype=torch.int32)
        for x in rows_.T:
            want_r ^= x
        for x in columns:
            want_c ^= x
        assert torch.equal(r.cpu().view(torch.int32), want_r) and torch.equal(c.cpu().view(torch.int32), want_c)
        return
    if op == "sum":
        x, y = a.double(), stacked.double()
        assert_close(r, x.sum(1), terms=3 * N, scale=x.abs().sum(1))
        assert_close(c, y.sum(0) + 3, terms=3 * M, scale=y.abs().sum(0) + 3)
        return
    pick = torch.Tensor.amax if op == "max" else torch.Tensor.amin
    bound = torch.maximum if op == "max" else torch.minimum
    assert_close(r, pick(a, 1))
    assert_close(c, bound(pick(stacked, 0), torch.full_like(c, 3)))


def test_two_nests_two_epochs_and_scalars(device):
    @T.prim_func
    def main(A: T.Tensor((32, 64), "float32"), B: T.Tensor((64,), "float32"), O: T.Tensor((3, 64), "float32")):
        with T.Kernel(1, threads=64):
            acc = T.alloc_reducer((64,), "float32")
            for epoch in T.serial(2):
                T.reducer_init(acc)
                for i, j in T.Parallel(32, 64):
                    if i > j + epoch:
                        T.reducer_update(acc[j], A[i, j])
                for j in T.Parallel(64):
                    T.reducer_update(acc[j], B[j] * 2.0)
                T.finalize_reducer(acc, O[epoch, :])
            total = T.alloc_reducer((1,), "float32")
            T.reducer_init(total)
            T.reducer_update(total[0], 5.0)
            for j in T.Parallel(64):
                T.reducer_update(total[0], B[j])
            T.finalize_reducer(total)
            for j in T.Parallel(64):
                O[2, j] = total[0]

    a, b = random((32, 64), "float32", device), random(64, "float32", device)
    out = run(main, [a, b], ((3, 64), "float32"), device=device)
    i, j = torch.arange(32, device=device)[:, None], torch.arange(64, device=device)[None, :]
    x, y = a.double(), b.double()
    want = [torch.where(i > j + e, x, 0).sum(0) + 2 * y for e in range(2)] + [(5 + y.sum()).expand(64)]
    assert_close(out, torch.stack(want), terms=70, scale=torch.full((3, 64), 80.0))


def test_older_form(device):
    """Fill, `acc[i] op= value` in T.Parallel, finalize in place."""

    @T.prim_func
    def main(A: T.Tensor((16, 96), "float16"), O: T.Tensor((16,), "float32"), P: T.Tensor((16,), "float32")):
        with T.Kernel(1, threads=128):
            x = T.alloc_fragment((16, 96), "float16")
            acc = T.alloc_reducer(16, "float32", op="sum", replication="all")
            top = T.alloc_reducer((16,), "float32", op="max", replication="none")
            T.copy(A, x)
            T.clear(acc)
            T.fill(top, -T.infinity("float32"))
            for i, j in T.Parallel(16, 96):
                acc[i] += x[i, j] * x[i, j]
                top[i] = T.max(top[i], x[i, j])
            T.finalize_reducer(acc)
            T.finalize_reducer(top)
            T.copy(acc, O)
            T.copy(top, P)

    a = random((16, 96), "float16", device)
    squares, top = run(main, [a], ((16,), "float32"), ((16,), "float32"), device=device)
    x = a.double() ** 2
    assert_close(squares, x.sum(1), terms=96, scale=x.sum(1), arithmetic="float16")
    assert_close(top, a.double().amax(1))


@pytest.mark.parametrize(
    "statement, kind, part",
    [
        (lambda acc, x: T.reducer_update(acc[0], 1.0), SemanticError, "outside an epoch"),
        (lambda acc, x: (T.reducer_init(acc), T.reducer_update(acc[0], 1.0)), SemanticError, "never finalized"),
        (lambda acc, x: (T.reducer_init(acc), T.copy(acc, x)), SemanticError, "read before it is finalized"),
        (lambda acc, x: T.reducer_init(x), DTypeError, "is no reducer"),
        (lambda acc, x: T.reducer_update(acc, 1.0), SemanticError, "index one element"),
        (lambda acc, x: acc.__setitem__(0, 2.0), SemanticError, "does not combine acc[0] by sum"),
        (lambda acc, x: T.alloc_reducer((4,), "float32", op="mul"), SemanticError, "op='mul'"),
        (lambda acc, x: T.alloc_reducer((4,), "float32", op="bitor"), DTypeError, "bit operations take integers"),
        (lambda acc, x: T.alloc_reducer((4,), "float32", replication="half"), SemanticError, "replication='half'"),
    ],
)
def test_refusals(statement, kind, part):
    from tilelang.engine import compile_prim_func
    from tilelang.target import Target

    @T.prim_func
    def main(G: T.Tensor((8,), "float32")):
        with T.Kernel(1):
            acc = T.alloc_reducer((8,), "float32")
            x = T.alloc_fragment((8,), "float32")
            statement(acc, x)

    with pytest.raises(kind) as caught:
        compile_prim_func(main.get(), Target("cuda", "sm_90a"))
    assert part in str(caught.value)
