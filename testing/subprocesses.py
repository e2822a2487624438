"""What a process that a test starts is given."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]


def module_path(*first: Path | str) -> str:
    """A PYTHONPATH: these directories, then the one that this process was given, which may hold what the package needs."""
    return os.pathsep.join(filter(None, (*map(str, first), os.environ.get("PYTHONPATH"))))
