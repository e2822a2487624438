"""The keys of `pass_configs`: plain strings also work; an unknown key is an error."""

from __future__ import annotations

import difflib
from enum import Enum
from typing import Any

from tilelang.errors import TileLangError


class PassConfigError(TileLangError, AttributeError, ValueError):
    """A pass configuration that does not exist or cannot have that value."""

    code = "TL0206"


class PassConfigKey(str, Enum):
    """Options of a compilation. The value is the key's string form."""

    TL_SIMPLIFY = "tl.Simplify"
    TL_SIMPLIFY_TRANSITIVELY_PROVE_INEQUALITIES = "transitively_prove_inequalities"
    TL_SIMPLIFY_CONVERT_BOOLEAN_TO_AND_OF_ORS = "convert_boolean_to_and_of_ors"
    TL_SIMPLIFY_APPLY_CONSTRAINTS_TO_BOOLEAN_BRANCHES = "apply_constraints_to_boolean_branches"
    TL_SIMPLIFY_PROPAGATE_KNOWNS_TO_PROVE_CONDITIONAL = "propagate_knowns_to_prove_conditional"
    TL_SIMPLIFY_PROPAGATE_KNOWNS_TO_SIMPLIFY_EXPRESSIONS = "propagate_knowns_to_simplify_expressions"
    TL_SIMPLIFY_ENABLE_LET_INLINE = "enable_simplify_let_inline"
    TL_CHECK_FINITE = "tl.check_finite"
    TL_DISABLE_BUFFER_INIT_CHECK = "tl.disable_buffer_init_check"
    TL_DISABLE_DATA_RACE_CHECK = "tl.disable_data_race_check"
    TL_DISABLE_PRELOWER_SEMANTIC_CHECK = "tl.disable_prelower_semantic_check"
    TL_DISABLE_WARP_SPECIALIZED = "tl.disable_warp_specialized"
    TL_ENABLE_AUTO_SCHEDULE = "tl.enable_auto_schedule"
    TL_ENABLE_AUTO_WARP_SPECIALIZATION = "tl.enable_auto_warp_specialization"
    TL_ENABLE_FAST_MATH = "tl.enable_fast_math"
    TL_PTXAS_REGISTER_USAGE_LEVEL = "tl.ptxas_register_usage_level"
    TL_DEVICE_COMPILE_FLAGS = "tl.device_compile_flags"
    TL_EMIT_LINE_DIRECTIVES = "tl.emit_line_directives"
    TL_CONFIG_INDEX_BITWIDTH = "tl.config_index_bitwidth"
    TL_ENABLE_REDUCER_PLAN_VERBOSE = "tl.enable_reducer_plan_verbose"
    TL_LAYOUT_COST_MODEL = "tl.layout_cost_model"
    TL_REDUCER_FORCE_BASELINE = "tl.reducer_force_baseline"
    TL_DISABLE_TMA_LOWER = "tl.disable_tma_lower"
    TL_DISABLE_SAFE_MEMORY_ACCESS = "tl.disable_safe_memory_legalize"
    TL_DISABLE_VECTORIZE_256 = "tl.disable_vectorize_256"
    TL_ENABLE_FP32X2_REDUCTION = "tl.enable_fp32x2_reduction"
    TL_ENABLE_ASYNC_COPY = "tl.enable_async_copy"
    TL_ENABLE_LOWER_LDGSTG = "tl.enable_lower_ldgstg"
    TL_ENABLE_LOWER_LDGSTG_PREDICATED = "tl.enable_lower_ldgstg_predicated"
    TL_ENABLE_VECTORIZE_PLANNER_VERBOSE = "tl.enable_vectorize_planner_verbose"
    TL_DISABLE_WGMMA = "tl.disable_wgmma"
    TL_DISABLE_GEMM_OVERLAP = "tl.disable_gemm_overlap"
    TL_DISABLE_BLOCK_REORDERING = "tl.disable_block_reordering"
    TL_ENABLE_PERSISTENT_BLOCKS = "tl.enable_persistent_blocks"
    TL_ENABLE_STREAM_K = "tl.enable_stream_k"
    TL_ENABLE_TILE_RESIZING = "tl.enable_tile_resizing"
    TL_ENABLE_STAGED_STORES = "tl.enable_staged_stores"
    TL_DISABLE_GROUP_STORES = "tl.disable_group_stores"
    TL_ENABLE_PING_PONG = "tl.enable_ping_pong"
    TL_JOINED_STEPS = "tl.joined_steps"
    TL_EXACT_NUM_STAGES = "tl.exact_num_stages"
    TL_EXACT_RASTERIZATION = "tl.exact_rasterization"
    TL_DEBUG_MERGE_SHARED_MEMORY_ALLOCATIONS = "tl.debug_merge_shared_memory_allocations"
    TL_ENABLE_AGGRESSIVE_SHARED_MEMORY_MERGE = "tl.enable_aggressive_shared_memory_merge"
    TL_DISABLE_SHARED_MEMORY_REUSE = "tl.disable_shared_memory_reuse"
    TL_DISABLE_SHUFFLE_ELECT = "tl.disable_shuffle_elect"
    TL_DISABLE_LOOP_UNSWITCHING = "tl.disable_loop_unswitching"
    TL_LOOP_UNSWITCHING_ALLOW_NON_TRIVIAL_ELSE = "tl.loop_unswitching_allow_non_trivial_else"
    TL_IF_STMT_BINDING_INLINE_REPLAYABLE_BINDS = "tl.if_stmt_binding_inline_replayable_binds"
    TL_DISABLE_THREAD_STORAGE_SYNC = "tl.disable_thread_storage_sync"
    TL_FORCE_LET_INLINE = "tl.force_let_inline"
    TL_AST_PRINT_ENABLE = "tl.ast_print_enable"
    TL_LAYOUT_VISUALIZATION_ENABLE = "tl.layout_visualization_enable"
    TL_LAYOUT_VISUALIZATION_FORMATS = "tl.layout_visualization_formats"
    TL_STORAGE_REWRITE_DETECT_INPLACE = "tl.storage_rewrite_detect_inplace"
    TIR_ENABLE_EQUIV_TERMS_IN_CSE = "tir.enable_equiv_terms_in_cse_tir"
    TIR_DISABLE_CSE = "tirx.disable_cse_tir"
    TIR_SIMPLIFY = "tirx.Simplify"
    TIR_DISABLE_STORAGE_REWRITE = "tirx.disable_storage_rewrite"
    TIR_DISABLE_VECTORIZE = "tirx.disable_vectorize"
    TIR_USE_ASYNC_COPY = "tirx.use_async_copy"
    TIR_ENABLE_DEBUG = "tirx.enable_debug"
    TIR_MERGE_STATIC_SMEM = "tirx.merge_static_smem"
    TIR_ADD_LOWER_PASS = "tirx.add_lower_pass"
    TIR_NOALIAS = "tirx.noalias"
    CUDA_KERNELS_OUTPUT_DIR = "cuda.kernels_output_dir"
    TL_DISABLE_OUT_OF_BOUND_WARNING = "tl.disable_out_of_bound_warning"
    TL_ENABLE_DUMP_IR = "tl.enable_dump_ir"
    TL_DUMP_IR_DIR = "tl.dump_ir_path"
    TL_PASS_PROFILE = "tl.pass_profile"
    TL_PASS_PROFILE_THRESHOLD_MS = "tl.pass_profile_threshold_ms"

    def __str__(self) -> str:
        return self.value


