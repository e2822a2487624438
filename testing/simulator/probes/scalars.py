"""Casts, arithmetic, atomics, shuffles, votes, reductions, loads and stores."""

# ruff: noqa: E501 - lines of kernel text
from __future__ import annotations

import numpy as np

from testing.simulator.formats import NARROW, hard_floats
from testing.simulator.probes.probe import CPP, Probe, dtype_of, kernel, random_values

_INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
_FLOATS = ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"]
_COUNT = 4096


def _hard(rng: np.random.Generator, name: str, count: int = _COUNT) -> np.ndarray:
    """Values that conversions find hard, of any type."""
    if name in ("float32", "float64"):
        with np.errstate(invalid="ignore"):
            values = [rng.choice(hard_floats(rng, fmt, 4096), count // len(NARROW)) for fmt in NARROW]
            return np.concatenate(values).astype(dtype_of(name))
    dtype = dtype_of(name)
    if name == "bool":
        return random_values(rng, name, count)
    return rng.integers(0, 256, count * dtype.itemsize, dtype=np.uint8).view(dtype)


def _elementwise(
    name: str, source: str, target: str, expression: str, *, operands: int = 1, headers=("math",), values=None, **options
) -> Probe:
    parameters = ", ".join([*(f"const {CPP[source]}* {v}" for v in "xyz"[:operands]), f"{CPP[target]}* out"])
    body = f"  const int i = blockIdx.x * 128 + threadIdx.x;\n  out[i] = {expression};"

    def make(rng):
        inputs = [values(rng) if values else _hard(rng, source) for _ in range(operands)]
        return [*inputs, np.zeros(_COUNT, dtype_of(target))]

    return Probe(
        name, kernel(name, parameters, body), tuple(headers), make, (operands,), grid=(_COUNT // 128,), block=128, **options
    )


def _casts() -> list[Probe]:
    probes = [
        _elementwise(f"cast_{a}_to_{b}", a, b, f"tl::cast<{CPP[b]}>(x[i])")
        for a in (*_FLOATS, *_INTEGERS, "bool") for b in (*_FLOATS, *_INTEGERS, "bool") if a != b
    ]  # fmt: skip
    for to in ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"):
        name, cpp = f"cast_array_float32_to_{to}", CPP[to]
        body = f"  const int i = (blockIdx.x * 128 + threadIdx.x) * 4;\n  alignas(16) float v[4];\n  alignas(16) {cpp} r[4];\n  tl::load<16>(v, x + i);\n  tl::cast_array<4>(r, v);\n  tl::store<{4 * dtype_of(to).itemsize}>(out + i, r);"
        text = kernel(name, f"const float* x, {cpp}* out", body)
        probes.append(
            Probe(
                name,
                text,
                ("math",),
                lambda rng, t=to: [_hard(rng, "float32"), np.zeros(_COUNT, dtype_of(t))],
                (1,),
                grid=(_COUNT // 512,),
                block=128,
            )
        )
    return probes


_EXACT = ("floor", "ceil", "round", "trunc", "nearbyint", "sqrt")
_APPROXIMATE = (
    "exp", "exp2", "exp10", "log", "log2", "log10", "log1p", "expm1", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan",
    "asinh", "acosh", "atanh", "erf", "rsqrt", "sigmoid", "fast_exp", "fast_exp2", "fast_log", "fast_log2", "fast_sin", "fast_cos",
    "fast_tanh", "fast_sqrt", "fast_rsqrt", "fast_rcp",
)  # fmt: skip


def _math() -> list[Probe]:
    probes = []
    for dtype in ("float32", "float64", "float16", "bfloat16"):
        for f in _EXACT:
            probes.append(_elementwise(f"{f}_{dtype}", dtype, dtype, f"tl::{f}(x[i])"))
        probes.append(_elementwise(f"fma_{dtype}", dtype, dtype, "tl::fma(x[i], y[i], z[i])", operands=3))
        for f in ("fmod", "copysign"):
            probes.append(_elementwise(f"{f}_{dtype}", dtype, dtype, f"tl::{f}(x[i], y[i])", operands=2))
        for label, operator in (("add", "+"), ("subtract", "-"), ("multiply", "*"), ("divide", "/")):
            probes.append(_elementwise(f"{label}_{dtype}", dtype, dtype, f"x[i] {operator} y[i]", operands=2))
        for f in ("min", "max"):
            probes.append(_elementwise(f"{f}_{dtype}", dtype, dtype, f"tl::{f}(x[i], y[i])", operands=2))
        probes.append(_elementwise(f"abs_{dtype}", dtype, dtype, "tl::abs(x[i])"))
        for f in ("isnan", "isinf", "isfinite"):
            probes.append(_elementwise(f"{f}_{dtype}", dtype, "bool", f"tl::{f}(x[i])"))
    for f in _APPROXIMATE:
        ordinary = lambda rng: rng.uniform(0.01, 0.99, _COUNT).astype(np.float32)  # noqa: E731
        probes.append(_elementwise(f"{f}_float32", "float32", "float32", f"tl::{f}(x[i])", values=ordinary, approximate=True))
    for dtype in ("int32", "uint32", "int64", "uint64", "int8"):
        nonzero = lambda rng, t=dtype: np.where((v := random_values(rng, t, _COUNT)) == 0, 3, v).astype(t)  # noqa: E731
        for f in ("floordiv", "floormod"):
            probes.append(
                _elementwise(
                    f"{f}_{dtype}", dtype, dtype, f"tl::{f}(x[i], y[i])", operands=2, values=nonzero, headers=("integer",)
                )
            )
        for f in ("shl", "shr"):
            probes.append(
                _elementwise(f"{f}_{dtype}", dtype, dtype, f"tl::{f}(x[i], static_cast<int>(i % 70))", headers=("integer",))
            )
    for dtype in ("uint32", "uint64", "int32"):
        for f in ("popcount", "clz"):
            probes.append(_elementwise(f"{f}_{dtype}", dtype, "int32", f"tl::{f}(x[i])"))
    return probes


def _small(rng: np.random.Generator, dtype: str, count: int) -> np.ndarray:
    return rng.integers(0, 8, count).astype(dtype_of(dtype))


def _atomics() -> list[Probe]:
    """All threads of four blocks at 32 places; sums of small integers, so that their order does not matter."""
    probes = []
    forms = [
        (op, t, "relaxed")
        for op in ("add", "min", "max")
        for t in ("int32", "uint32", "int64", "uint64", "float32", "float64", "float16", "bfloat16")
    ]
    forms += [(op, t, "relaxed") for op in ("and", "or", "xor") for t in ("int32", "uint32", "int64", "uint64")]
    forms += [("add", t, order) for t in ("int32", "float32") for order in ("acquire", "release", "acq_rel", "seq_cst")]
    for op, dtype, order in forms:
        name, cpp = f"atomic_{op}_{dtype}_{order}", CPP[dtype]
        body = f"  tl::atomic_{op}<tl::memory_order::{order}>(out + threadIdx.x % 32, x[blockIdx.x * 128 + threadIdx.x]);"
        text = kernel(name, f"const {cpp}* x, {cpp}* out", body)
        probes.append(
            Probe(
                name,
                text,
                ("atomic",),
                lambda rng, t=dtype: [_small(rng, t, 512), _small(rng, t, 32)],
                (1,),
                grid=(4,),
                block=128,
            )
        )
    for dtype, n in (("float32", 2), ("float32", 4), ("float16", 2), ("bfloat16", 2)):
        name, cpp = f"atomic_add_vec{n}_{dtype}", CPP[dtype]
        body = f"  alignas(16) {cpp} v[{n}];\n  for (int k = 0; k < {n}; ++k) v[k] = x[threadIdx.x * {n} + k];\n  tl::atomic_add_vec<{n}>(out + threadIdx.x % 8 * {n}, v);"
        text = kernel(name, f"const {cpp}* x, {cpp}* out", body)
        probes.append(
            Probe(
                name,
                text,
                ("atomic",),
                lambda rng, t=dtype, n=n: [_small(rng, t, 128 * n), _small(rng, t, 8 * n)],
                (1,),
                block=128,
            )
        )
    return probes


def _lanes() -> list[Probe]:
    probes = []

    def add(name: str, source: str, target: str, expression: str, headers: tuple[str, ...]) -> None:
        text = kernel(
            name, f"const {CPP[source]}* x, {CPP[target]}* out", f"  const int i = threadIdx.x;\n  out[i] = {expression};"
        )
        probes.append(
            Probe(
                name, text, headers, lambda rng: [random_values(rng, source, 64), np.zeros(64, dtype_of(target))], (1,), block=64
            )
        )

    for dtype in ("int32", "float64", "float16", "uint8"):
        for f, argument in (("shfl", "i * 7 % 32"), ("shfl_xor", "13"), ("shfl_up", "3"), ("shfl_down", "5")):
            add(f"{f}_{dtype}", dtype, dtype, f"tl::{f}(x[i], {argument})", ("shuffle",))
    for f in ("ballot", "any", "all"):
        add(f"vote_{f}", "uint8", "uint32", f"tl::{f}(x[i] > 100)", ("shuffle",))
    for op in ("sum", "max", "min", "max_nan", "min_nan", "absmax", "abssum"):
        for dtype in ("float32", "int32", "float16"):
            if dtype != "int32" or "nan" not in op:
                add(f"reduce_{op}_{dtype}", dtype, dtype, f"tl::warp_reduce<tl::op_{op}, 32, 1>(x[i])", ("reduce",))
    for op in ("bitand", "bitor", "bitxor"):
        add(f"reduce_{op}_uint32", "uint32", "uint32", f"tl::warp_reduce<tl::op_{op}, 8, 4>(x[i])", ("reduce",))
    return probes


def _memory() -> list[Probe]:
    probes = []
    for size in (4, 8, 16):
        for label, predicate in (("", ""), ("_predicated", ", threadIdx.x % 3 != 0")):
            name = f"load_store_{size}{label}"
            body = f"  alignas(16) char v[{size}];\n  tl::load<{size}>(v, in + threadIdx.x * {size}{predicate});\n  tl::store<{size}>(out + (31 - threadIdx.x) * {size}, v{predicate.replace('3', '5')});"
            text = kernel(name, "const char* in, char* out", body)
            probes.append(
                Probe(
                    name,
                    text,
                    ("core",),
                    lambda rng, n=size: [random_values(rng, "uint8", 32 * n), np.full(32 * n, 0xA5, np.uint8)],
                    (1,),
                )
            )
    return probes


PROBES = [*_casts(), *_math(), *_atomics(), *_lanes(), *_memory()]
