"""The language, under the name that programs for the CPU import: what a CPU lacks says so when it is compiled for target="c"."""

from __future__ import annotations

import sys

import tilelang.language

sys.modules[__name__] = tilelang.language