_BY_STRING = {key.value: key for key in PassConfigKey}
# Spellings of older programs.
_ALIASES = {key.value.replace("tirx.", "tir."): key for key in PassConfigKey if key.value.startswith("tirx.")}


def normalize_pass_configs(configs: dict[str | PassConfigKey, Any] | None) -> dict[str, Any]:
    """`configs` with plain string keys, checked.

    Raises
    ------
    PassConfigError
        For a key that does not exist; the message proposes the nearest one.
    """
    result: dict[str, Any] = {}
    for key, value in (configs or {}).items():
        text = str(key)
        known = _BY_STRING.get(text) or _ALIASES.get(text) or PassConfigKey.__members__.get(text)
        if known is None:
            near = difflib.get_close_matches(text, [*_BY_STRING, *PassConfigKey.__members__], n=1)
            raise PassConfigError(
                f"Invalid config option {text!r} in pass_configs",
                fix=f"did you mean {near[0]!r}?" if near else "see tilelang.PassConfigKey",
            )
        if known is PassConfigKey.TIR_ADD_LOWER_PASS and value:
            raise PassConfigError(
                f"{known.value} in pass_configs: this version's passes work on launches, among which a pass of TVM has no place",
                fix="register_cuda_postproc edits the text; tilelang.tools.lower_trace shows the passes",
            )
        result[known.value] = value
    return result
