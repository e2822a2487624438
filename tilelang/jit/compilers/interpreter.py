"""No compiler: the tile program is run by Python and NumPy, where `breakpoint()` stops inside a kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilelang.errors import UnsupportedError
from tilelang.jit.compilers.base import JitBase

if TYPE_CHECKING:
    from tilelang.jit.adapter import Adapter
    from tilelang.jit.wrapper import KernelWrapper


@dataclass(frozen=True)
class InterpreterJit(JitBase):
    """Runs tile programs as they are written, one block after the other; `jit=False` means it.

    For small inputs: it is slow, keeps nothing on disk, and starts no tool. Statements of single threads run for all threads of a
    block together; what hands data from one group of threads to another through barriers of its own is refused.

    Examples
    --------
    >>> @tilelang.jit(out_idx=-1, jit=False)
    ... def scale(n):
    ...     @T.prim_func
    ...     def main(A: T.Tensor((n,), "float32"), B: T.Tensor((n,), "float32")):
    ...         with T.Kernel(T.ceildiv(n, 128), threads=128) as bx:
    ...             tile = T.alloc_fragment((128,), "float32")
    ...             T.copy(A[bx * 128], tile)
    ...             breakpoint()  # bx is a number, tile a NumPy array
    ...             T.copy(tile, B[bx * 128])
    ...     return main
    """

    name = "interpreter"
    guarantees = frozenset({"deterministic"})

    @property
    def adapter(self) -> type[Adapter]:
        from tilelang.jit.adapter.interpreter import InterpreterAdapter

        return InterpreterAdapter

    def compile(self, kernel: Any, **options: Any) -> KernelWrapper:
        from tilelang.cache.entry import Artifact
        from tilelang.codegen.plan import with_outputs
        from tilelang.frontend.prim_func import PrimFuncSource, trace_prim_func
        from tilelang.interpreter.breakpoints import noted
        from tilelang.interpreter.program import InterpretedProgram
        from tilelang.jit.adapter.interpreter import InterpretedArtifact
        from tilelang.jit.impl import traced
        from tilelang.jit.kernel import JITKernel
        from tilelang.jit.lowered import LoweredKernel
        from tilelang.jit.options import resolve_options
        from tilelang.pass_configs import PassConfigKey

        if isinstance(kernel, LoweredKernel):
            raise UnsupportedError(
                f"`{kernel.name}` is lowered already; the interpreter runs programs as they are written",
                fix="pass the T.prim_func",
            )
        out_idx = options.pop("out_idx", None)
        resolved = resolve_options(compiler=self, **{k: v for k, v in options.items() if k != "target_host"})
        if resolved.pass_configs.get(PassConfigKey.TL_CHECK_FINITE.value):
            raise UnsupportedError("tl.check_finite is for compiled kernels", fix="here, look at the values: breakpoint()")
        with noted() as breakpoints:  # traced anew: a program that was traced before has no breakpoints
            prim_func = trace_prim_func(kernel) if isinstance(kernel, PrimFuncSource) else traced(kernel)
        program = InterpretedProgram(prim_func, resolved.target, breakpoints)
        own = (prim_func.attrs or {}).get("tl.out_idx")
        plan = with_outputs(program.plan, out_idx if own is None else [int(index) for index in own])
        artifact: Artifact = InterpretedArtifact("interpreter", plan, prim_func.script(), program=program)
        return JITKernel(artifact, resolved, lambda: prim_func)
