"""Which device functions exist, where they are declared, and which TIR operators they stand for."""

from __future__ import annotations

from dataclasses import dataclass

_TENSOR_SHAPES = ("16x64b", "16x128b", "16x256b", "16x32bx2")  # of loads and stores of 16 lanes of tensor memory
_FAMILIES = {
    "core": "sync_threads sync_warp bar_sync bar_arrive fence_block fence_device fence_proxy_async"
    " cast cast_array floordiv floormod min max"
    " load store shl shr reinterpret is_null known",
    "math": "exp exp2 exp10 log log2 log10 log1p expm1 sqrt rsqrt sin cos tan sinh cosh tanh asin acos atan asinh acosh atanh"
    " atan2 pow erf floor ceil round trunc nearbyint abs fabs fmod isnan isinf isfinite sigmoid copysign hypot fma popcount clz"
    " ffs fns ldexp nextafter"
    " fast_exp fast_exp2 fast_exp10 fast_log fast_log2 fast_log10 fast_sin fast_cos fast_tan fast_tanh fast_sqrt fast_rsqrt"
    " fast_rcp fast_div fast_pow",
    "shuffle": "warp_uniform shfl_xor shfl shfl_up shfl_down elect_one ballot any all match_any match_all activemask",
    "masked": "sync_lanes ballot_among any_among all_among match_any_among match_all_among shfl_among shfl_up_among"
    " shfl_down_among shfl_xor_among",
    "vote": "syncthreads_and syncthreads_or syncthreads_count",
    "reduce": "warp_reduce warp_scan combine",
    "atomic": "atomic_add atomic_max atomic_min atomic_and atomic_or atomic_xor atomic_load atomic_store atomic_add_vec",
    "partial_sums": "give_sums take_sums",
    "atomic_lanes": "atomic_add_lanes atomic_fetch_add_lanes",
    "cp_async": "cp_async cp_async_commit cp_async_wait",
    "ldmatrix": " ".join(f"{way}matrix_x{n}{t}" for way in ("ld", "st") for n in (1, 2, 4) for t in ("", "_trans")),
    "mma_sp": "mma_sp_m16n8k32 mma_sp_m16n8k16 mma_sp_m16n8k64",
    "mma_scaled": "mma_scaled_m16n8k64 mma_scaled_m16n8k32",
    "sparse_metadata": "sparse_metadata",
    "wgmma_sp": "wgmma_sp_ss wgmma_sp_rs",
    "mma": "mma_m16n8k16 mma_m16n8k8 mma_m16n8k32 mma_m8n8k4 mma_ready",
    "wgmma": "wgmma_ss wgmma_rs wgmma_ss_steps wgmma_rs_steps overwrite wgmma_fence wgmma_commit wgmma_wait wgmma_pin"
    " wgmma_descriptor",
    "tcgen05": "tcgen05_alloc tcgen05_dealloc tcgen05_relinquish tcgen05_fence_before tcgen05_fence_after tcgen05_ld tcgen05_st"
    " tcgen05_wait_ld tcgen05_wait_st tcgen05_pin tcgen05_descriptor tcgen05_mma_ss tcgen05_mma_ts tcgen05_commit"
    " tcgen05_commit_pair tcgen05_mma_scaled tcgen05_cp_warpx4"
    " tcgen05_issue_ss tcgen05_issue_ts tcgen05_issue_masked_ss tcgen05_issue_masked_ts tcgen05_shift",
    "tcgen05_shapes": " ".join(f"tcgen05_{way}_{shape}" for way in ("ld", "st") for shape in _TENSOR_SHAPES),
    "tma_rows": "tma_gather4 tma_gather4_hint tma_scatter4 tma_scatter4_hint",
    "clc": "clc_try_cancel clc_try_cancel_multicast clc_is_canceled clc_first_ctaid_x clc_first_ctaid_y clc_first_ctaid_z",
    "unpack": "unpack look_up",
    "float4": "encode_float4",
    "dot": "dp4a",
    **{
        name: " ".join(f"{name}_{what}" for what in "init next uniform32 uniform64 normal32 normal64".split())
        for name in ("xorwow", "mrg32k3a")
    },
    "random": "philox_init philox_next philox_uniform32 philox_uniform64 philox_normal32 philox_normal64",
    "vector": "lane pack load_as store_as load_read_only",
    "rounding": "ieee_add ieee_sub ieee_mul ieee_div ieee_fma ieee_sqrt ieee_rcp ieee_rsqrt cast_rounded cast_stochastic",
    "print": "print_message print_value print_element device_assert set_thread",
    "gemm": "cpu_gemm",  # of src/cpu
    "mbarrier": "mbarrier_init mbarrier_invalidate mbarrier_arrive mbarrier_arrive_expect_tx mbarrier_expect_tx mbarrier_wait"
    " fence_mbarrier_init mbarrier_arrive_remote cp_async_mbarrier_arrive cp_async_mbarrier_arrive_noinc",
    "tma": "tma_load tma_load_hint tma_load_multicast tma_load_multicast_hint tma_store tma_store_hint tma_prefetch",
    "bulk": "bulk_copy_to_rank bulk_load",
    "cache_policy": "l2_evict_first l2_evict_last",
    "bulk_group": "bulk_commit bulk_wait bulk_wait_read",
    "cluster": "cluster_sync cluster_arrive cluster_arrive_relaxed cluster_wait cluster_rank grid_launch_dependents"
    " grid_dependency_wait grid_sync store_to_rank store_wide_to_rank",
    "registers": "set_max_registers_increase set_max_registers_decrease",
}
HEADER_OF = {name: f"tl/{family}.h" for family, names in _FAMILIES.items() for name in names.split()}

