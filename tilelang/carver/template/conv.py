"""Convolution as a matrix multiply over patches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tilelang.carver.arch.cuda import CUDA
from tilelang.carver.hint import Hint
from tilelang.carver.template.base import Template, bytes_of
from tilelang.carver.template.matmul import MatmulTemplate
from tilelang.errors import ArgumentError
from tilelang.profiler.work import Work


@dataclass
class ConvTemplate(Template):
    """Sizes and dtypes of a two-dimensional convolution, channels last.

    Parameters
    ----------
    N, C, H, W : int
        Images, channels, height and width of the operand.
    F : int
        Filters.
    K, S, D, P : int
        Size of the (square) filters, stride, dilation, padding.
    in_dtype, out_dtype, accum_dtype : str
        Of the operands, the result, the sums.
    """

    N: int
    C: int
    H: int
    W: int
    F: int
    K: int
    S: int = 1
    D: int = 1
    P: int = 0
    in_dtype: str = "float16"
    out_dtype: str = "float16"
    accum_dtype: str = "float32"
    with_bias: bool = False

    def __post_init__(self) -> None:
        if min(self.output) < 1:
            raise ArgumentError(f"a convolution of {self} has no output", fix="check the filter's size, stride and padding")

    @property
    def output(self) -> tuple[int, int]:
        """Height and width of the result."""
        reach = self.D * (self.K - 1) + 1
        return (self.H + 2 * self.P - reach) // self.S + 1, (self.W + 2 * self.P - reach) // self.S + 1

    @property
    def as_matmul(self) -> MatmulTemplate:
        """Rows are output pixels, columns filters; what is summed over are a patch's elements."""
        height, width = self.output
        return MatmulTemplate(
            self.N * height * width, self.F, self.K * self.K * self.C, False, False, self.in_dtype, self.out_dtype,
            self.accum_dtype, self.with_bias,
        )  # fmt: skip

    def candidates(self, arch: CUDA) -> Iterator[Hint]:
        return self.as_matmul.candidates(arch)

    def work(self, hint: Hint) -> Work:
        found = self.as_matmul.work(hint)
        height, width = self.output
        size = bytes_of(self.in_dtype)
        tensors = size * (self.N * self.C * self.H * self.W + self.F * self.C * self.K * self.K)
        return Work(found.launches, tensors + bytes_of(self.out_dtype) * self.N * self.F * height * width)
