# ruff: noqa: F401 - this module is a list of names for others
"""The one door to TVM: nodes, constructors, visitors, analysis. No other package imports `tvm`."""

from __future__ import annotations

from . import nodes
from .analysis import analyzer_for, can_prove, script, simplify, simplify_func, structural_equal
from .make import (
    address_of,
    alloc,
    as_expr,
    buffer,
    buffer_dtype,
    buffer_region,
    call,
    call_name,
    const,
    const_int,
    const_number,
    dtype_of,
    evaluate,
    full_region,
    is_call,
    is_noop,
    items,
    load,
    make_span,
    noop,
    pure_call,
    region,
    register_op,
    scope_of,
    seq,
    shape_of,
    span_to_source,
    statements,
    static_shape,
    strides_of,
    var,
    zero,
)
from .nodes import *  # noqa: F403
from .select import if_then_else
from .visit import Mutator, Visitor, bound_vars, collect, contains, declared_buffers, substitute, uses_var, walk
