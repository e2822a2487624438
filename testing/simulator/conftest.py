"""Kernels of these tests are compiled once a session."""

from __future__ import annotations

import functools
import zlib

import numpy as np
import pytest

from tilelang.simulator import SimulatedModule, compile_kernel


@functools.cache
def _module(source: str, entries: tuple[str, ...]) -> SimulatedModule:
    return SimulatedModule(compile_kernel(source, list(entries)))


@pytest.fixture(scope="session")
def build():
    """`build(source, *entries)`: a loaded module."""
    return lambda source, *entries: _module(source, entries)


@pytest.fixture
def rng(request):
    """Inputs are random but repeatable: the seed is the test's name."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))
