"""Pass configurations of TileLang 0.1 that steer nothing here, and why: giving one is remarked, never silently swallowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tilelang.remarks import Remark

_NO_PASS = "no pass of this version does what it would steer"
_SIMPLIFIED = "what the ranges of a program's variables decide is always folded"
_BY_EFFECTS = "copies are asynchronous where the effects of the loop around them allow it"
_NO_PLAN = "reducers become one partial tile for each loop that contributes"
_ACCESSES = "accesses are guarded exactly where they are not proved to be in bounds"

REASONS = {
    **dict.fromkeys(
        (
            "tl.Simplify",
            "tirx.Simplify",
            "transitively_prove_inequalities",
            "convert_boolean_to_and_of_ors",
            "apply_constraints_to_boolean_branches",
            "propagate_knowns_to_prove_conditional",
            "propagate_knowns_to_simplify_expressions",
        ),
        _SIMPLIFIED,
    ),
    **dict.fromkeys(
        (
            "enable_simplify_let_inline",
            "tl.force_let_inline",
            "tl.disable_loop_unswitching",
            "tl.loop_unswitching_allow_non_trivial_else",
            "tl.if_stmt_binding_inline_replayable_binds",
            "tl.storage_rewrite_detect_inplace",
            "tl.disable_shuffle_elect",
            "tl.disable_vectorize_256",
            "tl.enable_fp32x2_reduction",
            "tl.enable_lower_ldgstg",
            "tl.enable_lower_ldgstg_predicated",
            "tir.enable_equiv_terms_in_cse_tir",
            "tirx.disable_cse_tir",
            "tirx.disable_storage_rewrite",
            "tirx.disable_vectorize",
            "tirx.enable_debug",
        ),
        _NO_PASS,
    ),
    **dict.fromkeys(("tl.disable_safe_memory_legalize", "tl.disable_out_of_bound_warning"), _ACCESSES),
    **dict.fromkeys(("tl.enable_async_copy", "tirx.use_async_copy"), _BY_EFFECTS),
    **dict.fromkeys(("tl.enable_reducer_plan_verbose", "tl.reducer_force_baseline"), _NO_PLAN),
    **dict.fromkeys(
        ("tl.enable_auto_schedule", "tl.enable_auto_warp_specialization"),
        "a producer warp is tried wherever TMA can bring a loop's tiles; tl.disable_warp_specialized forbids it",
    ),
    **dict.fromkeys(
        ("tl.enable_aggressive_shared_memory_merge", "tirx.merge_static_smem"),
        "tiles that are not alive together always share memory; tl.disable_shared_memory_reuse forbids it",
    ),
    "tl.disable_buffer_init_check": "compiling does not look for it; TILELANG_CHECK=init does, in the simulator",
    "tl.disable_data_race_check": "iterations of T.Parallel that would race are always refused",
    "tl.layout_cost_model": "layouts are not chosen by a cost model",
}


def inert_remarks(configs: Mapping[str, Any]) -> Iterable[Remark]:
    """A remark for each configuration that was given and steers nothing."""
    for key in configs:
        if key in REASONS:
            yield Remark("config", f"pass configuration {key} has no effect: {REASONS[key]}", values={"key": key})
