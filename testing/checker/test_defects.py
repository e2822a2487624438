"""Every planted defect is reported at its line, and its corrected twin is not."""

from __future__ import annotations

import pytest

from testing.checker.defect import Defect
from testing.checker.planted import DEFECTS
from tilelang.simulator.check import CheckReport, check_device_text

IDS = [d.name.replace(" ", "-") for d in DEFECTS]


def run(defect: Defect, planted: bool) -> CheckReport:
    return check_device_text(
        defect.text(planted),
        "k",
        (defect.grid,),
        (defect.block,),
        defect.arguments(),
        shared_bytes=defect.shared,
        fresh=defect.fresh,
        cluster=(defect.cluster,),
        cooperative=defect.cooperative,
    )


@pytest.mark.parametrize("defect", DEFECTS, ids=IDS)
def test_planted(defect):
    report = run(defect, True)
    matching = [f for f in report.findings if f.check == defect.expected]
    assert matching, f"no {defect.expected} finding:\n{report}"
    assert any(defect.at in a.text for f in matching for a in f.accesses), f"not at `{defect.at}`:\n{report}"
    if defect.also:
        assert any(defect.also in a.text for f in matching for a in f.accesses), f"does not name `{defect.also}`:\n{report}"


@pytest.mark.parametrize("defect", DEFECTS, ids=IDS)
def test_corrected(defect):
    report = run(defect, False)
    assert report.ok, str(report)


def test_there_are_enough():
    assert len(DEFECTS) >= 120 and len(set(IDS)) == len(IDS)
