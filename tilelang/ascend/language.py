"""The language, under the name of this back end's dialect; what it compiles for is said by the target."""

from __future__ import annotations

import sys

import tilelang.language

sys.modules[__name__] = tilelang.language
