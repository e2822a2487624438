"""Tile programs run by Python and NumPy: no lowering, no compiler, tiles that can be looked at (`jit=False`; docs/jit.md).

Blocks run one after the other. A statement of single threads runs for all threads of its block at once, as NumPy arrays with one
entry a thread and a mask, so that the barriers between statements are already met. `T.Parallel` runs the same way over its
iterations. Every rule here is the language's, none of it the compiler's: what the two disagree on is a defect of one.
"""

from __future__ import annotations