# TVM's operators that carry another name there.
_ALIASES = {"fabs": "abs", "nearbyint": "nearbyint", "shift_left": "shl", "shift_right": "shr"}
_FAST = {name: f"fast_{name}" for name in "exp exp2 exp10 log log2 log10 sin cos tan tanh sqrt rsqrt pow".split()}
# Pointer arguments (by position) that a function only reads; all other pointers count as written.
_READS = {
    "load": (1,),
    "bulk_copy_to_rank": (1,),
    "bulk_load": (1,),
    "store": (1,),
    "store_wide_to_rank": (2,),
    "cp_async": (1,),
    "atomic_load": (0,),
    "give_sums": (2,),
    "take_sums": (1, 2),
    "cpu_gemm": (0, 2),
    "atomic_add_vec": (1,),
    "cast_array": (1,),
    "unpack": (1,),
    "look_up": (1,),
    "dp4a": (0, 1),
    "load_as": (0,),
    "load_read_only": (0,),
    **{f"ldmatrix_x{n}{t}": (1,) for n in (1, 2, 4) for t in ("", "_trans")},
    **{f"stmatrix_x{n}{t}": (1,) for n in (1, 2, 4) for t in ("", "_trans")},
    "wgmma_rs": (1,),
    "wgmma_rs_steps": (1,),
    "wgmma_descriptor": (0,),
    "wgmma_sp_rs": (1,),
    "tcgen05_descriptor": (0,),
    **{f"clc_{name}": (0,) for name in ("is_canceled", "first_ctaid_x", "first_ctaid_y", "first_ctaid_z")},
    **{f"tcgen05_st{shape}": (1,) for shape in ("", *(f"_{s}" for s in _TENSOR_SHAPES))},
    **{name: (1, 2) for name in ("mma_m16n8k16", "mma_m16n8k8", "mma_m16n8k32", "mma_m8n8k4")},
    **{name: (1, 2) for name in ("mma_sp_m16n8k32", "mma_sp_m16n8k16", "mma_sp_m16n8k64")},
    **{name: (1, 2) for name in ("mma_scaled_m16n8k64", "mma_scaled_m16n8k32")},
}


@dataclass(frozen=True)
class DeviceFunction:
    """A function of the device library: `text` as it is called, `header` that declares it."""

    text: str
    header: str


def base_name(op: str) -> str:
    """An operator's name without its dialect."""
    return op.partition(".")[2] if op.partition(".")[0] in ("tl", "tirx", "prim") else op


def find_function(op: str, fast_math: bool = False) -> DeviceFunction | None:
    """The device function that implements operator `op` ("tl.exp2", "tirx.exp2"), or None."""
    name = base_name(op)
    name = _ALIASES.get(name, name) if op.startswith(("tirx.", "prim.")) else name
    if fast_math:
        name = _FAST.get(name, name)
    header = HEADER_OF.get(name)
    return None if header is None else DeviceFunction(f"tl::{name}", header)


def reads_only(op: str, position: int) -> bool:
    """True if the function does not write through its pointer argument at `position`."""
    return position in _READS.get(base_name(op), ())
