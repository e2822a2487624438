"""The language, under the name of its CUDA dialect: `import tilelang.cuda.language as T` is `import tilelang.language as T`."""

from __future__ import annotations

import sys

import tilelang.language

sys.modules[__name__] = tilelang.language
