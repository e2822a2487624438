"""Variables of TileLang 0.1 that have nothing to set here, and why: naming one is reported, never silently swallowed."""

from __future__ import annotations

_NO_FORK = "this version runs on stock apache-tvm from the package index"
_NO_TEMPLATES = "the device library is part of this package and uses no other headers"

INERT = {
    "TL_CUTLASS_PATH": _NO_TEMPLATES,
    "TL_COMPOSABLE_KERNEL_PATH": _NO_TEMPLATES,
    "TL_TEMPLATE_PATH": _NO_TEMPLATES,
    "TVM_IMPORT_PYTHON_PATH": _NO_FORK,
    "TVM_LIBRARY_PATH": _NO_FORK,
    "SKIP_LOADING_TILELANG_SO": "native libraries are loaded at first use anyway",
    "TILELANG_HIP_SAVE_TEMP_FILES": "there is no HIP back end",
    "TILELANG_ENABLE_IR_SPAN": "source lines are always kept",
    "TILELANG_LAYOUT_COST_MODEL": "layouts are not chosen by a cost model; see kernel.remarks for what was chosen",
    "TILELANG_ENABLE_DATA_RACE_CHECK": "use TILELANG_CHECK=race, which checks the lowered kernel in the simulator",
}
