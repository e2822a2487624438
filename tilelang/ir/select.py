"""The conditional expression whose untaken side is not evaluated."""

from __future__ import annotations

from typing import Any

from tvm import tirx

from .nodes import Expr


def if_then_else(condition: Any, true_value: Any, false_value: Any) -> Expr:
    """`condition ? true_value : false_value`; loads on the side not taken do not happen."""
    return tirx.if_then_else(condition, true_value, false_value)
