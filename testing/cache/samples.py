"""Entries that cost nothing to build."""

from __future__ import annotations

from tilelang.cache import Artifact, CacheKey
from tilelang.codegen.launch_plan import KernelLaunch, LaunchPlan
from tilelang.remarks import Remark, Remarks
from tilelang.toolchain import KernelResources

PLAN = LaunchPlan("k", (), (KernelLaunch("k", (["ceildiv", "n", 4], 1, 1), (32, 1, 1), 64, ()),), {"n": "int32"})
REMARKS = Remarks([Remark("missed", "a remark")])
RESOURCES = (KernelResources("k", 40, 8, 4, 4, 1),)


def sample(number: int = 0, size: int = 100) -> tuple[CacheKey, Artifact]:
    """The key and the artifact of an invented kernel; `size` bytes of binary."""
    key = CacheKey.of(test="cache", number=number)
    payload = bytes([number % 256]) * size
    meta = {"name": f"kernel_{number}", "target": "cuda sm_90a", "execution_backend": "tvm_ffi", "key": key.parts}
    return key, Artifact("cuda", PLAN, f"text of {number}", payload, REMARKS, ("-O2",), RESOURCES, meta=meta)
