"""`tilelang.jit`, `tilelang.djit` and `tilelang.compile`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, overload

from tilelang.env import env
from tilelang.errors import ArgumentTypeError

if TYPE_CHECKING:
    from tilelang.jit.compilers.base import JitBase
    from tilelang.jit.impl import JITImpl
    from tilelang.jit.kernel import JITKernel


@overload
def jit(func: Callable[..., Any]) -> JITImpl: ...


@overload
def jit(
    func: None = None,
    *,
    out_idx: int | Sequence[int] | None = ...,
    target: Any = ...,
    target_host: Any = ...,
    execution_backend: str | None = ...,
    verbose: bool | None = ...,
    pass_configs: dict[Any, Any] | None = ...,
    debug_root_path: str | None = ...,
    compile_flags: Sequence[str] | str | None = ...,
    jit: JitBase | bool | None = ...,
    compiler: JitBase | bool | None = ...,
    require: set[str] | str | None = ...,
    static: bool | None = ...,
    show_graph: Any = ...,
    auto_device: bool = ...,
    cache: str | None = ...,
    cache_token: str = ...,
) -> Callable[[Callable[..., Any]], JITImpl]: ...


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
    jit: JitBase | bool | None = None,
    compiler: JitBase | bool | None = None,
    require: set[str] | str | None = None,
    static: bool | None = None,
    show_graph: Any = False,
    auto_device: bool = True,
    cache: str | None = "disk",
    cache_token: str = "",
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
        How arguments reach the binary: "auto", "tvm_ffi", "dlpack", "cython", "nvrtc", "torch", "cutedsl" or "simulator"; see
        docs/jit.md.
    verbose : bool, optional
        Show what compilers say.
    pass_configs : dict, optional
        Options of the passes: see `tilelang.PassConfigKey`.
    debug_root_path : str, optional
        A directory that receives the program and the kernel's text of every compilation.
    compile_flags : str or sequence of str, optional
        Further flags for the CUDA compiler; a string is split as a shell would.
    jit, compiler : JitBase, optional
        Who compiles (two names of one argument): `CudaJit()`, `NvrtcJit()`, `no_jit`, or a user's own. The target's own if None.
    require : set of str, optional
        What compiler and backend must guarantee, such as "gil_free"; an error if they do not.
    static : bool, optional
        None: a kernel for each specialization. True: the first is pinned, another is a SpecializationError. False: the body runs
        at every call, and kernels are found by the program that it makes (`tilelang.djit`).
    show_graph : bool, file or callable
        Show the tile program (see `tilelang.xpr`) of each new kernel.
    auto_device : bool
        Move torch tensors and NumPy arrays from the CPU to the GPU that the kernel runs on, and copy back what it writes; else
        such an argument is a DeviceMismatchError.
    cache : {"disk", "memory", None}
        Where kernels are kept: shared with other processes, in this one, or nowhere but in the function itself.
    cache_token : str
        A part of every key, for what a kernel depends on and no digest sees: another token compiles anew.

    Examples
    --------
    >>> @tilelang.jit(out_idx=[-1])
    ... def matmul(M, N, K): ...
    >>> kernel = matmul(1024, 1024, 1024)
    """
    from tilelang.jit.compilers.base import resolve_compiler
    from tilelang.jit.impl import JITImpl, is_prim_func

    chosen = resolve_compiler(jit, compiler)

    def decorate(function: Any) -> Any:
        if is_prim_func(function):  # @tilelang.jit over @T.prim_func: nothing is left to be called with
            return compile(
                function,
                out_idx,
                execution_backend,
                target,
                target_host,
                verbose,
                pass_configs,
                compile_flags,
                jit=chosen,
                require=require,
                auto_device=auto_device,
                cache=cache,
                cache_token=cache_token,
            )
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
            jit=chosen,
            require=require,
            static=static,
            show_graph=show_graph,
            auto_device=auto_device,
            cache=cache,
            cache_token=cache_token,
        )

    return decorate if func is None else decorate(func)


def djit(func: Callable | None = None, *, show_graph: Any = False, auto_device: bool = True, **options: Any) -> Any:
    """`tilelang.jit(static=False)`: the Python body runs at every call, so that what it reads and decides is always current.

    Scalars stay compile-time values. A call that makes a program seen before starts no compiler.
    """
    if "static" in options:
        raise ArgumentTypeError("djit is jit(static=False)", fix="use tilelang.jit for another value of static=")
    decorate = jit(static=False, show_graph=show_graph, auto_device=auto_device, **options)
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
    *,
    jit: JitBase | bool | None = None,
    compiler: JitBase | bool | None = None,
    require: set[str] | str | None = None,
    auto_device: bool = True,
    cache: str | None = "disk",
    cache_token: str = "",
) -> JITKernel:
    """Compile a `T.prim_func` or a `LoweredKernel`; the arguments are those of `tilelang.jit`."""
    from tilelang.jit.compilers.base import compiles_itself, resolve_compiler
    from tilelang.jit.impl import kernel_of_program

    known = sys.modules.get("tilelang.jit.lowered")  # imported by whoever made one
    lowered = known is not None and isinstance(func, known.LoweredKernel)
    chosen = resolve_compiler(jit, compiler)
    if chosen is None:
        chosen = func.options.compiler if lowered else resolve_compiler(not env.TILELANG_INTERPRET)
    options: dict[str, Any] = {
        "out_idx": out_idx,
        "execution_backend": execution_backend,
        "target": target,
        "target_host": target_host,
        "verbose": verbose,
        "pass_configs": pass_configs,
        "compile_flags": compile_flags,
        "require": require,
        "auto_device": auto_device,
        "cache": cache,
        "cache_token": cache_token,
    }
    if lowered:
        given = [name for name, value in options.items() if value not in (None, True, "disk", "")]
        if given:
            raise ArgumentTypeError(
                f"`{func.name}` is lowered already, so that {given[0]} has no effect", fix="pass it when the program is lowered"
            )
        options = {}
    if compiles_itself(chosen):
        usual = {"cache": "disk", "cache_token": ""}  # which a user's own compiler need not know
        changed = {name: value for name, value in options.items() if value is not None and value != usual.get(name)}
        return chosen.compile(func, **changed)  # type: ignore
    return kernel_of_program(func, compiler=chosen, **options)
