"""`tilelang.jit` and `tilelang.compile`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tilelang.jit.impl import JITImpl, is_prim_func, kernel_of_prim_func
from tilelang.jit.kernel import JITKernel


def jit(
    func: Callable | None = None,
    *,
    out_idx: int | Sequence[int] | None = None,
    target: Any = None,
    target_host: Any = None,
    execution_backend: str | None = None,
    verbose: bool | None = None,
    pass_configs: dict[Any, Any] | None = None,
    debug_root_path: str | None = None,
    compile_flags: Sequence[str] | str | None = None,
) -> Any:
    """Compile a function's kernels when they are first needed; usable bare or with arguments.

    Parameters
    ----------
    func : callable
        A function that returns a `T.prim_func` (lazy: a call returns a kernel), or whose body is a kernel over annotated
        tensors (eager: a call runs it). Which of the two is inferred.
    out_idx : int or sequence of int, optional
        Parameters of the kernel that a call allocates and returns; negatives count from the end.
    target : str, dict or Target, optional
        "auto" (a GPU where a driver answers, else the simulator), "cuda", or `{"kind": "cuda", "arch": "sm_80"}`.
    target_host : optional
        Accepted for compatibility; launching is native code that is not generated.
    execution_backend : str, optional
        "auto", "tvm_ffi" (native launcher on a GPU) or "simulator".
    verbose : bool, optional
        Show what compilers say.
    pass_configs : dict, optional
        Options of the passes: see `tilelang.PassConfigKey`.
    debug_root_path : str, optional
        A directory that receives the program and the kernel's text of every compilation.
    compile_flags : str or sequence of str, optional
        Further flags for the CUDA compiler.

    Examples
    --------
    >>> @tilelang.jit(out_idx=[-1])
    ... def matmul(M, N, K): ...
    >>> kernel = matmul(1024, 1024, 1024)
    """

    def decorate(function: Any) -> JITImpl | JITKernel:
        if is_prim_func(function):  # @tilelang.jit over @T.prim_func: nothing is left to be called with
            return compile(function, out_idx, execution_backend, target, target_host, verbose, pass_configs, compile_flags)
        return JITImpl(
            function,
            out_idx=out_idx,
            target=target,
            target_host=target_host,
            execution_backend=execution_backend,
            verbose=verbose,
            pass_configs=pass_configs,
            debug_root_path=debug_root_path,
            compile_flags=compile_flags,
        )

    return decorate if func is None else decorate(func)


def compile(
    func: Any,
    out_idx: int | Sequence[int] | None = None,
    execution_backend: str | None = None,
    target: Any = None,
    target_host: Any = None,
    verbose: bool | None = None,
    pass_configs: dict[Any, Any] | None = None,
    compile_flags: Sequence[str] | str | None = None,
) -> JITKernel:
    """Compile a `T.prim_func`; the arguments are those of `tilelang.jit`."""
    return kernel_of_prim_func(func, out_idx, target, execution_backend, verbose, pass_configs, compile_flags)
