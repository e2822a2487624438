"""The table of <tl/xorwow_jumps.h>: how the state of XORWOW moves many steps at once.

The five words of the state are 160 bits, and a step is a linear map T of them over GF(2). T^n is a polynomial in T of degree
below 160: x^n modulo the characteristic polynomial of T, which Berlekamp and Massey's algorithm finds from the bits of one word.

python -m testing.language.xorwow_table    writes the header
"""

from __future__ import annotations

from pathlib import Path

HEADER = Path(__file__).parents[2] / "src" / "device" / "tl" / "xorwow_jumps.h"
MASK = 0xFFFFFFFF
SEQUENCE = 67  # a sequence is 2^67 numbers long
STEPS, SEQUENCES = 64, 48


def step(state: list[int]) -> list[int]:
    """The state after one step, without the counter (Marsaglia, "Xorshift RNGs", 2003, section 3.1)."""
    x, y, z, w, v = state
    t = x ^ (x >> 2)
    return [y, z, w, v, (v ^ (v << 4 & MASK)) ^ (t ^ (t << 1 & MASK))]


def characteristic() -> int:
    """The characteristic polynomial of T; bit i is the coefficient of x^i."""
    state, bits = [1, 2, 3, 4, 5], []
    for _ in range(400):
        bits.append(state[0] & 1)
        state = step(state)
    current, previous, length, gap = 1, 1, 0, 1
    for n, _bit in enumerate(bits):
        discrepancy = 0
        for i in range(length + 1):
            discrepancy ^= (current >> i & 1) & bits[n - i]
        if not discrepancy:
            gap += 1
        elif 2 * length <= n:
            current, previous, length, gap = current ^ previous << gap, current, n + 1 - length, 1
        else:
            current ^= previous << gap
            gap += 1
    assert length == 160
    return sum((current >> i & 1) << (length - i) for i in range(length + 1))


def reduced(polynomial: int, modulus: int) -> int:
    while polynomial.bit_length() > 160:
        polynomial ^= modulus << (polynomial.bit_length() - 161)
    return polynomial


def squared(polynomial: int, modulus: int) -> int:
    spread = sum(1 << 2 * i for i in range(160) if polynomial >> i & 1)
    return reduced(spread, modulus)


def table() -> tuple[list[int], list[int]]:
    """x^(2^k) for k of steps, and x^(2^(67 + k)) for those of sequences."""
    modulus, power, powers = characteristic(), 2, []
    for _ in range(max(STEPS, SEQUENCE + SEQUENCES)):
        powers.append(power)
        power = squared(power, modulus)
    return powers[:STEPS], powers[SEQUENCE : SEQUENCE + SEQUENCES]


def jumped(state: list[int], polynomial: int) -> list[int]:
    """The state moved as `polynomial` in T says."""
    out = [0] * 5
    for i in range(160):
        if polynomial >> i & 1:
            out = [a ^ b for a, b in zip(out, state)]
        state = step(state)
    return out


def text() -> str:
    def rows(powers: list[int]) -> str:
        return "\n".join("    {" + ", ".join(f"0x{p >> 32 * k & MASK:08x}u" for k in range(5)) + "}," for p in powers)

    steps, sequences = table()
    return f"""// Made by testing/language/xorwow_table.py: x^(2^k), and x^(2^({SEQUENCE} + k)).
// All modulo the characteristic polynomial of a step of XORWOW over GF(2); word i holds the coefficients of x^(32 i) and up.
#pragma once
#include <tl/backend.h>

namespace tl::detail {{

TL_FUNC const uint32_t* xorwow_steps(int k) {{
  static constexpr uint32_t table[{STEPS}][5] = {{
{rows(steps)}
  }};
  return table[k];
}}

TL_FUNC const uint32_t* xorwow_sequences(int k) {{
  static constexpr uint32_t table[{SEQUENCES}][5] = {{
{rows(sequences)}
  }};
  return table[k];
}}

}}  // namespace tl::detail
"""


if __name__ == "__main__":
    HEADER.write_text(text())
