"""Work in processes of its own, item by item: what kills its process, or its process' GPU context, costs that item alone."""

from __future__ import annotations

import functools
import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

# `run(items)` yields one result for each item, in order, and may stop early: it is called again with the items left over.
Run = Callable[[list[Any]], Iterator[Any]]


def _child(connection: Connection, run: Run, items: list[Any]) -> None:
    try:
        for result in run(items):
            connection.send(result)
    finally:
        connection.close()


def _one_process(run: Run, items: list[Any], seconds: float, report: Callable[[Any], None]) -> tuple[int, str]:
    """How many items a fresh process got through, and how it ended if not by itself."""
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(theirs, run, items), daemon=True)
    process.start()
    theirs.close()
    done, end = 0, ""
    try:
        while done < len(items):
            if not ours.poll(seconds):
                end = f"no result in {seconds:.0f} s"
                break
            report(ours.recv())
            done += 1
    except EOFError:
        process.join()
        if process.exitcode:
            end = f"its process ended with {process.exitcode}"
    if end.startswith("no result"):
        process.kill()
    process.join()
    ours.close()
    return done, end


def isolated(
    run: Run,
    groups: Sequence[Sequence[Any]],
    lost: Callable[[Any, str], Any],
    *,
    jobs: int,
    seconds: float = 120,
    report: Callable[[Any], None] | None = None,
) -> list[Any]:
    """The results of all items, group after group; each group in a process of its own, `jobs` at a time.

    A process that ends, stops early or is silent for `seconds` is followed by another one for the rest of its group; an item
    that was being worked on when its process died has the result `lost(item, how)`.

    Parameters
    ----------
    run : callable
        Importable by name (it is pickled).
    groups : sequence of sequences
        Items that share a process.
    report : callable, optional
        Called with each result as it comes, by one thread at a time.
    """
    results: list[list[Any]] = [[] for _ in groups]
    stop, one_at_a_time = threading.Event(), threading.Lock()

    def keep(index: int, result: Any) -> None:
        results[index].append(result)
        if report:
            with one_at_a_time:
                report(result)

    def work(index: int) -> None:
        items = list(groups[index])
        while items and not stop.is_set():
            done, end = _one_process(run, items, seconds, functools.partial(keep, index))
            if end or not done:
                keep(index, lost(items[done], end or "its process stopped without a result"))
                done += 1
            items = items[done:]

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for finished in [pool.submit(work, i) for i in range(len(groups))]:
                finished.result()
        except BaseException:
            stop.set()
            raise
    return [result for group in results for result in group]
