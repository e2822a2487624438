"""Fixtures of the whole-program tests: their inputs, and which part of the matrix runs.

Programs run on a GPU where there is one, else in the simulator on CPU tensors. A matrix of parameters is covered pairwise by
default; its extension (marked `gpu_matrix`) runs on a GPU, or anywhere with TILELANG_TEST_FULL=1.
"""

from __future__ import annotations

import os
import zlib

import pytest

from testing.programs.matrix import full_matrix


def pytest_configure(config):
    config.addinivalue_line("markers", "gpu_matrix: the extended matrix; runs on a GPU or with TILELANG_TEST_FULL=1")


def pytest_collection_modifyitems(config, items):
    extended = [item for item in items if item.get_closest_marker("gpu_matrix")]
    if not extended or full_matrix():
        return
    config.hook.pytest_deselected(items=extended)
    items[:] = [item for item in items if not item.get_closest_marker("gpu_matrix")]


@pytest.fixture(autouse=True)
def fresh_inputs(request):
    """Inputs differ from run to run; pytest shows the seed of a failed test, and TILELANG_TEST_SEED repeats it."""
    import torch

    given = os.environ.get("TILELANG_TEST_SEED")
    seed = int(given) if given else (zlib.crc32(request.node.nodeid.encode()) ^ int.from_bytes(os.urandom(3), "big"))
    print(f"inputs drawn with TILELANG_TEST_SEED={seed}")
    torch.manual_seed(seed)
