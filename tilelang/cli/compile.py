"""`tilelang compile`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from tilelang.cli.output import emit_json, emit_table, json_option
from tilelang.cli.program import kernel_of, program_options
from tilelang.tools.compile_only import write_form


@click.command("compile")
@program_options
@click.option("-o", "--output", "outputs", type=Path, multiple=True, help="Write .cu (.cc), .ptx, .sass, .json or the binary.")
@json_option
def compile_command(as_json: bool, outputs: tuple[Path, ...], **program: Any) -> None:
    """Compile FUNCTION of FILE into the cache; no GPU is needed, and none is used.

    FUNCTION is under @tilelang.jit or @T.prim_func, or returns such a function. Tensors of an eager function are left out.

    \b
    tilelang compile examples/gemm/matmul.py:matmul M=1024 N=1024 K=1024 --target sm_90a -o matmul.cubin
    """
    from tilelang.cache import stats

    started = time.perf_counter()
    kernel = kernel_of(**program)
    seconds = time.perf_counter() - started
    for output in outputs:
        write_form(kernel, output)
    artifact = kernel.artifact
    digest = artifact.directory.name if artifact.directory is not None else None
    facts = {
        "kernel": kernel.name,
        "target": str(kernel.target),
        "parameters": [f"{p.name}: {p.dtype}{list(p.shape) if p.shape else ''}" for p in kernel.params],
        "returns": [kernel.params[index].name for index in kernel.out_idx],
        "digest": digest,
        "directory": artifact.directory,
        "cached": stats.builds == 0,
        "seconds": round(seconds, 3),
        "resources": {name: used._asdict() for name, used in kernel.resource_usage.items()} if artifact.kind == "cuda" else {},
        "remarks": kernel.remarks,
        "written": list(outputs),
    }
    if as_json:
        emit_json(facts)
        return
    for name, used in facts["resources"].items():  # type: ignore[union-attr]
        facts[f"  {name}"] = ", ".join(f"{key} {value}" for key, value in used.items() if key != "name")
    plain = {k: v for k, v in facts.items() if k not in ("resources", "remarks") and v not in (None, [], {})}
    emit_table((key, ", ".join(map(str, value)) if isinstance(value, list) else value) for key, value in plain.items())
    for remark in kernel.remarks:
        click.echo(f"remark: {remark}")
