"""Lets the tests of this folder import the interpreter beside them whatever pytest's import mode."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
