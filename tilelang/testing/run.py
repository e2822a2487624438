"""Running a test file by itself, and seeds."""

from __future__ import annotations

import inspect
import sys


def set_random_seed(seed: int = 42) -> None:
    """Seed Python's, NumPy's and torch's generators."""
    import random

    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)


def main() -> None:
    """Run pytest on the calling file with the command line's further arguments."""
    import pytest

    caller = inspect.stack()[1].filename
    sys.exit(pytest.main([caller, *sys.argv[1:]]))
