"""Blocks and branches under TVM's names: T.If, T.While, T.launch_thread, T.thread_binding, T.sblock and what stands in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._lazy import ir
from ..errors import DTypeError, FrontendError, SemanticError, ShapeError, UnsupportedError
from ..frontend.builder import Frame, require
from .buffer import Buffer
from .dtypes import dtype
from .expr import Expr, as_condition
from .kernel import _TAGS, Context, Kernel
from .loops import Loop
from .shape import as_extent, same, simplify


class If(Context):
    """`with T.If(condition):` around `with T.Then():` and `with T.Else():`.

    Examples
    --------
    >>> with T.If(i < n):
    ...     with T.Then():
    ...         A[i] = 0
    """

    def __init__(self, condition: Any) -> None:
        self.condition = as_condition(condition)
        self.parts: dict[str, Any] = {}

    def open(self, names: list[str]) -> None:
        builder = require("T.If")
        builder.need_kernel("T.If")
        self.outer = builder.attributes.get("tvm_if")
        builder.attributes["tvm_if"] = self
        self.span, self.node = builder.span(), self.condition.node

    def close(self) -> None:
        builder = require("T.If")
        builder.attributes["tvm_if"] = self.outer
        if "then" not in self.parts:
            raise FrontendError("T.If without T.Then", fix="write `with T.Then():` inside it")
        builder.emit(ir.IfThenElse(self.node, self.parts["then"], self.parts.get("else"), self.span))


class Assert(Context):
    """`with T.Assert(condition, message):` stops the kernel where the condition is false, as T.device_assert does.

    Examples
    --------
    >>> with T.Assert(n > 0, "n is not positive"):
    ...     A[0] = 0
    """

    def __init__(self, condition: Any, message: str = "") -> None:
        self.condition, self.message = as_condition(condition), message

    def open(self, names: list[str]) -> None:
        from .debug import device_assert

        device_assert(self.condition, self.message)

    def close(self) -> None:
        pass


class _Part(Context):
    part = ""
    owner: Any

    def open(self, names: list[str]) -> None:
        builder = require(f"T.{type(self).__name__}")
        self.owner = builder.attributes.get("tvm_if")
        if self.owner is None or self.part in self.owner.parts:
            raise FrontendError(
                f"T.{type(self).__name__} that belongs to no T.If", fix="write it directly inside `with T.If(...):`"
            )
        self.frame = builder.push(Frame("if", f"T.{type(self).__name__}"))

    def close(self) -> None:
        self.owner.parts[self.part] = require("T.Then").pop(self.frame)


class Then(_Part):
    """The statements of a T.If where its condition holds."""

    part = "then"


class Else(_Part):
    """The statements of a T.If where its condition does not hold."""

    part = "else"


class While(Context):
    """`with T.While(condition):` repeats its statements while the condition holds.

    Examples
    --------
    >>> with T.While(x < 10):
    ...     x += 1
    """

    def __init__(self, condition: Any) -> None:
        self.condition = as_condition(condition)
        if self.condition.constant():
            raise FrontendError("T.While of a condition that is always true", fix="test a T.alloc_var")

    def open(self, names: list[str]) -> None:
        builder = require("T.While")
        builder.need_kernel("T.While")
        self.span, self.node = builder.span(), self.condition.node
        self.frame = builder.push(Frame("while", "T.While"))

    def close(self) -> None:
        builder = require("T.While")
        builder.emit(ir.While(self.node, builder.pop(self.frame), self.span))


class EnvThread(Expr):
    """`T.env_thread("threadIdx.x")`: the axis of a later T.launch_thread, and its index in what stands there."""

    def __init__(self, tag: str, what: str = "T.env_thread", variable: Expr | None = None) -> None:
        super().__init__(None, dtype("int32"))
        self.tag, self.variable = _tag(tag, what), variable
        self.name = require(what).next_name(self.tag.replace("Idx.", "_")) if variable is None else str(variable)

    @property
    def node(self) -> Any:
        if self.variable is None:
            self.variable = Expr(ir.var(self.name, "int32"), self.dtype)
        return self.variable.node

    def __str__(self) -> str:
        return self.name


def _tag(tag: Any, what: str) -> str:
    name = tag.tag if isinstance(tag, EnvThread) else getattr(tag, "thread_tag", tag)
    if name not in _TAGS:
        raise SemanticError(f"the axis {name!r} of {what}", fix="one of " + ", ".join(_TAGS))
    return name


def env_thread(thread_tag: str, dtype: str = "int32") -> EnvThread:
    """A thread axis for T.launch_thread.

    Examples
    --------
    >>> tx = T.env_thread("threadIdx.x")
    """
    return EnvThread(thread_tag)


def iter_var(v: Any, dom: Any = None, iter_type: Any = "ThreadIndex", thread_tag: str = "") -> EnvThread:
    """A thread axis for T.attr(axis, "thread_extent", n) and T.launch_thread.

    Parameters
    ----------
    v : T.var, str or None
        The variable that is the index in what stands in the launch, or its name.
    dom : (int, int), optional
        The first index, 0, and the extent.
    iter_type : str or int
        "ThreadIndex" or 1.
    thread_tag : str
        blockIdx.x to threadIdx.z.

    Examples
    --------
    >>> tx = T.iter_var("tx", (0, 128), "ThreadIndex", "threadIdx.x")
    """
    if iter_type not in ("ThreadIndex", 1):
        raise UnsupportedError(f"T.iter_var of the kind {iter_type!r}", fix='"ThreadIndex"; loops are for statements')
    if v is not None and not isinstance(v, (str, Expr)):
        raise DTypeError(f"the variable of T.iter_var is {v!r}", fix='T.var("tx"), a name, or None')
    return EnvThread(thread_tag, "T.iter_var", v if isinstance(v, Expr) else None)


def IterVar(dom: Any, var: Any, iter_type: Any = 1, thread_tag: str = "", span: Any = None) -> EnvThread:
    """T.iter_var, with the extent first as in TVM's node.

    Examples
    --------
    >>> tx = T.IterVar((0, 128), "tx", 1, "threadIdx.x")
    """
    return iter_var(var, dom, iter_type, thread_tag)


def _constant_extent(extent: Any, tag: str) -> Any:
    found = simplify(as_extent(extent, f"the extent of {tag}"))
    if tag.startswith("threadIdx") and (not isinstance(found, int) or found < 1):
        raise ShapeError(f"the extent of {tag} is {extent}", fix="give a positive constant")
    return found


class launch_thread(Context):
    """`with T.launch_thread("blockIdx.x", n) as bx:` opens one axis of a launch; the outermost one opens the launch.

    `bx = T.launch_thread("blockIdx.x", n)` opens it for the rest of the block.

    Parameters
    ----------
    thread : str
        blockIdx.x to threadIdx.z.
    extent : int or Expr

    Examples
    --------
    >>> with T.launch_thread("blockIdx.x", 4) as bx, T.launch_thread("threadIdx.x", 128) as tx:
    ...     A[bx * 128 + tx] = 0
    """

    def __init__(self, thread: Any, extent: Any) -> None:
        self.tag = _tag(thread, "T.launch_thread")
        self.axis = thread if isinstance(thread, EnvThread) else None
        self.extent = _constant_extent(extent, self.tag)

    def open(self, names: list[str]) -> Expr:
        builder = require("T.launch_thread")
        frame = builder.kernel()
        self.kernel: Kernel | None = None
        if frame is None:
            self.kernel = Kernel(1, threads=1)
            self.kernel.blocks = [1, 1, 1]
            self.kernel.open([])
            builder.attributes["launch_axes"] = set()
            frame = builder.kernel()
        kernel, axes = frame.data["kernel"], builder.attributes.get("launch_axes")  # type: ignore[union-attr]
        number = _TAGS.index(self.tag)
        if axes is None or self.tag in axes:  # an axis of T.Kernel, or one opened before
            found = (
                kernel.blocks[number]
                if number < len(kernel.blocks) and number < 3
                else kernel.threads[number - 3]
                if number > 2
                else 1
            )
            if not same(found, self.extent):
                raise ShapeError(f"{self.tag} is launched with extent {self.extent}, but has {found}", fix=f"use {found}")
        elif number < 3:
            kernel.blocks[number] = self.extent
        else:
            kernel.threads[number - 3] = self.extent
        if axes is not None:
            axes.add(self.tag)
        index = kernel.variables[number]
        if self.axis is not None:
            builder.emit(ir.Bind(self.axis.node, index.node, builder.span()))
        return index

    def close(self) -> None:
        if self.kernel is not None:
            self.kernel.close()
            require("T.launch_thread").attributes.pop("launch_axes")


def thread_binding(start: Any, stop: Any = None, thread: Any = None, *, annotations: Any = None) -> Loop:
    """`for tx in T.thread_binding(0, 128, thread="threadIdx.x"):` each thread (or block) runs the body for its own index.

    `tx = T.thread_binding(0, 128, thread="threadIdx.x")` does so for the rest of the block.

    Parameters
    ----------
    start, stop : int or Expr
        Without `stop` from 0 to `start`.
    thread : str
        blockIdx.x to threadIdx.z; the extent is at most that of the launch.

    Examples
    --------
    >>> for tx in T.thread_binding(0, 128, thread="threadIdx.x"):
    ...     A[tx] = 0
    """
    if isinstance(stop, str):  # T.thread_binding(n, "threadIdx.x")
        stop, thread = None, stop
    if thread is None:
        raise SemanticError("T.thread_binding without a thread axis", fix='thread="threadIdx.x"')
    tag = _tag(thread, "T.thread_binding")
    low, high = (0, start) if stop is None else (start, stop)
    low = as_extent(low, "the start of T.thread_binding")
    extent = _constant_extent(high - low if not (isinstance(low, int) and low == 0) else high, tag)
    return Loop("T.thread_binding", "bound", ((low, extent, None),), {"thread": tag})


class BoundAxis(Context):
    """What T.thread_binding describes: no loop, the index of the calling thread or block; others leave the body out."""

    def __init__(self, loop: Loop) -> None:
        ((self.low, self.extent, _),) = loop.ranges
        self.tag = loop.annotations["thread"]
        self.launch: launch_thread | None = None
        self.guard: Any = None

    def open(self, names: list[str]) -> Expr:
        builder = require("T.thread_binding")
        frame = builder.kernel()
        if frame is None or builder.attributes.get("launch_axes") is not None:
            self.launch = launch_thread(self.tag, self.extent)
            return self.launch.open(names) + self.low
        kernel, number = frame.data["kernel"], _TAGS.index(self.tag)
        whole = kernel.threads[number - 3] if number > 2 else kernel.blocks[number] if number < len(kernel.blocks) else 1
        index = kernel.variables[number]
        if isinstance(whole, int) and isinstance(self.extent, int) and self.extent > whole:
            raise ShapeError(
                f"T.thread_binding of {self.extent} {self.tag} in a launch that has {whole}", fix=f"use at most {whole}"
            )
        if not same(whole, self.extent):
            self.condition, self.span = as_condition(index < self.extent), builder.span()
            self.guard = builder.push(Frame("if", "T.thread_binding"))
        return index + self.low

    def close(self) -> None:
        if self.guard is not None:
            builder = require("T.thread_binding")
            builder.emit(ir.IfThenElse(self.condition.node, builder.pop(self.guard), None, self.span))
        if self.launch is not None:
            self.launch.close()


class ThreadLoop:
    """`for tx in T.thread_binding(...)`: the body runs once, with the index."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop

    def enter(self, *values: Any) -> tuple:
        return values

    def __iter__(self) -> Any:
        axis = BoundAxis(self.loop)
        yield axis.open([])
        axis.close()

    def leave(self, *values: Any) -> tuple:
        return values


