"""`tilelang tune`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from tilelang.cli.output import emit_json, json_option
from tilelang.cli.program import split_arguments, target_of, value_of
from tilelang.errors import ArgumentError


class _Seconds(click.ParamType):
    """A number of seconds: 90, 90s, 1.5m."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        unit = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(value[-1:], None)
        try:
            return float(value if unit is None else value[:-1]) * (unit or 1.0)
        except ValueError as error:
            text = f"{value!r} is not a time: write 60s, 2m or a number of seconds"
            raise click.BadParameter(text, ctx=ctx, param=param) from error


@click.command("tune")
@click.argument("function", metavar="FILE:FUNCTION")
@click.argument("arguments", nargs=-1, metavar="[ARGUMENT | NAME=VALUE]...")
@click.option("--configs", metavar="WHAT", help="FILE:NAME, a .json file, JSON, or NAME=V1,V2;NAME=V3 (their product).")
@click.option("--budget", type=_Seconds(), help="Time for the whole, such as 60s; the likeliest are tried first.")
@click.option("--reference", metavar="FILE:NAME", help="A function of the inputs that returns what is right.")
@click.option("--target", metavar="TARGET", help="sm_90a, cuda, auto...")
@click.option("--simulate", is_flag=True, help="Measure runs of the CPU simulator: to try the tuning, not to choose by.")
@click.option("--out-idx", metavar="N,N", help="Parameters that a call returns, such as -1.")
@click.option("--warmup", type=float, default=25.0, help="Milliseconds of warming up of each.")
@click.option("--rep", type=float, default=100.0, help="Milliseconds of timing of each.")
@click.option("--timeout", type=_Seconds(), default=100.0, help="Longest run of one configuration.")
@click.option("--workers", type=int, help="Compilations at a time.")
@click.option("--table", type=Path, help="Add the choice to this tuning table.")
@click.option("--plot", type=Path, help="Write the sweep as an HTML page.")
@json_option
def tune(function: str, arguments: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Find the fastest configuration of FUNCTION for these ARGUMENTS.

    FUNCTION is under @tilelang.autotune or @tilelang.jit, or returns a T.prim_func. Each configuration is compiled and run in a
    process of its own: one that hangs or crashes is listed with its reason, and costs nothing else.

    \b
    tilelang tune gemm.py:matmul M=4096 N=4096 K=4096 --configs 'block_M=64,128;block_N=128,256' --budget 60s
    """
    result, key, tuner = _run(function, arguments, options)
    if options["table"] is not None:
        from tilelang.autotuner import TuningTable

        table = TuningTable.open(options["table"])
        table.add(key, result, tuner.function.cache_identity() if hasattr(tuner.function, "cache_identity") else None)
        table.save()
    if options["plot"] is not None:
        result.plot(options["plot"])
    if not as_json:
        click.echo(result.report())
        return
    records = [record.to_dict() for record in result.records]
    best = next(record.to_dict()["config"] for record in result.records if record.config == result.config)
    emit_json(
        {"device": result.device, "config": best, "latency_ms": result.latency, "seconds": result.seconds, "records": records}
    )


def _run(function: str, words: tuple[str, ...], options: dict[str, Any]) -> tuple[Any, dict[str, Any], Any]:
    """(the result, the arguments by name, the tuner)."""
    import inspect

    from tilelang.autotuner import AutoTuner, SearchSettings, TunedFunction
    from tilelang.loading import load

    found = load(function)
    configs = _configs(options["configs"]) if options["configs"] else None
    if isinstance(found, TunedFunction):
        configs, found = found.configs if configs is None else configs, found.jit_impl
    if configs is None:
        raise ArgumentError(f"{function} is not under @tilelang.autotune", fix="pass --configs")
    args, kwargs = split_arguments(words)
    tuner = AutoTuner.from_kernel(found, configs).set_arguments(args, kwargs)
    indices = [int(part) for part in options["out_idx"].split(",")] if options["out_idx"] else None
    backend = "simulator" if options["simulate"] else None
    tuner.set_compile_args(out_idx=indices, target=target_of(options["target"]), execution_backend=backend)
    reference = load(options["reference"]) if options["reference"] else None
    tuner.set_profile_args(options["warmup"], options["rep"], options["timeout"], ref_prog=reference)
    result = tuner.run(search=SearchSettings(budget=options["budget"], num_workers=options["workers"]))
    signature = inspect.signature(getattr(found, "func", found))
    return result, dict(signature.bind_partial(*args, **kwargs).arguments), tuner


def _configs(text: str) -> Any:
    """What `--configs` names."""
    if text.lstrip().startswith(("[", "{")):
        return _json(text, "--configs")
    path = Path(text)
    if path.suffix == ".json":
        if not path.is_file():
            raise ArgumentError(f"--configs: there is no file {path}")
        return _json(path.read_text(), text)
    if "=" in text:
        pairs = [part.partition("=") for part in text.split(";") if part.strip()]
        return {name.strip(): [value_of(value.strip()) for value in values.split(",")] for name, _, values in pairs}
    from tilelang.loading import load

    return load(text)


def _json(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ArgumentError(f"{place} is not JSON: {error}", fix='such as [{"block": 64}, {"block": 128}]') from None
