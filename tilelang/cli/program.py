"""FILE:FUNC and its arguments on the command line, as a kernel."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import click

from tilelang.errors import ArgumentError


def program_options(command: Callable) -> Callable:
    """FUNCTION, ARGUMENTS and the options that say how to compile."""
    for option in (
        click.option("--flag", "flags", multiple=True, metavar="TEXT", help="A flag for the CUDA compiler; repeatable."),
        click.option(
            "--pass-config", "configs", multiple=True, metavar="KEY=VALUE", help="Such as tl.disable_wgmma=True; repeatable."
        ),
        click.option("--out-idx", metavar="N,N", help="Parameters that a call returns, such as -1."),
        click.option("--simulate", is_flag=True, help="Compile for the CPU simulator of the target."),
        click.option("--target", metavar="TARGET", help="sm_90a, cuda, auto, a JSON table...; a GPU need not be there."),
        click.argument("arguments", nargs=-1, metavar="[ARGUMENT | NAME=VALUE]..."),
        click.argument("function", metavar="FILE:FUNCTION"),
    ):
        command = option(command)
    return command


def value_of(text: str) -> Any:
    """A Python literal, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def split_arguments(words: Sequence[str]) -> tuple[tuple, dict[str, Any]]:
    """(by position, by name)."""
    named: dict[str, Any] = {}
    positional = []
    for word in words:
        name, equals, text = word.partition("=")
        if equals and name.isidentifier():
            named[name] = value_of(text)
        else:
            positional.append(value_of(word))
    return tuple(positional), named


def target_of(text: str | None) -> Any:
    """What `--target` names: an architecture stands for CUDA on it."""
    if text is None:
        return None
    if text.startswith(("sm_", "compute_")):
        return {"kind": "cuda", "arch": text}
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except ValueError as error:
            raise click.BadParameter(f"--target {text!r} is not JSON: {error}") from None
    return text


def kernel_of(
    function: str,
    arguments: Sequence[str],
    target: str | None,
    simulate: bool,
    out_idx: str | None,
    configs: Sequence[str],
    flags: Sequence[str],
) -> Any:
    """Compile what the command line names.

    Raises
    ------
    ArgumentError
        When the file, the function or its arguments do not fit.
    """
    from tilelang.jit import JITImpl, compile, jit
    from tilelang.loading import is_kernel, load

    found = load(function)
    positional, named = split_arguments(arguments)
    options: dict[str, Any] = {"target": target_of(target)}
    if simulate:
        options["execution_backend"] = "simulator"
    elif target is not None and str(target).startswith(("sm_", "compute_", "cuda", "{")):
        options["execution_backend"] = "tvm_ffi"  # a cubin, although no GPU may be here to run it
    own = found if isinstance(found, JITImpl) else None
    given = dict(_pair(text) for text in configs)
    indices = _indices(out_idx) if out_idx is not None else (own.out_idx if own is not None else None)
    options |= {"out_idx": indices, "pass_configs": {**(getattr(own, "pass_configs", None) or {}), **given}}
    options["compile_flags"] = [*_words(getattr(own, "compile_flags", None)), *flags]
    if own is not None:
        if target is None and own.target is not None:
            options["target"] = own.target
        implementation = jit(own.func, **options)
        return _called(implementation.compile, function, positional, named)
    if isinstance(found, FunctionType) and not is_kernel(found):
        found = _called(found, function, positional, named)  # a function that returns a T.prim_func
        positional, named = (), {}
    if not is_kernel(found):
        raise ArgumentError(
            f"{function} is {type(found).__name__}, which is no kernel",
            fix="name a function under @tilelang.jit or @T.prim_func, or one that returns such a function",
        )
    if positional or named:
        raise ArgumentError(f"{function} is a T.prim_func, which takes no arguments here", fix="leave them out")
    if isinstance(found, JITImpl):
        return jit(found.func, **options).compile()
    return compile(found, **options)


def _called(callee: Callable, function: str, positional: tuple, named: dict[str, Any]) -> Any:
    import inspect

    target = getattr(callee, "__self__", callee)
    signature = inspect.signature(getattr(target, "func", callee))
    try:
        signature.bind_partial(*positional, **named)
    except TypeError as error:
        raise ArgumentError(f"{function}{signature}: {error}", fix="give its arguments as VALUE or NAME=VALUE") from None
    try:
        return callee(*positional, **named)
    except TypeError as error:
        if "missing" in str(error) and "argument" in str(error):
            raise ArgumentError(f"{function}{signature}: {error}", fix="give its arguments as VALUE or NAME=VALUE") from None
        raise


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"--pass-config {text!r}: write KEY=VALUE")
    return key, value_of(value)


def _indices(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"--out-idx {text!r}: write numbers, such as -1 or 2,3") from None


def _words(flags: Any) -> list[str]:
    from tilelang.jit.options import normalize_flags

    return list(normalize_flags(flags))
