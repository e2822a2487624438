"""`with T.Kernel(...)`: one launch, its block and thread variables."""

from __future__ import annotations

from typing import Any

from .._lazy import ir
from ..errors import DTypeError, FrontendError, ShapeError
from ..frontend.builder import Frame, current, require
from .dtypes import dtype
from .expr import Expr
from .shape import Extent, as_extent, node_of, simplify

_AXES = "xyz"
_TAGS = tuple(f"blockIdx.{a}" for a in _AXES) + tuple(f"threadIdx.{a}" for a in _AXES)


class Context:
    """What a `with` statement of a kernel may open; `names` are those after `as`."""

    def open(self, names: list[str]) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class Kernel(Context):
    """A launch: `with T.Kernel(grid_x, grid_y, threads=128) as (bx, by):`.

    A function may have several, which run in order; a loop of a constant count around them gives one for each iteration.

    Parameters
    ----------
    *blocks : int or Expr
        One to three grid extents.
    threads : int or sequence of int, optional
        Threads of a block, up to three extents; 128 by default.
    cluster_dims : int or sequence of int, optional
        Blocks of a cluster along x, y, z (sm_90 or newer); the grid is a multiple of it.
    prelude : str, optional
        C++ text placed before the kernel.
    launch : {"auto", "manual"}
        "manual": no grid extents are given; `kernel.launch_config.grid` says before a call how many blocks run. There are as
        many block indices as names after `as`.
    is_cpu : bool
        Written for a CPU target: a block has one thread unless `threads` says otherwise.

    Examples
    --------
    >>> with T.Kernel(T.ceildiv(n, 64), threads=64) as bx:
    ...     B[bx * 64] = A[bx * 64]
    """

    def __init__(
        self,
        *blocks: Any,
        threads: Any = None,
        prelude: str | None = None,
        cluster_dims: Any = None,
        is_cpu: bool = False,
        launch: str = "auto",
    ) -> None:
        require("T.Kernel")
        if launch not in ("auto", "manual"):
            raise FrontendError(f"launch={launch!r} of T.Kernel", fix='use "auto" or "manual"')
        self.manual = launch == "manual"
        if self.manual and blocks:
            raise ShapeError(
                f"a manual launch has {len(blocks)} grid extents", fix="leave them out: kernel.launch_config.grid says them"
            )
        if not self.manual and not 1 <= len(blocks) <= 3:
            raise ShapeError(f"T.Kernel has {len(blocks)} grid extents", fix="give one to three")
        self.blocks = [as_extent(b, f"grid extent {k} of T.Kernel") for k, b in enumerate(blocks)]
        self.threads = _threads(1 if is_cpu and threads is None else threads)
        if prelude is not None and not isinstance(prelude, str):
            raise DTypeError(f"prelude must be a string, got {type(prelude).__name__}")
        dims = [1] if cluster_dims is None else [cluster_dims] if isinstance(cluster_dims, int) else list(cluster_dims)
        if not 1 <= len(dims) <= 3 or any(isinstance(d, bool) or not isinstance(d, int) or d < 1 for d in dims):
            raise ShapeError(f"cluster_dims={cluster_dims!r}", fix="one to three positive constants, such as (2, 1, 1)")
        self.cluster = (*dims, *[1] * (3 - len(dims)))
        self.prelude = prelude
        self.variables: list[Expr] = []

    @property
    def num_threads(self) -> int:
        """Threads of a block."""
        x, y, z = self.threads
        return x * y * z

    @staticmethod
    def Current() -> Kernel | None:
        """The kernel that is being written; None outside of one."""
        builder = current()
        frame = builder.kernel() if builder is not None else None
        return None if frame is None else frame.data["kernel"]

    def open(self, names: list[str]) -> Any:
        builder = require("T.Kernel")
        if builder.frames and any(f.kind != "unrolled" for f in builder.frames):
            inner = next(f for f in builder.frames if f.kind != "unrolled")
            raise FrontendError(
                f"T.Kernel inside {inner.what}", fix="launches follow one another at the top level of the function"
            )
        self.frame = builder.push(Frame("kernel", "T.Kernel", kernel=self))
        if self.manual:
            self.blocks = _manual_grid(builder, max(len(names), 1))
        names = names if len(names) == len(self.blocks) else []
        defaults = [f"b{a}" for a in _AXES] + [f"t{a}" for a in _AXES]
        self.span = builder.span()
        for k, default in enumerate(defaults):
            name = names[k] if k < len(names) and names[k] != "_" else default
            self.variables.append(Expr(ir.var(builder.unique(name), "int32"), dtype("int32")))
        if self.prelude is not None:
            builder.attributes["tl.prelude"] = builder.attributes.get("tl.prelude", "") + self.prelude + "\n"
        if self.cluster != (1, 1, 1):
            call = ir.call("tl.cluster_dims", [ir.const(d) for d in self.cluster], span=self.span)
            builder.emit(ir.evaluate(call, self.span))
        block_vars = self.variables[: len(self.blocks)]
        return block_vars[0] if len(block_vars) == 1 else tuple(block_vars)

    def close(self) -> None:
        builder = require("T.Kernel")
        body = builder.pop(self.frame)
        extents = [*self.blocks, *[1] * (3 - len(self.blocks)), *self.threads]
        for tag, var, extent in reversed(list(zip(_TAGS, self.variables, extents, strict=True))):
            extent_node = node_of(extent)
            if ir.dtype_of(extent_node) != "int32":  # grids are 32-bit; the launcher checks the extent that it computes
                extent_node = ir.Cast("int32", extent_node)
            iter_var = ir.IterVar(ir.Range.from_min_extent(ir.const(0, "int32"), extent_node), var.node, 1, tag)
            body = ir.AttrStmt(iter_var, "thread_extent", extent_node, body, self.span)
        builder.emit(body)


