"""How far the elementary functions of src/cpu/tl/elementary.h are from the truth, in units in the last place.

    python -m testing.cpu.ulp [--step 1] [--flags=-mno-fma] [exp tanh ...]

With a step of 1 every float is tried: about half a minute of processor time a function. The reference is the C library's double.
"""

from __future__ import annotations

import argparse
import ctypes
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tilelang.toolchain.host import compile_cpu_kernel

FUNCTIONS = ("exp", "exp2", "exp10", "log", "log2", "log10", "tanh", "erf")
FLOATS = 2**32
_STRIP = 4096

# Infinity counts as the power of two after the largest float, and so does every reference beyond it.
_HEAD = """
#include <tl/core.h>
#include <tl/math.h>
static double bounded(double x) { return __builtin_copysign(__builtin_fmin(__builtin_fabs(x), 0x1p128), x); }
static double units(float got, double want) {
  if (want != want || got != got) return (want != want) == (got != got) ? 0 : __builtin_inf();
  int exponent;
  __builtin_frexp(bounded(want), &exponent);
  return __builtin_fabs(bounded(got) - bounded(want)) / __builtin_ldexp(1.0, (exponent < -125 ? -125 : exponent) - 24);
}
"""
_FUNCTION = """
extern "C" __attribute__((visibility("default"))) double worst_{name}(uint64_t begin, uint64_t end, uint64_t step, float* at) {{
  static thread_local float x[{strip}], y[{strip}];
  double worst = 0;
  while (begin < end) {{
    int count = 0;
    for (; count < {strip} && begin < end; begin += step) x[count++] = tl::reinterpret<float>(static_cast<uint32_t>(begin));
    for (int i = count; i < {strip}; ++i) x[i] = 0;
#pragma omp simd
    for (int i = 0; i < {strip}; ++i) y[i] = tl::{name}(x[i]);
    for (int i = 0; i < count; ++i) {{
      const double off = units(y[i], ::{name}(static_cast<double>(x[i])));
      if (off > worst) worst = off, *at = x[i];
    }}
  }}
  return worst;
}}
"""


@contextmanager
def measure(functions: Sequence[str] = FUNCTIONS, flags: Sequence[str] = ()) -> Iterator[ctypes.CDLL]:
    """A library with `worst_<function>`; use `worst` to call it."""
    text = _HEAD + "".join(_FUNCTION.format(name=name, strip=_STRIP) for name in functions)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ulp.so")
        path.write_bytes(compile_cpu_kernel(text, options=flags))
        yield ctypes.CDLL(str(path))


def worst(library: ctypes.CDLL, name: str, begin: int = 0, end: int = FLOATS, step: int = 1) -> tuple[float, float]:
    """(largest error in units in the last place, where) over the floats with bits `begin`, `begin + step`, ... below `end`."""
    function = getattr(library, f"worst_{name}")
    function.argtypes, function.restype = (ctypes.c_uint64,) * 3 + (ctypes.c_void_p,), ctypes.c_double
    at = ctypes.c_float()
    return function(begin, end, step, ctypes.addressof(at)), at.value


def main() -> None:
    """Print the largest error of each function."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("functions", nargs="*", default=FUNCTIONS)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--flags", default="", help="for the compiler")
    options = parser.parse_args()
    with measure(options.functions, options.flags.split()) as library:
        for name in options.functions:
            units, at = worst(library, name, step=options.step)
            print(f"{name:6s} {units:.3f} units in the last place, at {at!r}", flush=True)


if __name__ == "__main__":
    main()
