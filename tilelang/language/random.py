"""Random numbers of a thread, by the generators of cuRAND: T.rng_init, T.rng_rand, T.rng_rand_float."""

from __future__ import annotations

from typing import Any

from .._lazy import ir
from ..errors import FrontendError, SemanticError
from ..frontend.builder import require
from .buffer import Buffer, Element
from .dtypes import dtype
from .emit import alloc, effect, statement
from .expr import Expr, convert
from .extern import Address
from .kernel import get_block_extents
from .warp import linear_thread

PHILOX = "curandStatePhilox4_32_10_t"
_GENERATORS = {
    PHILOX: "philox",
    **dict.fromkeys(("curandStateXORWOW_t", "curandState", "curandState_t"), "xorwow"),
    **dict.fromkeys(("curandStateMRG32k3a_t", "curandStateMRG32k3a"), "mrg32k3a"),
}
_WORDS = 16  # <tl/random.h>: counter, key, output, position, the second half of a normal pair


def rng_init(seed: Any, seq: Any = None, off: Any = 0, generator: str = PHILOX) -> None:
    """Start the thread's generator.

    Parameters
    ----------
    seed : int or Expr
        The same for all threads.
    seq : int or Expr, optional
        The thread's own sequence; by default its number among all threads of the grid.
    off : int or Expr
        Numbers to skip.
    generator : str
        "curandStatePhilox4_32_10_t", "curandStateXORWOW_t" or "curandStateMRG32k3a_t"; the same in all T.rng_init of a kernel.

    Examples
    --------
    >>> T.rng_init(42)
    """
    if generator not in _GENERATORS:
        raise SemanticError(f"generator={generator!r} of T.rng_init", fix="one of " + ", ".join(_GENERATORS))
    builder = require("T.rng_init")
    frame = builder.need_kernel("T.rng_init")
    if seq is None:
        kernel = frame.data["kernel"]
        number: Any = 0
        for var, extent in reversed(list(zip(kernel.variables[:3], get_block_extents()))):
            number = number * extent + var
        threads = kernel.threads[0] * kernel.threads[1] * kernel.threads[2]
        seq = convert(number, dtype("int64")) * threads + linear_thread()
    if frame.data.get("rng") is None:
        frame.data["rng"] = alloc("rng_state", (_WORDS,), dtype("uint32"), "local", "T.rng_init")
    kind = _GENERATORS[generator]
    if frame.data.setdefault("rng_kind", kind) != kind:
        raise SemanticError(
            f"T.rng_init with {generator!r} in a kernel that has started another generator", fix="use one generator in a kernel"
        )
    wide = dtype("uint64")
    statement(
        f"tl.{kind}_init", (_state("T.rng_init"), convert(seed, wide), convert(seq, wide), convert(off, wide)), None, "T.rng_init"
    )


def _state(what: str) -> Address:
    state: Buffer | None = require(what).need_kernel(what).data.get("rng")
    if state is None:
        raise FrontendError(f"{what} before T.rng_init", fix="call T.rng_init(seed) first, in every thread")
    return Address(Element(state, (0,)))


def _function(name: str, what: str) -> str:
    """The device function of the kernel's generator."""
    return f"tl.{require(what).need_kernel(what).data.get('rng_kind', 'philox')}_{name}"


def rng_rand() -> Expr:
    """The next 32 random bits, as uint32.

    Examples
    --------
    >>> bits = T.rng_rand()
    """
    return effect(_function("next", "T.rng_rand"), (_state("T.rng_rand"),), dtype("uint32"), "random")


def rng_rand_float(bit: int = 32, dist: str = "uniform") -> Expr:
    """The next random float.

    Parameters
    ----------
    bit : int
        32 or 64.
    dist : str
        "uniform" in (0, 1], or "normal" with mean 0 and variance 1.

    Examples
    --------
    >>> u = T.rng_rand_float()
    >>> z = T.rng_rand_float(bit=32, dist="normal")
    """
    if bit not in (32, 64):
        raise SemanticError(f"bit={bit!r} of T.rng_rand_float", fix="32 or 64")
    if dist not in ("uniform", "normal"):
        raise SemanticError(f"dist={dist!r} of T.rng_rand_float", fix="uniform or normal")
    kind = dtype(f"float{bit}")
    return effect(_function(f"{dist}{bit}", "T.rng_rand_float"), (_state("T.rng_rand_float"),), kind, "random")


__all__ = ["ir"]
