"""The builder that the rewritten function runs on: a stack of frames, each collecting raw TIR statements.

A `Builder` records; a `SignatureBuilder` only learns the tensors of an eager function and stops at the first statement.
Neither knows TIR's text: nodes come from `tilelang.ir`, which is imported at the first node.
"""

from __future__ import annotations

import threading
from typing import Any

from .._lazy import ir
from ..errors import FrontendError, SourceSpan
from ..errors import JITNoBuilderError as NoBuilderError
from ..log import logger


class JITNoBuilderError(FrontendError, NoBuilderError):
    """A name of the language was used outside a kernel that is being traced."""

    code = "TL0101"


class StopSignature(BaseException):
    """Control flow: the signature phase of an eager function has seen all it can see."""


class Block(list):
    """Statements of one nesting level; `dead` once a break or continue made the rest unreachable, `told` once that was said."""

    dead = False
    told = False


class Frame:
    """One open construct. `kind`: function, kernel, for, while, if, unrolled (a Python loop run at trace time)."""

    def __init__(self, kind: str, what: str, **data: Any) -> None:
        self.kind, self.what, self.data = kind, what, data
        self.span: SourceSpan | None = None


class Builder:
    """Collects the statements of one PrimFunc."""

    recording = True

    def __init__(self, name: str, constants: dict[str, int] | None = None) -> None:
        self.name = name
        self.blocks: list[Block] = [Block()]
        self.frames: list[Frame] = []
        self.place: SourceSpan | None = None
        self.pending: list[str] = []  # names of the assignment under way, for the allocations on its right side
        self.constants = constants or {}
        self.parameters: list[Any] = []  # language-level parameters, outputs of T.empty last
        self.outputs: list[Any] = []
        self.grid: list[Any] = []  # extents of a manual launch
        self.attributes: dict[str, Any] = {}
        self.taken: dict[str, int] = {}
        self._spans: dict[SourceSpan, Any] = {}
        # When each buffer was last written: an expression that was read before must not be evaluated after.
        self.epoch = 0
        self.writes: dict[Any, int] = {}
        # Contexts that an assignment opened (`tx = T.launch_thread(...)`), and how many frames were open then.
        self.entered: list[tuple[int, Any]] = []

    # -- names and places ---------------------------------------------------------------------------------------------
    def unique(self, name: str) -> str:
        """`name`, or `name_1` and so on if it is taken in this function."""
        if name not in self.taken:
            self.taken[name] = 0
            return name
        while True:
            self.taken[name] += 1
            candidate = f"{name}_{self.taken[name]}"
            if candidate not in self.taken:
                self.taken[candidate] = 0
                return candidate

    def next_name(self, default: str) -> str:
        """The name on the left of the assignment under way, else `default`; unique."""
        return self.unique(self.pending.pop(0) if self.pending else default)

    def span(self) -> Any:
        """The current place as an IR span."""
        place = self.place
        if place is None:
            return None
        if place not in self._spans:
            self._spans[place] = ir.make_span(place.file, place.line, place.column, place.end_line, place.end_column)
        return self._spans[place]

    # -- statements ---------------------------------------------------------------------------------------------------
    def emit(self, statement: Any) -> None:
        block = self.blocks[-1]
        if not block.dead:
            block.append(statement)
        elif not block.told:
            block.told = True
            logger.warning("%s: statements after break or continue never run; they are ignored", self.place)

    def wrote(self, buffer: Any) -> None:
        """A statement that may write `buffer` was emitted."""
        self.epoch += 1
        self.writes[buffer.root] = self.epoch

    def need_kernel(self, what: str) -> Frame:
        """The enclosing T.Kernel frame; an error if there is none."""
        for frame in self.frames:
            if frame.kind == "kernel":
                return frame
        raise FrontendError(
            f"{what} outside T.Kernel: the body of a function is a sequence of launches and calls of T.call_packed",
            fix="move it under `with T.Kernel(...)`",
        )

    def kernel(self) -> Frame | None:
        return next((f for f in self.frames if f.kind == "kernel"), None)

    def push(self, frame: Frame) -> Frame:
        frame.span = self.place
        self.frames.append(frame)
        if frame.kind != "unrolled":
            self.blocks.append(Block())
        return frame

    def pop(self, frame: Frame) -> Any:
        """Close `frame`; returns its statements as one (None for loops run at trace time)."""
        if self.entered and frame in self.frames:
            self.leave(self.frames.index(frame) + 1)
        if not self.frames or self.frames[-1] is not frame:
            raise FrontendError(f"{frame.what} ends while an inner construct is still open")
        self.frames.pop()
        return None if frame.kind == "unrolled" else ir.seq(self.blocks.pop())

    def enter(self, context: Any, names: list[str]) -> Any:
        """Open a context for the rest of the block; its value."""
        depth = len(self.frames)
        value = context.open(names)
        self.entered.append((depth, context))
        return value

    def leave(self, depth: int) -> None:
        """Close the contexts that were entered where at least `depth` frames were open."""
        while self.entered and self.entered[-1][0] >= depth:
            self.entered.pop()[1].close()

    def marker(self) -> tuple[int, int]:
        """Changes when a statement is emitted (to refuse statements inside conditions)."""
        return len(self.blocks), len(self.blocks[-1])

    def symbolic_depth(self) -> int:
        """How many loops and branches that run on the device are open."""
        return sum(f.kind in ("for", "while", "if") for f in self.frames)


class SignatureBuilder(Builder):
    """Runs an eager function up to its first statement, with symbols for T.const, to see its tensors."""

    recording = False

    def emit(self, statement: Any) -> None:
        raise StopSignature

    def push(self, frame: Frame) -> Frame:
        if frame.kind in ("kernel", "for", "while", "if"):
            raise StopSignature
        return super().push(frame)

    def pop(self, frame: Frame) -> Any:
        self.frames.remove(frame)

    def span(self) -> Any:
        return None

    def need_kernel(self, what: str) -> Frame:
        raise StopSignature


_state = threading.local()


def current() -> Builder | None:
    """The builder of the function that this thread is tracing, if any."""
    stack = getattr(_state, "stack", None)
    return stack[-1] if stack else None


def require(what: str) -> Builder:
    """The current builder; JITNoBuilderError names `what` if nothing is being traced."""
    builder = current()
    if builder is None:
        raise JITNoBuilderError(
            f"{what} outside a kernel: nothing is being traced",
            fix="call it in a function decorated with @T.prim_func or @tilelang.jit",
        )
    return builder


class active:
    """Context manager: `builder` is the current one."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder

    def __enter__(self) -> Builder:
        if not hasattr(_state, "stack"):
            _state.stack = []
        _state.stack.append(self.builder)
        return self.builder

    def __exit__(self, *_: Any) -> None:
        _state.stack.pop()
