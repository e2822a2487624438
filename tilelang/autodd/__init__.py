"""Reduce a failing program to the few lines that still fail with the same text (delta debugging).

`python -m tilelang.autodd SOURCE --err-msg TEXT -o OUT`. Importing this loads neither TVM nor torch; candidates run in processes
of their own, which may hang or crash.

References
----------
A. Zeller, R. Hildebrandt: Simplifying and Isolating Failure-Inducing Input, IEEE TSE 28 (2002).
G. Misherghi, Z. Su: HDD: Hierarchical Delta Debugging, ICSE 2006.
"""

from __future__ import annotations

from tilelang.autodd.reduce import Reduction, reduce_program

__all__ = ["Reduction", "reduce_program"]
