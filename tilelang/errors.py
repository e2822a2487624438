"""The exceptions of TileLang: every one names the rule, the values, the fix and the user's line.

A message is rendered like this::

    TL0203: copy extents do not match

      examples/gemm/ragged.py:41
       40 |         T.copy(A[by * 128, k * 32], A_shared)
       41 |         T.copy(B[bx * 128 : bx * 128 + 128, k * 64 : k * 64 + 64], B_shared)
          |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       B_shared is 128 x 32

      Fix: slice B by 32 along its second axis, or allocate B_shared as (128, 64).
"""

from __future__ import annotations

import linecache
from pathlib import Path
from typing import Any, NamedTuple


class SourceSpan(NamedTuple):
    """A place in the user's source; lines and columns count from 1, `end_column` is exclusive."""

    file: str
    line: int
    column: int = 1
    end_line: int = 0
    end_column: int = 0

    def excerpt(self, context: int = 1) -> str:
        """The lines around the place with a caret under it; empty when the file cannot be read."""
        if not linecache.getline(self.file, self.line):
            return ""
        rows = []
        for number in range(max(1, self.line - context), self.line + 1):
            rows.append(f"{number:5d} | {linecache.getline(self.file, number).rstrip()}")
        text = linecache.getline(self.file, self.line).rstrip()
        same_line = self.end_line in (0, self.line) and self.end_column > self.column
        end = self.end_column if same_line else len(text) + 1
        rows.append("      | " + " " * (self.column - 1) + "^" * max(1, end - self.column))
        return "\n".join(rows)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class TileLangError(RuntimeError):
    """Base of all exceptions of this package; a RuntimeError, as what TileLang 0.1 raised from compiled code was.

    Parameters
    ----------
    message : str
        What is wrong: the rule and the values.
    fix : str
        What the reader can do about it.
    span : SourceSpan, optional
        The user's line.
    notes : tuple of str
        Further lines (the calls of macros, the other operand's place, a table).
    """

    code = "TL0000"

    def __init__(self, message: str, *, fix: str = "", span: SourceSpan | None = None, notes: tuple[str, ...] = ()) -> None:
        self.message, self.fix, self.span, self.notes = message, fix, span, tuple(notes)
        super().__init__(message)

    def __reduce__(self):  # keyword-only arguments do not survive BaseException's own pickling
        return _rebuild, (type(self), self.message, self.fix, self.span, self.notes), dict(self.__dict__)

    def with_span(self, span: SourceSpan | None) -> TileLangError:
        """Fill in the place if none is known yet; returns self, for `raise error.with_span(span)`."""
        if self.span is None:
            self.span = span
        return self

    def __str__(self) -> str:
        parts = [f"{self.code}: {self.message}"]
        if self.span is not None:
            excerpt = self.span.excerpt()
            parts.append(f"\n  {self.span}" + ("\n" + "\n".join("  " + row for row in excerpt.splitlines()) if excerpt else ""))
        parts.extend("   " + line for note in self.notes for line in note.splitlines())
        if self.fix:
            parts.append(f"\n  Fix: {self.fix}")
        return "\n".join(parts)


def _rebuild(cls, message, fix, span, notes):
    return cls(message, fix=fix, span=span, notes=notes)


class FrontendError(TileLangError, SyntaxError):
    """A Python construct or a use of the language that has no meaning in a kernel."""

    code = "TL0100"


class SemanticError(TileLangError, ValueError):
    """A tile program that contradicts itself: shapes, dtypes, scopes, ranges."""

    code = "TL0200"


class ShapeError(SemanticError, AssertionError):
    """Extents or ranks do not fit. An AssertionError, too: TileLang 0.1 asserted them."""

    code = "TL0203"


class DTypeError(SemanticError, TypeError):
    """An element type that the operation or the architecture does not have."""

    code = "TL0204"


class LayoutError(SemanticError):
    """A layout that cannot serve its operator."""

    code = "TL0205"


class UnsupportedError(TileLangError, NotImplementedError):
    """Meaningful, but not for this target or not in this version: says what to write instead."""

    code = "TL0300"


class SourceNotFoundError(TileLangError, FileNotFoundError):
    """A file of device source that is not there."""

    code = "TL0501"


class ResourceError(TileLangError, ValueError):
    """Too much shared memory, too many threads: with a table of what takes how much."""

    code = "TL0400"
    excess = 0  # bytes of shared memory that are too many


