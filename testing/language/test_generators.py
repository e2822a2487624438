"""XORWOW and MRG32k3a: numbers against references in Python integers, streams far apart, distributions."""

import math

import numpy as np
import pytest
import torch

import tilelang.language as T
from testing.language import xorwow_table
from testing.programs.launch import run

XORWOW, MRG = "curandStateXORWOW_t", "curandStateMRG32k3a_t"
M1, M2 = 4294967087, 4294944443


def words(generator, seed, offset, count):
    @T.prim_func
    def main(O: T.Tensor((count, 64), "uint32")):
        with T.Kernel(2, threads=32) as bx:
            t = bx * 32 + T.get_thread_binding()
            T.rng_init(seed, t, offset, generator)
            for k in T.serial(count):
                O[k, t] = T.rng_rand()

    return main


class Xorwow:
    def __init__(self, seed, sequence, offset):
        low = 1099087573 * ((seed & xorwow_table.MASK) ^ 0xAAD26B49) & xorwow_table.MASK
        high = 2591861531 * ((seed >> 32) ^ 0xF7DCEFDD) & xorwow_table.MASK
        state = [123456789 + low, 362436069 ^ low, 521288629 + high, 88675123 ^ high, 5783321 + low]
        self.state, self.counter = [x & xorwow_table.MASK for x in state], 6615241 + high + low
        modulus = xorwow_table.characteristic()
        for count, bits in ((sequence, 67), (offset, 0)):
            power = 2
            for _ in range(bits):
                power = xorwow_table.squared(power, modulus)
            while count:
                if count & 1:
                    self.state = xorwow_table.jumped(self.state, power)
                power, count = xorwow_table.squared(power, modulus), count >> 1
        self.counter += 362437 * offset

    def __call__(self):
        self.state = xorwow_table.step(self.state)
        self.counter = (self.counter + 362437) & xorwow_table.MASK
        return (self.counter + self.state[4]) & xorwow_table.MASK


class Mrg:
    def __init__(self, seed, sequence, offset):
        low, high = (seed & 0xFFFFFFFF) ^ 0x55555555, (seed >> 32) ^ 0xAAAAAAAA
        scale = [(low, high, low), (high, low, high)] if seed else [(1, 1, 1)] * 2
        a = np.array([[0, 1, 0], [0, 0, 1], [-810728, 1403580, 0]], dtype=object)
        b = np.array([[0, 1, 0], [0, 0, 1], [-1370589, 0, 527612]], dtype=object)
        self.p, self.q = (
            self.moved(matrix, m, (sequence << 76) + offset, [12345 * x % m for x in by])
            for matrix, m, by in zip((a, b), (M1, M2), scale)
        )

    @staticmethod
    def moved(matrix, m, count, state):
        state = np.array(state, dtype=object)
        while count:
            if count & 1:
                state = matrix.dot(state) % m
            matrix, count = matrix.dot(matrix) % m, count >> 1
        return list(state)

    def number(self):
        p, q = (1403580 * self.p[1] - 810728 * self.p[0]) % M1, (527612 * self.q[2] - 1370589 * self.q[0]) % M2
        self.p, self.q = [*self.p[1:], p], [*self.q[1:], q]
        return p - q if p > q else p - q + M1

    def __call__(self):
        return int(self.number() * 1.000000048662)


@pytest.mark.parametrize("generator, reference", [(XORWOW, Xorwow), (MRG, Mrg)])
@pytest.mark.parametrize("seed, offset", [(1234, 0), (0x123456789ABCDEF, 37)])
def test_words(generator, reference, seed, offset, device):
    out = (
        run(words(generator, seed, offset, 4), [], ((4, 64), "uint32"), device=device).cpu().view(torch.int32).long() & 0xFFFFFFFF
    )
    for t in (0, 1, 2, 31, 32, 63):
        stream = reference(seed, t, offset)
        assert out[:, t].tolist() == [stream() for _ in range(4)], t


def test_the_first_numbers_of_mrg32k3a():
    """L'Ecuyer's own: all six words 12345 give 0.1270111..., 0.3185275..."""
    stream = Mrg(0, 0, 0)
    assert [round(stream.number() / (M1 + 1), 9) for _ in range(2)] == [0.127011122, 0.318527565]


def test_the_table_of_jumps():
    assert xorwow_table.HEADER.read_text() == xorwow_table.text()
    steps, _ = xorwow_table.table()
    state = [1, 20, 300, 4000, 50000]
    after = state
    for _ in range(1 << 9):
        after = xorwow_table.step(after)
    assert xorwow_table.jumped(state, steps[9]) == after


def floats(generator, n):
    @T.prim_func
    def main(U: T.Tensor((4, n), "float64")):
        with T.Kernel(T.ceildiv(n, 64), threads=64) as bx:
            i = bx * 64 + T.get_thread_binding()
            T.rng_init(7, generator=generator)
            U[0, i] = T.rng_rand_float()
            U[1, i] = T.rng_rand_float(bit=64)
            U[2, i] = T.rng_rand_float(dist="normal")
            U[3, i] = T.rng_rand_float(bit=64, dist="normal")

    return main


@pytest.mark.parametrize("generator", [XORWOW, MRG])
def test_distributions(generator, device):
    n = 4096
    out = run(floats(generator, n), [], ((4, n), "float64"), device=device).cpu().numpy()
    normal = np.vectorize(lambda x: (1 + math.erf(x / math.sqrt(2))) / 2)
    for row, values in enumerate((out[0], out[1], normal(out[2]), normal(out[3]))):
        assert values.min() > 0 and values.max() <= 1 and len(np.unique(values)) > n - 20, row
        gaps = np.abs(np.sort(values) - (np.arange(n) + 0.5) / n)
        assert gaps.max() < 2.2 / math.sqrt(n), row  # Kolmogorov and Smirnov: exceeded once in 8000
