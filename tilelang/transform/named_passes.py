"""The passes of TileLang 0.1 by name: what is a pass of its own here, and which of ours does what the others did.

Ours work on a launch with what is known about it (`KernelProgram`), not on modules: only what needs no more than the function
can be called by itself. `kernel.show_passes()` and `tilelang.tools.pass_visualizer` show what each of ours did.
"""

from __future__ import annotations

from typing import Any

from tilelang.absent import Absent
from tilelang.transform.module_pass import ModulePass

# Their name: ours (docs/architecture.md, section 5).
COUNTERPARTS = {
    "AnnotateDeviceRegions": "split_launches",
    "AnnotateReadOnlyParams": "split_launches",
    "AnnotateWarpGroupRegAlloc": "join_roles",
    "ClusterPlanning": "split_launches",
    "ConfigIndexBitwidth": "widen_indices",
    "EliminateStorageSyncForMBarrier": "insert_barriers",
    "FlattenBuffer": "flatten_buffers",
    "HoistGlobalBufferAllocations": "split_launches",
    "IfStmtBinding": "lower_pipelines",
    "InjectFenceProxy": "fence_async_proxy",
    "InjectPTXAsyncCopy": "lower_pipelines",
    "InjectSoftwarePipeline": "lower_pipelines",
    "InjectTmaBarrier": "specialize_warps",
    "LayoutInference": "infer_layouts",
    "LayoutReducer": "expand_reducers",
    "LegalizeSafeMemoryAccess": "lower_tile_operators",
    "LegalizeVectorizedLoop": "vectorize_loops",
    "LowerHopperIntrin": "lower_producer",
    "LowerSharedBarrier": "initialise_barriers",
    "LowerSharedTmem": "allocate_tensor_memory",
    "LowerThreadAllreduce": "lower_tile_operators",
    "LowerTileOp": "lower_tile_operators",
    "MergeSharedMemoryAllocations": "plan_shared_memory",
    "MultiVersionBuffer": "lower_pipelines",
    "PersistThreadblock": "specialize_warps",
    "PipelinePlanning": "lower_pipelines",
    "RewriteWgmmaSync": "overlap_gemms",
    "SplitHostDevice": "split_launches",
    "StorageRewrite": "plan_shared_memory",
    "ThreadSync": "insert_barriers",
    "VectorizeLoop": "vectorize_loops",
    "VerifyParallelLoop": "check_semantics",
    "WarpSpecialized": "specialize_warps",
    "WarpSpecializedPipeline": "specialize_warps",
}
# What is not a step here: the host's side is the launcher's, device code is printed from what the passes leave.
_NO_STEP = (
    "AlignDynamicSharedMemoryAllocations",
    "FrontendLegalize",
    "HoistNonRestrictParams",
    "InjectAssumes",
    "LegalizeNegativeIndex",
    "LetInline",
    "LoopUnswitching",
    "LowerAccessPtr",
    "LowerDeviceKernelLaunch",
    "LowerDeviceStorageAccessInfo",
    "LowerIntrin",
    "LowerL2Persistent",
    "LowerOpaqueBlock",
    "MakePackedAPI",
    "MaterializeKernelLaunch",
    "MergeIfStmt",
    "PlanAndUpdateBufferAllocationLocation",
    "ThreadPartialSync",
    "UnrollLoop",
)
_FIX = "kernel.show_passes(), or `tilelang show FILE:FUNCTION --after PASS`"


def Simplify() -> ModulePass:  # noqa: N802 - a documented name
    """A pass that folds what is constant and drops branches and loops that are decided.

    Examples
    --------
    >>> Simplify()(tvm.IRModule({"main": program}))["main"]
    """
    from tilelang import ir

    return ModulePass("Simplify", ir.simplify_func)


def get_pass_context() -> Any:
    """TVM's current PassContext; the options of a compilation are those of `pass_configs=`, whatever it holds."""
    from tilelang import ir

    return ir.tvm.transform.PassContext.current()


def pass_named(name: str) -> Any:
    """What `tilelang.transform.<name>` is, or None where TileLang 0.1 had none of that name."""
    if name in ("Simplify", "get_pass_context"):
        return globals()[name]
    if name in COUNTERPARTS:
        why = f"`{COUNTERPARTS[name]}` does its work, on a launch with all that is known about it instead of on a module"
        return Absent(f"tilelang.transform.{name}", why, _FIX)
    if name in _NO_STEP:
        return Absent(f"tilelang.transform.{name}", "there is no such step", _FIX)
    return None