class JitError(TileLangError, RuntimeError):
    """Something between a function and its result, other than the program itself, went wrong.

    The tree below it says what: a tool is missing (`JITUnavailableError`), a tool refused (`CompilationError`), compiling is
    forbidden (`JITDisabledError`), the cache cannot serve (`CacheError`), arguments do not fit what a kernel is specialised for
    (`SpecializationError`), a launch is impossible (`LaunchConfigError`), a tensor is on the wrong device
    (`DeviceMismatchError`). None of them is ever answered with another compiler, backend or device than the one asked for.
    """

    code = "TL0700"


class UnavailableError(JitError):
    """A tool, library or device that this needs is not there; names the one-line remedy.

    Parameters
    ----------
    message : str
        What is missing.
    tool : str
        Its name, such as "nvcc" or "cupy".
    needed_by : str
        What asked for it.
    """

    code = "TL0702"

    def __init__(self, message: str, *, tool: str = "", needed_by: str = "", **place: Any) -> None:
        super().__init__(message, **place)
        self.tool, self.needed_by = tool, needed_by


JITUnavailableError = UnavailableError  # the name in the documented tree


class CompilationError(JitError):
    """A tool (NVRTC, nvcc, g++) refused the generated text: our defect, or a flag of the user's.

    Attributes
    ----------
    log : str
        The tool's own words, which the message leaves out.
    source : str
        The text that it refused.
    command : tuple of str
        The command line; empty for a compiler that is a library.
    returncode : int or None
        The exit status of the command.
    source_path : Path or None
        Where the text is kept, if it was kept.
    """

    code = "TL0500"
    log = ""
    source = ""
    command: tuple[str, ...] = ()
    returncode: int | None = None
    source_path: Path | None = None

    @property
    def stderr(self) -> str:
        """The same as `log`."""
        return self.log


class JITDisabledError(JitError):
    """A kernel would have to be compiled where compiling is switched off.

    Attributes
    ----------
    digest : str
        The key that the cache lacks.
    """

    code = "TL0703"
    digest = ""


class JITNoBuilderError(JitError):
    """A construct of the language outside a kernel that is being traced."""

    code = "TL0704"


class EagerJITBuildError(JitError):
    """An eager function that cannot be turned into a kernel."""

    code = "TL0705"


class CacheError(JitError):
    """The disk cache cannot do what was asked."""

    code = "TL0710"


class CacheUnavailable(CacheError):
    """A cache directory that cannot be used, where the caller insists on one."""

    code = "TL0711"


class CacheCorrupt(CacheError):
    """An entry that is still unreadable after it was built again."""

    code = "TL0712"


class SpecializationError(JitError, ValueError):
    """Arguments that differ from those for which a kernel is pinned."""

    code = "TL0720"


class LaunchConfigError(JitError, ValueError):
    """A grid, block, cluster or amount of shared memory that is missing or that the device cannot launch."""

    code = "TL0721"


class ConfigError(TileLangError, ValueError):
    """A setting with a value that it cannot have: names the variable, or the file and the key."""

    code = "TL0701"


class ArgumentError(TileLangError, ValueError):
    """A kernel call with an argument that does not fit its parameter."""

    code = "TL0600"


class ArgumentTypeError(ArgumentError, TypeError):
    """A kernel argument of the wrong Python type or element type."""

    code = "TL0601"


class FunctionTypeError(ArgumentTypeError, AssertionError):
    """Something else where a tile program or a tilelang.jit function belongs. TileLang 0.1 asserted it, hence both bases."""

    code = "TL0604"


class DeviceMismatchError(ArgumentError, JitError):
    """A tensor on another device than the kernel's, which nobody allowed to be moved."""

    code = "TL0722"


class NumericalGuardError(TileLangError, ArithmeticError):
    """A value became infinite or NaN in a kernel under `tl.check_finite`.

    Attributes
    ----------
    name : str
        The tensor or variable.
    lane : int
        The row-major number of the tensor's element, or the number of the thread in the grid.
    step : int
        The iteration of the outermost loop in which it happened first; 0 outside of loops.
    index : tuple of int
        The tensor's element; empty for a variable, and where the tensor's shape is not known.
    """

    code = "TL0850"

    def __init__(
        self, message: str, *, name: str = "", lane: int = 0, step: int = 0, index: tuple[int, ...] = (), **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.name, self.lane, self.step, self.index = name, lane, step, index


class SimulationError(TileLangError, RuntimeError):
    """A simulated kernel went wrong: out of bounds, deadlock, misuse."""

    code = "TL0800"


class PerformanceWarning(UserWarning):
    """Correct, but slower than it needs to be."""


class ExperimentalWarning(UserWarning):
    """A part of the interface that may still change."""
