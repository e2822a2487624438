"""The search: statements first, from the outside in, then what is left of them, until nothing more can go."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tilelang.autodd.calls import without_calls
from tilelang.autodd.edits import edits
from tilelang.autodd.parameters import without_parameters
from tilelang.autodd.runner import Runner
from tilelang.autodd.tree import edited, size, statements, text_of, without
from tilelang.errors import ArgumentError


@dataclass(frozen=True)
class Reduction:
    """What is left of a program.

    Parameters
    ----------
    text : str
    runs : int
        How many candidates ran.
    lines_before, lines_after : int
        Of the program without comments and empty lines.
    """

    text: str
    runs: int
    lines_before: int
    lines_after: int


def reduce_program(
    source: str | Path,
    err_msg: str,
    *,
    output: str | Path | None = None,
    backend: str = "fork",
    timeout: float = 60.0,
    jobs: int = 1,
    progress: Callable[[str], None] = lambda line: None,
) -> Reduction:
    """Reduce a program to one that still fails with a text, and of which no statement or expression can be left out.

    Parameters
    ----------
    source : path
        A Python file that fails when it is run.
    err_msg : str
        A part of what its exception says, or of what it prints.
    output : path, optional
        Where the smallest program so far is written, whenever there is one.
    backend : {"fork", "process"}
        How candidates run: forked from a process that has imported what the program imports, or each in a fresh interpreter (for
        programs that do not survive the first).
    timeout : float
        Seconds after which a candidate is killed; it then does not count.
    jobs : int
        How many candidates run at a time; the result does not depend on it.
    progress : callable, optional
        Told a line now and then.

    Raises
    ------
    ArgumentError
        If the program does not fail with this text.

    Examples
    --------
    >>> reduce_program("kernel.py", "copy extents do not match", output="small.py").lines_after
    """
    path = Path(source)
    try:
        tree = ast.parse(path.read_text())
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path} is no program: {error}", fix="name a Python file") from None
    with Runner(path, err_msg, backend, timeout, jobs) as runner:
        search = _Search(runner, tree, None if output is None else Path(output), progress)
        if not runner.fails(search.text):
            tail = "\n".join(runner.last_output.splitlines()[-8:])
            raise ArgumentError(
                f"{path} does not fail with {err_msg!r}",
                fix="a part of what its exception says; --timeout, if it takes longer; --backend process",
                notes=(f"it said:\n{tail}",),
            )
        before = search.text.count("\n")
        search.run()
        return Reduction(search.text, runner.runs, before, search.text.count("\n"))


class _Search:
    """The smallest tree so far, and the ways to a smaller one."""

    def __init__(self, runner: Runner, tree: ast.Module, output: Path | None, progress: Callable[[str], None]) -> None:
        self.runner, self.output, self.progress = runner, output, progress
        text = text_of(tree)
        assert text is not None
        self.tree, self.text = ast.parse(text), text

    def run(self) -> None:
        self._keep(self.tree, self.text)
        before = ""
        while before != self.text:
            before = self.text
            self._statements()
            self._sweep(_edited)
            self._sweep(without_parameters)
            self._sweep(without_calls)

    def _keep(self, tree: ast.Module, text: str) -> None:
        self.tree, self.text = ast.parse(text), text
        if self.output is not None:
            self.output.write_text(text)
        self.progress(f"{self.runner.runs} runs: {text.count(chr(10))} lines, {size(tree)} nodes")

    def _smaller(self, tree: ast.Module) -> str | None:
        """The tree as text, if it is a program and smaller than the one at hand."""
        text = text_of(tree)
        if text is None or (size(ast.parse(text)), len(text)) >= (size(self.tree), len(self.text)):
            return None
        return text

    def _first(self, trees: Iterable[ast.Module]) -> int | None:
        """The index of the first tree that fails in the same way, which is then kept."""
        found = [(index, tree, text) for index, tree in enumerate(trees) if (text := self._smaller(tree)) is not None]
        hit = self.runner.first([text for _, _, text in found])
        if hit is None:
            return None
        index, tree, text = found[hit]
        self._keep(tree, text)
        return index

    def _statements(self) -> None:
        """Leave out statements: those of the module, then those inside them, and so on; runs of them first, then each."""
        depth = 0
        while numbers := statements(self.tree, depth):
            chunk = len(numbers)
            while chunk:
                start = 0
                while start < len(numbers):
                    starts = range(start, min(start + chunk * self.runner.jobs, len(numbers)), chunk)
                    windows = [set(numbers[first : first + chunk]) for first in starts]
                    hit = self._first(without(self.tree, window) for window in windows)
                    if hit is None:
                        start += chunk * len(windows)
                    else:
                        start += chunk * hit
                        numbers = statements(self.tree, depth)
                chunk //= 2
            depth += 1

    def _sweep(self, candidates: Callable[[ast.Module], list[Callable[[], ast.Module]]]) -> None:
        """Try candidates in order; from the one that is kept on with those of the smaller tree."""
        done, found = 0, candidates(self.tree)
        while done < len(found):
            batch = found[done : done + self.runner.jobs]
            hit = self._first(make() for make in batch)
            if hit is None:
                done += len(batch)
            else:
                done, found = done + hit, candidates(self.tree)


def _edited(tree: ast.Module) -> list[Callable[[], ast.Module]]:
    return [functools.partial(edited, tree, edit) for edit in edits(tree)]
