"""The passes for CPU targets, in order."""

from __future__ import annotations

from ..bind_views import bind_views
from ..check_semantics import check_semantics
from ..expand_reducers import expand_reducers
from ..expand_sparse import expand_sparse
from ..flatten_buffers import flatten_buffers
from ..grow_fragments import grow_fragments
from ..pack_sub_byte import pack_sub_byte
from ..pipeline import Pass
from ..simplify import simplify
from ..widen_indices import widen_indices
from . import gemm, print, reduce, scan
from .drop_schedule import drop_schedule
from .localize_tiles import localize_tiles
from .lower_tiles import lower_tiles
from .reducers import assign_contributions
from .serialize_threads import serialize_threads

# Importing these says how their operators are lowered.
OPERATORS = (gemm, print, reduce, scan)

CPU: tuple[Pass, ...] = (
    # what the program says
    drop_schedule,
    expand_reducers,
    check_semantics,
    expand_sparse,
    pack_sub_byte,
    bind_views,
    grow_fragments,
    # one thread runs the block
    assign_contributions,
    serialize_threads,
    lower_tiles,
    localize_tiles,
    # plain code
    simplify,
    widen_indices,
    flatten_buffers,
)
