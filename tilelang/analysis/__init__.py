"""The rules of the language as passes that change nothing: they return the module, or refuse it with the author's line.

Every compilation checks them (`tilelang.transform.check_semantics`); these are for programs that ask without compiling.
"""

from __future__ import annotations

from tilelang.analysis.loop_checkers import FragmentLoopChecker, NestedLoopChecker

__all__ = ["FragmentLoopChecker", "NestedLoopChecker"]
