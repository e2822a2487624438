"""Program to binary, through the cache."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tilelang.cache.digest import digest
from tilelang.cache.entry import Artifact
from tilelang.cache.fingerprint import compiler_fingerprint
from tilelang.cache.kernel_cache import KernelCache
from tilelang.cache.key import CacheKey
from tilelang.engine.collector import paused_collector
from tilelang.env import env
from tilelang.errors import CompilationError, SemanticError, UnsupportedError
from tilelang.jit.compilers.base import BinaryJit, default_jit
from tilelang.jit.compilers.no_jit import compiling_forbidden, disabled
from tilelang.jit.options import CompileOptions
from tilelang.log import logger
from tilelang.pass_configs import PassConfigKey
from tilelang.toolchain.versions import package_version

if TYPE_CHECKING:
    from tilelang.codegen.launch_plan import FiniteSite
    from tilelang.jit.lowered import LoweredKernel


def request_key(identity: str, options: CompileOptions, out_idx: Any) -> CacheKey:
    """The key of a program that is not traced yet; `identity` digests its text and all values that it reads.

    Raises
    ------
    UnkeyableError
        When a pass configuration has no canonical form.
    """
    return CacheKey.of(
        identity=identity,
        out_idx=out_idx,
        compiler=compiler_fingerprint(),
        tvm=package_version("apache-tvm"),
        ffi=package_version("apache-tvm-ffi"),
        **_back_end(options),
    )


def compile_program(
    trace: Callable[[], Any], options: CompileOptions, out_idx: int | Sequence[int] | None, request: str | None = None
) -> Artifact:
    """Compile what `trace` returns, or find it in the cache.

    Parameters
    ----------
    trace : callable
        Makes the PrimFunc; not called on a hit.
    options : CompileOptions
        How to compile.
    out_idx : int or sequence of int, optional
        The parameters to return.
    request : str, optional
        The key from `request_key`; None when the function has none, so that only the generated text is looked up.
    """
    if not caching(options):
        program = _trace_and_lower(trace, options, out_idx)
        if compiling_forbidden():
            raise disabled(program.name, "")
        return _build(program)
    cache = _cache_of(options)
    if request is None:
        return find_or_build(cache, _trace_and_lower(trace, options, out_idx))[1]
    found = cache.find_request(request)
    if found is not None:
        _diagnose("`%s` came from the cache: %s", found.plan.name, found.directory or "memory")
        _say_that_no_pass_ran(found)
        return found
    if env.TILELANG_JIT_DIAGNOSTICS and isinstance(request, CacheKey):
        from tilelang.cache.misses import explain_miss

        _diagnose("not in the cache: %s", explain_miss(request))
    with cache.locked(request):
        found = cache.find_request(request)  # another process may have built it while this one waited
        if found is None:
            key, found = find_or_build(cache, _trace_and_lower(trace, options, out_idx))
            cache.publish_request(request, key)
        return found


def _diagnose(message: str, *values: Any) -> None:
    """A line of TILELANG_JIT_DIAGNOSTICS; a warning, so that whoever asked for it sees it without setting a log level."""
    if env.TILELANG_JIT_DIAGNOSTICS:
        logger.warning(message, *values)


def _say_that_no_pass_ran(found: Artifact) -> None:
    """To whoever asked to see what the passes do, and would wait for it."""
    if env.TILELANG_PASS_PROFILE or env.TILELANG_PASS_DIFF != "off" or env.TL_LOWER_TRACE != "off":
        logger.warning(
            "`%s` came from the cache, so that no pass ran: TILELANG_DISABLE_CACHE=1 compiles it anew", found.plan.name
        )


@paused_collector()
def _trace_and_lower(trace: Callable[[], Any], options: CompileOptions, out_idx: int | Sequence[int] | None) -> LoweredKernel:
    started = time.perf_counter()
    prim_func = trace()
    traced = time.perf_counter()
    program = lower(prim_func, options, out_idx)
    times = 1e3 * (traced - started), 1e3 * (time.perf_counter() - traced)
    _diagnose("`%s`: traced in %.0f ms, lowered in %.0f ms", program.plan.name, *times)
    return program


def find_or_build(cache: KernelCache, program: LoweredKernel) -> tuple[str, Artifact]:
    """(key, artifact) of a lowered program; only looked up where compiling is forbidden."""
    key = CacheKey.of(
        source=digest(text=program.source),
        plan=digest(text=program.plan.to_json()),
        remarks=program.remarks.to_json(),
        **_back_end(program.options),
    )

    def build() -> Artifact:
        if compiling_forbidden():
            raise disabled(program.name, key)
        started = time.perf_counter()
        artifact = _build(program)
        from tilelang.cache.provenance import provenance

        _diagnose("`%s`: the toolchain took %.0f ms", program.plan.name, 1e3 * (time.perf_counter() - started))
        meta = provenance(program.plan, program.options, key, time.perf_counter() - started)
        return dataclasses.replace(artifact, meta=meta)

    return key, cache.find_or_build(key, build)


def _back_end(options: CompileOptions) -> dict[str, Any]:
    """What decides how text becomes a binary."""
    return {
        "toolchain": compiler_of(options).cache_identity(),
        "headers": compiler_fingerprint(),
        "target": str(options.target),
        "pass_configs": options.pass_configs,
        "compile_flags": options.compile_flags,
        **({"token": options.cache_token} if options.cache_token else {}),
    }


def caching(options: CompileOptions) -> bool:
    """Whether kernels are looked up and kept beyond the function that asks for them."""
    return options.cache is not None and not env.TILELANG_DISABLE_CACHE


def _cache_of(options: CompileOptions) -> KernelCache:
    return KernelCache.in_memory() if options.cache == "memory" else KernelCache()


def compile_lowered(program: LoweredKernel) -> Artifact:
    """Compile a program that is lowered already, or find it in the cache."""
    if caching(program.options):
        return find_or_build(_cache_of(program.options), program)[1]
    if compiling_forbidden():
        raise disabled(program.name, "")
    return _build(program)


def lower(prim_func: Any, options: CompileOptions, out_idx: int | Sequence[int] | None) -> LoweredKernel:
    """Run the passes and print the text.

    Parameters
    ----------
    prim_func : PrimFunc
        The traced program.
    options : CompileOptions
        How.
    out_idx : int or sequence of int, optional
        The parameters to return.
    """
    from tilelang.codegen.plan import with_outputs
    from tilelang.engine import compile_prim_func
    from tilelang.engine.callback import edited
    from tilelang.jit.lowered import LoweredKernel

    attributes = prim_func.attrs or {}
    options = options.extended(attributes.get("tilelang_pass_configs"), attributes.get("tilelang_compile_flags"))
    own = attributes.get("tilelang_out_idx") or attributes.get("tl.out_idx")
    if own is not None and out_idx is not None:
        raise SemanticError(
            f"Out index conflict: out_idx={out_idx} is given, but `{attributes.get('global_symbol')}` returns {list(own)}",
            fix="remove out_idx, or take the outputs as parameters instead of T.empty",
        )
    watched: Any = None
    sites: tuple[FiniteSite, ...] = ()
    if options.pass_configs.get(PassConfigKey.TL_CHECK_FINITE.value):
        from tilelang.transform.check_finite import watch_finite

        watched, sites = watch_finite(prim_func)
    program = compile_prim_func(watched or prim_func, options.target, options.pass_configs)
    chosen = out_idx if own is None else [int(index) for index in own]
    plan = program.plan._replace(sites=sites)
    if chosen is not None or sites:
        plan = with_outputs(plan, chosen)
    source = edited(program.source, options.target)
    return LoweredKernel(source, plan, program.remarks, options, lambda: prim_func, program.shared, watched if sites else None)


def compiler_of(options: CompileOptions) -> BinaryJit:
    """The compiler object that options mean.

    Raises
    ------
    UnsupportedError
        For a user's compiler that makes no binaries: it is called through its own `compile`.
    """
    if options.compiler is None:
        return default_jit(options.target)
    if not isinstance(options.compiler, BinaryJit):
        raise UnsupportedError(
            f"{type(options.compiler).__name__} compiles only through its own `compile`", fix="derive it from BinaryJit"
        )
    return options.compiler


def _build(program: LoweredKernel) -> Artifact:
    options, name, started = program.options, program.name, time.perf_counter()
    if env.TILELANG_PRINT_ON_COMPILATION:
        logger.info("TileLang begins to compile kernel `%s` for %s", name, options.target)
    try:
        artifact = compiler_of(options).build(program)
    except CompilationError as error:
        from tilelang.jit.refused_text import keep_text

        raise keep_text(error, program) from None
    if env.TILELANG_PRINT_ON_COMPILATION:
        logger.info("TileLang completes to compile kernel `%s` in %.2f s", name, time.perf_counter() - started)
    return artifact
