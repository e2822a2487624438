"""Tiles rearranged on the way: T.transpose, T.im2col; and T.dp4a."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._lazy import ir
from ..errors import DTypeError, SemanticError, ShapeError
from ..frontend.builder import require
from .buffer import Buffer, Element, Region
from .dtypes import dtype
from .emit import name_of, statement, tile, whole
from .expr import Expr, binary, logical
from .extern import address_of
from .select import if_then_else
from .shape import same, shape_text


def parallel_nest(extents: tuple[int, ...], body: Callable[..., None], what: str) -> None:
    """A T.Parallel nest whose body is emitted by `body(i, j, ...)`."""
    builder = require(what)
    builder.need_kernel(what)
    variables = [ir.var(builder.unique("ijkl"[d]), "int32") for d in range(len(extents))]
    outer = builder.blocks
    builder.blocks = [*outer, type(outer[-1])()]
    body(*(Expr(v, dtype("int32")) for v in variables))
    nest = ir.seq(builder.blocks.pop())
    builder.blocks = outer
    for depth in reversed(range(len(extents))):
        notes = {"tl.parallel_depth": len(extents)} if depth == 0 else None
        bounds = ir.const(0, "int32"), ir.const(extents[depth], "int32")
        nest = ir.For(variables[depth], *bounds, ir.ForKind.PARALLEL, nest, None, notes, None, builder.span())
    builder.emit(nest)


def element_at(region: Region, indices: tuple[Any, ...]) -> Element:
    """The element of a region at indices along the axes that it has."""
    remaining = iter(indices)
    places = [low if point else low + next(remaining) for low, point in zip(region.starts, region.points, strict=True)]
    return Element(region.buffer, tuple(places))


def transpose(src: Any, dst: Any, annotations: Any = None) -> None:
    """dst[j, i] = src[i, j] of two-dimensional tiles.

    Parameters
    ----------
    src : buffer or region, shape (M, N)
    dst : buffer or region, shape (N, M)

    Examples
    --------
    >>> T.transpose(A_shared, B_shared)
    """
    a, b = tile(src, "the source of T.transpose", 2), tile(dst, "the destination of T.transpose", 2)
    if not (same(a.shape[0], b.shape[1]) and same(a.shape[1], b.shape[0])):
        raise ShapeError(
            f"T.transpose of {name_of(a)} ({shape_text(a.shape)}) into {name_of(b)} ({shape_text(b.shape)})",
            fix=f"allocate {b.buffer.name} with shape ({a.shape[1]}, {a.shape[0]})",
        )
    if a.buffer is b.buffer:
        raise SemanticError(f"T.transpose of {name_of(a)} in place", fix="transpose into another tile")
    parallel_nest(tuple(int(e) for e in a.shape), lambda i, j: element_at(b, (j, i)).store(element_at(a, (i, j))), "T.transpose")


def im2col(
    img: Any,
    col: Any,
    nhw_step: Any,
    c_step: Any,
    kernel: int,
    stride: int,
    dilation: int,
    pad: int,
    eviction_policy: str | None = None,
    annotations: Any = None,
) -> None:
    """One tile of the matrix whose product with the filters is a convolution.

    Row `nhw_step * M + i` of the matrix is an output pixel (n, oh, ow), column `c_step * K + j` a filter tap (kh, kw, c); the
    element is img[n, oh * stride + kh * dilation - pad, ow * stride + kw * dilation - pad, c], zero outside the image.

    Parameters
    ----------
    img : buffer, shape (N, H, W, C)
        In global memory.
    col : buffer or region, shape (M, K)
        A shared tile.
    nhw_step, c_step : int or Expr
        Which tile.
    kernel, stride, dilation, pad : int
        Of the (square) filter.

    Examples
    --------
    >>> T.im2col(data, data_shared, by, k, 3, 1, 1, 1)
    """
    if not isinstance(img, Buffer) or img.ndim != 4:
        raise ShapeError(f"the image of T.im2col is {img}", fix="pass a tensor of shape (N, H, W, C)")
    for name, value in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise SemanticError(f"{name}={value!r} of T.im2col", fix="give a positive int")
    if isinstance(pad, bool) or not isinstance(pad, int) or pad < 0:
        raise SemanticError(f"pad={pad!r} of T.im2col", fix="give an int that is not negative")
    target = tile(col, "the tile of T.im2col", 2)
    m, k = target.shape
    _, height, width, channels = img.shape
    reach = dilation * (kernel - 1) + 1
    out_h = (
        binary("floordiv", height + (2 * pad - reach), stride) + 1
        if isinstance(height, Expr)
        else (height + 2 * pad - reach) // stride + 1
    )
    out_w = (
        binary("floordiv", width + (2 * pad - reach), stride) + 1
        if isinstance(width, Expr)
        else (width + 2 * pad - reach) // stride + 1
    )

    def element(i: Expr, j: Expr) -> None:
        row, column = nhw_step * m + i, c_step * k + j
        n, pixel = binary("floordiv", row, out_h * out_w), binary("floormod", row, out_h * out_w)
        tap = binary("floordiv", column, channels)
        h = binary("floordiv", pixel, out_w) * stride + binary("floordiv", tap, kernel) * dilation - pad
        w = binary("floormod", pixel, out_w) * stride + binary("floormod", tap, kernel) * dilation - pad
        inside = logical("and", logical("and", h >= 0, h < height), logical("and", w >= 0, w < width))
        value = Element(img, (n, h, w, binary("floormod", column, channels)))
        element_at(target, (i, j)).store(if_then_else(inside, value, 0))

    parallel_nest((int(m), int(k)), element, "T.im2col")


def c2d_im2col(*args: Any, **kwargs: Any) -> None:
    """The older name of `im2col`.

    Examples
    --------
    >>> T.c2d_im2col(data, data_shared, by, k, 3, 1, 1, 1)
    """
    im2col(*args, **kwargs)


def dp4a(A: Any, B: Any, C: Any) -> None:
    """C[0] += A[0] * B[0] + ... + A[3] * B[3] of 8-bit integers, by the calling thread.

    Parameters
    ----------
    A, B : buffer, region or element, int8 or uint8
        Four neighbouring elements from here on.
    C : buffer, region or element, int32 or uint32

    Examples
    --------
    >>> T.dp4a(a_local[0:4], b_local[0:4], c_local[0])
    """
    places = [whole(x, f"{name} of T.dp4a") for x, name in ((A, "A"), (B, "B"), (C, "C"))]
    for region, name, bits in zip(places, "ABC", (8, 8, 32), strict=True):
        if not region.dtype.is_int or region.dtype.bits != bits:
            raise DTypeError(f"{name} of T.dp4a is {region.dtype}", fix="A and B are int8 or uint8, C is int32 or uint32")
        if region.scope() == "local.fragment":
            raise SemanticError(
                f"{name} of T.dp4a is the fragment {region.buffer.name}, whose elements threads share",
                fix="use T.alloc_local or a shared tile",
            )
    statement("tl.dp4a", tuple(address_of(p) for p in places), None, "T.dp4a")