def _manual_grid(builder: Any, rank: int) -> list[Extent]:
    """Extents that a caller sets before each call."""
    if builder.grid:
        raise FrontendError("a second manual launch in one function", fix="write a function for each of them")
    if rank > 3:
        raise ShapeError(f"a grid with {rank} block indices", fix="name one to three after `as`")
    builder.grid = [Expr(ir.var(builder.unique(f"grid_{axis}"), "int32"), dtype("int32")) for axis in _AXES[:rank]]
    return list(builder.grid)


def _threads(threads: Any) -> list[int]:
    values = [128] if threads is None else list(threads) if isinstance(threads, (list, tuple)) else [threads]
    if not 1 <= len(values) <= 3:
        raise ShapeError(f"threads has {len(values)} extents", fix="give one to three")
    out = []
    for value in values:
        extent = simplify(as_extent(value, "threads"))
        if not isinstance(extent, int) or extent < 1:
            raise ShapeError(f"threads={value} must be a positive constant", fix="a multiple of 32, such as 128")
        out.append(extent)
    return out + [1] * (3 - len(out))


def _kernel(what: str) -> Kernel:
    return require(what).need_kernel(what).data["kernel"]


def kernel_of(what: str) -> Kernel:
    """The kernel that is being written."""
    return _kernel(what)


def _dim(dim: Any, what: str) -> int:
    if dim not in (0, 1, 2):
        raise ShapeError(f"{what}({dim!r}): the dimension is 0, 1 or 2")
    return int(dim)


def get_thread_binding(dim: int = 0) -> Expr:
    """The thread index along `dim`.

    Examples
    --------
    >>> tx = T.get_thread_binding()
    """
    return _kernel("T.get_thread_binding").variables[3 + _dim(dim, "T.get_thread_binding")]


def get_thread_bindings() -> list[Expr]:
    """The three thread indices.

    Examples
    --------
    >>> tx, ty, tz = T.get_thread_bindings()
    """
    return list(_kernel("T.get_thread_bindings").variables[3:])


def get_block_binding(dim: int = 0) -> Expr:
    """The block index along `dim`.

    Examples
    --------
    >>> bx = T.get_block_binding()
    """
    return _kernel("T.get_block_binding").variables[_dim(dim, "T.get_block_binding")]


def get_block_bindings() -> list[Expr]:
    """The block indices of the launched grid extents.

    Examples
    --------
    >>> blocks = T.get_block_bindings()
    """
    kernel = _kernel("T.get_block_bindings")
    return kernel.variables[: len(kernel.blocks)]


def get_thread_extent(dim: int = 0) -> int:
    """Threads of the block along `dim`.

    Examples
    --------
    >>> threads = T.get_thread_extent()
    """
    return _kernel("T.get_thread_extent").threads[_dim(dim, "T.get_thread_extent")]


def get_thread_extents() -> list[int]:
    """Threads of the block along all three dimensions.

    Examples
    --------
    >>> x, y, z = T.get_thread_extents()
    """
    return list(_kernel("T.get_thread_extents").threads)


def get_block_extent(dim: int = 0) -> Extent:
    """Blocks of the grid along `dim`.

    Examples
    --------
    >>> blocks = T.get_block_extent()
    """
    return get_block_extents()[_dim(dim, "T.get_block_extent")]


def get_block_extents() -> list[Extent]:
    """Blocks of the grid along all three dimensions.

    Examples
    --------
    >>> x, y, z = T.get_block_extents()
    """
    kernel = _kernel("T.get_block_extents")
    return kernel.blocks + [1] * (3 - len(kernel.blocks))
