"""What tensor copies (TMA) ask of a tensor and of a box: PTX ISA, "Tensors"; CUDA driver API, cuTensorMapEncodeTiled."""

from __future__ import annotations

MAX_RANK = 5
MAX_BOX = 256  # elements along each dimension
ALIGNMENT = 16  # bytes: of the tensor's address, of its strides, of a box row
SHARED_ALIGNMENT = 128  # bytes: of a box in shared memory
SWIZZLE_ROWS = 8  # a swizzle repeats every 8 of its rows
# Elements of other widths have no tensor map; the type only matters for reductions, which copies are not.
ELEMENT_BITS = (8, 16, 32, 64)


def largest_chunk(extent: int, step: int = 1) -> int | None:
    """The largest divisor of `extent` that a box may span and that is a multiple of `step`."""
    return next((n for n in range(min(extent, MAX_BOX), 0, -1) if extent % n == 0 and n % step == 0), None)
