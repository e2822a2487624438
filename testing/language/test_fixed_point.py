"""T.q_multiply_shift and its form by channel, against exact integers of Python."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from tilelang.errors import DTypeError, SemanticError

COUNT = 128


def drawn(device, low, high, count=COUNT):
    return torch.randint(low, high, (count,), dtype=torch.int32, device=device)


def rounded(x, y, total):
    """round(x * y * 2**-total), halves up."""
    return torch.tensor([(a * b + (1 << total - 1)) >> total for a, b in zip(x.tolist(), y.tolist())], dtype=torch.int32)


def scaled(q, s):
    @T.prim_func
    def main(X: T.Tensor((COUNT,), "int32"), Y: T.Tensor((COUNT,), "int32"), Z: T.Tensor((COUNT,), "int32")):
        with T.Kernel(1, threads=COUNT):
            for i in T.Parallel(COUNT):
                Z[i] = T.q_multiply_shift(X[i], Y[i], q, s)

    return main


@pytest.mark.parametrize("q, s", [(31, 0), (31, 5), (15, 3), (1, 0), (20, -4)])
def test_one_shift(q, s, device):
    bits = max(1, 62 - 31 - max(0, 31 - q - s))
    x, y = drawn(device, -(2**31), 2**31 - 1), drawn(device, -(2 ** min(31, bits)), 2 ** min(31, bits) - 1)
    if q + s < 31:  # results of 32 bits
        x = x >> (31 - q - s)
    x[:4] = torch.tensor([1, -1, 3, -3])  # products of one half
    y[:4] = 1 << min(30, q + s - 1) if q + s > 1 else 1
    out = run(scaled(q, s), [x, y], ((COUNT,), "int32"), device=device)
    assert torch.equal(out.cpu(), rounded(x, y, q + s))


@T.prim_func
def by_channel(
    X: T.Tensor((2, COUNT), "int32"),
    Y: T.Tensor((2,), "int32"),
    S: T.Tensor((2, 2), "int32"),
    Z: T.Tensor((3, 2, COUNT), "int32"),
):
    with T.Kernel(1, threads=COUNT):
        for c, i in T.Parallel(2, COUNT):
            Z[0, c, i] = T.q_multiply_shift_per_axis(X[c, i], Y[c], S[0, c], S[1, c], 31, True, True)
            Z[1, c, i] = T.q_multiply_shift_per_axis(X[c, i], Y[c], S[0, c], S[1, c], 31, False, True)
            Z[2, c, i] = T.q_multiply_shift_per_axis(X[c, i], Y[c], S[0, c], S[1, c], 31, True, False)


def test_shifts_of_channels(device):
    x = drawn(device, -(2**20), 2**20, 2 * COUNT).view(2, COUNT)
    y, s = drawn(device, 2**30, 2**31 - 1, 2), torch.tensor([[3, 7], [2, 9]], dtype=torch.int32, device=device)
    out = run(by_channel, [x, y, s], ((3, 2, COUNT), "int32"), device=device).cpu()
    for way, (left, right) in enumerate(((True, True), (False, True), (True, False))):
        for c in range(2):
            shifted = x[c] << s[0, c] * left
            assert torch.equal(out[way, c], rounded(shifted, y[c].expand(COUNT), 31 + int(s[1, c]) * right))


@pytest.mark.parametrize(
    "statement, error, words",
    [
        (lambda A: T.q_multiply_shift(A[0], 3.0, 31, 0), DTypeError, "y of T.q_multiply_shift is float32"),
        (lambda A: T.q_multiply_shift(A[0], A[1], 0, 3), SemanticError, "q=0"),
        (lambda A: T.q_multiply_shift(A[0], A[1], 31, 40), SemanticError, "71 bits"),
        (lambda A: T.q_multiply_shift_per_axis(A[0], A[1], 0, 1, 31, 2, True), SemanticError, "is_lshift_required=2"),
        (lambda A: T.q_multiply_shift_per_axis(A[0], A[1], 0, 40, 31, False, True), SemanticError, "71 bits"),
    ],
)
def test_misuse(statement, error, words):
    @T.prim_func
    def main(A: T.Tensor((8,), "int32")):
        with T.Kernel(1, threads=32):
            statement(A)

    with pytest.raises(error, match=words):
        main.get()
