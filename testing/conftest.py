"""Shared by all tests: the cache goes to a directory of the run, and random numbers are seeded per test."""

from __future__ import annotations

import gc
import os
import zlib

import pytest
from hypothesis import settings

from testing.rows import pytest_runtest_setup, pytest_terminal_summary  # noqa: F401 - hooks

# The same examples in every run: a failure is a defect, never luck. HYPOTHESIS_PROFILE=explore draws new ones.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


# By default JAX takes three quarters of a GPU's memory when it first computes, out of reach of the workers beside it.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


@pytest.fixture(scope="session", autouse=True)
def cache_directory(tmp_path_factory):
    """Every run compiles afresh and leaves nothing behind; an explicit TILELANG_CACHE_DIR wins."""
    if "TILELANG_CACHE_DIR" not in os.environ:
        os.environ["TILELANG_CACHE_DIR"] = str(tmp_path_factory.mktemp("tilelang-cache"))
    return os.environ["TILELANG_CACHE_DIR"]


@pytest.fixture(scope="session")
def device() -> str:
    """Where a kernel's tensors live by default: "cuda" if there is a GPU, else "cpu" for the simulator."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture
def much_memory(device, tmp_path_factory):
    """For tests that need gigabytes of a GPU: those of all workers take turns, and give the memory back."""
    if device == "cpu":
        yield
        return
    import torch
    from filelock import FileLock

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with FileLock(shared / "much_memory.lock"):
        yield
        gc.collect()
        torch.cuda.empty_cache()


@pytest.fixture(autouse=True)
def seeded(request):
    """Inputs are random but repeatable: the seed is the test's name."""
    import torch

    torch.manual_seed(zlib.crc32(request.node.nodeid.encode()))
