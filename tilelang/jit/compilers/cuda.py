"""nvcc."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilelang.jit.availability import Availability
from tilelang.jit.compilers.base import BinaryJit
from tilelang.toolchain.locate import find_tool

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.jit.lowered import LoweredKernel
    from tilelang.target import Target


@dataclass(frozen=True)
class CudaJit(BinaryJit):
    """Compiles with nvcc, which knows every flag; a process for each kernel.

    Parameters
    ----------
    flags : tuple of str
        For nvcc, before those of `compile_flags`.
    """

    flags: tuple[str, ...] = ()
    name = "nvcc"

    def available(self) -> Availability:
        found = find_tool("nvcc") is not None
        return Availability(found, "nvcc", "install the CUDA toolkit, set CUDA_HOME, or use NvrtcJit()")

    def cache_identity(self) -> dict[str, Any]:
        from tilelang.toolchain.nvcc import identity

        return {"name": self.name, "version": identity(), "flags": self.flags}

    def supports(self, target: Target) -> bool:
        return target.kind == "cuda" and not target.simulated

    def build(self, lowered: LoweredKernel) -> Artifact:
        from tilelang.toolchain.nvcc import compile_text

        return build_cubin(lowered, compile_text, self.flags)


def build_cubin(lowered: LoweredKernel, compile_text: Any, own_flags: tuple[str, ...]) -> Artifact:
    """The artifact of a text, through nvcc's or NVRTC's `compile_text`.

    Where ptxas runs out of registers and serialises the matrix instructions of warp-specialised text, the program is lowered
    again: where products run beside other work of their iteration, with every one waited for at once; else, and where that does
    not help, without producer warps. The first text that keeps them asynchronous is taken.
    """
    from tilelang.cache import Artifact
    from tilelang.env import env
    from tilelang.toolchain import device_compile_options
    from tilelang.toolchain.diagnostics import serialised, warn_if_serialised
    from tilelang.toolchain.resources import parse_ptxas

    options = lowered.options

    def compiled(program: LoweredKernel) -> tuple[bytes, str]:
        verbose = options.verbose or env.TILELANG_VERBOSE
        return compile_text(
            program.source, options.target.arch, form="cubin", name=program.name, options=flags, verbose=verbose
        )  # fmt: skip

    flags = (*own_flags, *device_compile_options(options.pass_configs, options.compile_flags))
    cubin, log = compiled(lowered)
    reason = serialised(log)
    beside = any("beside" in remark.values for remark in lowered.remarks)
    for key, text in (AGAIN if beside else AGAIN[1:]) if reason else ():
        other = lowered_again(lowered, key, f"{text} ({reason})")
        if other is None:
            continue
        second, second_log = compiled(other)
        if serialised(second_log) is None:
            lowered, cubin, log = other, second, second_log
            break
    warn_if_serialised(lowered.name, log)
    return Artifact("cuda", lowered.plan, lowered.source, cubin, lowered.remarks, flags, parse_ptxas(log), lowered.shared)


# What is given up, one after the other, where ptxas serialises matrix instructions, and what the author is told.
AGAIN = (
    ("tl.disable_gemm_overlap", "products are waited for at once: under way, ptxas serialised the matrix instructions"),
    ("tl.disable_warp_specialized", "no producer warp: beside one, ptxas serialised the matrix instructions"),
)


def lowered_again(lowered: LoweredKernel, key: str, text: str) -> LoweredKernel | None:
    """The program lowered with a pass configuration more, of which `text` tells; None if that changes nothing."""
    from tilelang.engine import compile_prim_func
    from tilelang.engine.callback import edited
    from tilelang.remarks import Remark, Remarks

    if lowered.options.pass_configs.get(key):
        return None
    tile_program = lowered.watched or lowered.prim_func
    program = compile_prim_func(tile_program, lowered.options.target, {**lowered.options.pass_configs, key: True})
    source = edited(program.source, lowered.options.target)
    if source == lowered.source:
        return None
    remarks = Remarks((*program.remarks, Remark("missed", text)))
    plan = program.plan._replace(outputs=lowered.plan.outputs, parameters=lowered.plan.parameters, sites=lowered.plan.sites)
    return dataclasses.replace(lowered, source=source, plan=plan, remarks=remarks, shared=program.shared)
