"""Which rows of docs/jit.md a run has shown: what `pytest -m gpu` prints at its end."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

_PROPERTY = "row of docs/jit.md"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("row"):
        item.user_properties.append((_PROPERTY, mark.args[0]))


def pytest_terminal_summary(terminalreporter, config) -> None:
    """A line for each row, where tests were chosen by a marker."""
    if not config.option.markexpr:
        return
    outcomes: dict[str, Counter] = defaultdict(Counter)
    for outcome in ("passed", "failed", "skipped", "error"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, row in getattr(report, "user_properties", ()):
                if name == _PROPERTY:
                    outcomes[row][outcome] += 1
    if outcomes:
        from tilelang.target import device_arch

        place = f"on {device_arch()}" if device_arch() else "in the simulator: no GPU here"
        terminalreporter.section(f"rows of docs/jit.md, {place}")
    for row, counts in sorted(outcomes.items()):
        words = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        wrong = bool(counts["failed"] or counts["error"])
        state = "WRONG" if wrong else "shown" if not counts["skipped"] else "in part" if counts["passed"] else "not run"
        terminalreporter.line(f"{row}: {state} ({words})", green=state == "shown", red=wrong)
