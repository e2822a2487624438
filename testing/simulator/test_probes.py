"""The programs of device_compare.py: enough of them, each with a name of its own, and their simulator's half runs."""

from __future__ import annotations

import numpy as np
import pytest

from testing.simulator.device_compare import PROBES, batches, compare, simulate

_FEW = ("sp_mma", "mbarrier_", "cluster_", "vote_", "cp_async_", "tma_im2col_")


def test_there_are_enough():
    names = [probe.name for probe in PROBES]
    assert len(names) >= 120 and len(set(names)) == len(names)


@pytest.mark.parametrize("prefix", _FEW)
def test_runs_in_the_simulator(prefix):
    for batch in batches(probe for probe in PROBES if probe.name.startswith(prefix)):
        module = batch.simulated()
        for probe in batch.probes:
            first, second = simulate(module, probe), simulate(module, probe)
            row = compare(probe, first, second)
            assert row["identical"] and row["outputs"] == sum(result.size for result in first)
            first[0].view(np.uint8).reshape(-1)[0] ^= 1
            assert compare(probe, first, second)["differing"] == 1