def func_attr(attrs: Mapping[str, Any]) -> None:
    """Attributes of the function: "global_symbol" names it; the others say nothing that is not known.

    Examples
    --------
    >>> T.func_attr({"global_symbol": "main"})
    """
    if not isinstance(attrs, Mapping):
        raise SemanticError(f"T.func_attr({attrs!r})", fix="give a dict")
    builder = require("T.func_attr")
    if "global_symbol" in attrs:
        builder.attributes["global_symbol"] = str(attrs["global_symbol"])


def func_name(name: str) -> None:
    """The name of the function.

    Examples
    --------
    >>> T.func_name("main")
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise SemanticError(f"T.func_name({name!r})", fix="a name that C++ takes, as a string")
    func_attr({"global_symbol": name})


def var(name: Any = None, dtype_: Any = "int32") -> Expr:
    """A symbolic value, as T.dynamic.

    Examples
    --------
    >>> n = T.Var("n", "int32")
    """
    from .expr import symbol

    if not isinstance(name, str):
        name, dtype_ = "v", dtype_ if name is None else name
    return symbol(name, dtype(dtype_))


def buffer_store(buffer: Any, value: Any, indices: Any, predicate: Any = None) -> None:
    """`buffer[indices] = value`.

    Examples
    --------
    >>> T.buffer_store(A, 1.0, [i])
    """
    if not isinstance(buffer, Buffer):
        raise DTypeError(f"T.buffer_store to {buffer!r}", fix="the first argument is a buffer, then the value and the indices")
    buffer[tuple(indices) if isinstance(indices, (list, tuple)) else indices] = value


def _leave(what: str, make: str) -> None:
    builder = require(what)
    loops = [f for f in builder.frames if f.kind in ("for", "while")]
    if not loops:
        raise FrontendError(f"{what} outside a loop", fix="write it in a loop that runs on the device")
    loop = loops[-1].data.get("loop")
    goes_on = loop is not None and loop.kind == "parallel" and make == "Continue"
    if loop is not None and not goes_on and (loop.kind in ("parallel", "vectorized") or len(loop.ranges) > 1):
        raise FrontendError(f"{what} of {loop.what}", fix="only T.serial, T.unroll and while loops of one variable can be left")
    builder.emit(getattr(ir, make)(builder.span()))
    builder.blocks[-1].dead = True


def loop_break() -> None:
    """Leave the innermost device loop; Python's `break` says the same.

    Examples
    --------
    >>> if A[i] < 0:
    ...     T.loop_break()
    """
    _leave("T.loop_break", "Break")


def continue_loop() -> None:
    """Go on with the next iteration of the innermost device loop; Python's `continue` says the same.

    Examples
    --------
    >>> if A[i] < 0:
    ...     T.continue_loop()
    """
    _leave("T.continue_loop", "Continue")
