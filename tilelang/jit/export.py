"""A kernel as files: sources to read and rebuild, binaries to load elsewhere."""

from __future__ import annotations

import json
import shlex
import tempfile
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilelang.errors import TileLangError, UnavailableError, UnsupportedError

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.jit.kernel import JITKernel
    from tilelang.jit.options import CompileOptions
    from tilelang.target import Target

_SUFFIXES = {"cuda": ".cubin", "simulator": ".so", "cpu": ".so"}


def export_directory(kernel: JITKernel, directory: Path) -> dict[str, Path]:
    """Write all that is known of a kernel; see `JITKernel.export_sources`."""
    directory.mkdir(parents=True, exist_ok=True)
    artifact, suffix = kernel.artifact, "cpp" if kernel.artifact.kind == "cpu" else "cu"
    files = {
        "tir.py": kernel.prim_func.script(),
        f"kernel.{suffix}": artifact.source,
        "host.json": json.dumps(json.loads(artifact.plan.to_json()), indent=1),
        "launch.json": json.dumps([launch.tree() for launch in artifact.plan.kernels], indent=1),
        "kernel_info.txt": _info(kernel),
        "build.sh": _build_script(kernel, f"kernel.{suffix}"),
    }
    if kernel.target.kind == "cuda":
        for name, get in (("kernel.ptx", kernel._get_ptx), ("kernel.sass", kernel._get_sass)):
            try:
                files[name] = get()
            except UnavailableError:  # no tool for it here: the other files are still worth having
                continue
    written = {}
    for name, text in files.items():
        written[name] = directory / name
        written[name].write_text(text)
    written["build.sh"].chmod(0o755)
    return written


def _info(kernel: JITKernel) -> str:
    rows = [("name", kernel.name), ("target", str(kernel.target)), ("execution backend", kernel.execution_backend)]
    rows += [("compiler", json.dumps(kernel.compiler.cache_identity()))]
    rows += [(p.role, f"{p.name}: {p.dtype}{list(p.shape) if p.role != 'scalar' else ''}") for p in kernel.parameters]
    rows += [("remark", str(remark)) for remark in kernel.remarks]
    return "".join(f"{key:18s} {value}\n" for key, value in rows)


def _build_script(kernel: JITKernel, source: str) -> str:
    """The command that makes the binary again, from this directory."""
    from tilelang.paths import device_include_directory

    options = list(kernel.artifact.options)
    if kernel.artifact.kind == "cuda":
        command = ["nvcc", "-cubin", f"-arch={kernel.target.arch}", "-std=c++17", f"-I{device_include_directory()}"]
        command += [*options, "-o", "kernel.cubin", source]
    elif kernel.artifact.kind == "simulator":
        from tilelang.simulator.compiler import kernel_command

        command = kernel_command(source, "kernel.so")
    else:
        command = kernel.compiler.command(source, "kernel.so", options)  # type: ignore[attr-defined]
    return f'#!/bin/sh\nset -e\ncd "$(dirname "$0")"\n{shlex.join(command)}\n'


def export_library(artifact: Artifact, target: Target, path: Path) -> Path:
    """Write the binary of an artifact; see `JITKernel.export_library`."""
    suffix = _SUFFIXES[artifact.kind]
    if path.suffix == ".py" and artifact.kind == "cpu":
        return _export_module(artifact, path)
    if path.suffix not in (suffix, ".zip"):
        raise UnsupportedError(
            f"`{artifact.plan.name}` for {target} cannot be exported as {path.name!r}",
            fix=f'use a name in "{suffix}" (the bare binary) or ".zip" (with the launch plan, for JITKernel.from_database)',
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == suffix:
        path.write_bytes(artifact.payload)
        return path
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in artifact.files().items():
            archive.writestr(name, data)
        archive.writestr("target.json", json.dumps(asdict(target)))
    return path


def _export_module(artifact: Artifact, path: Path) -> Path:
    """A module that calls the kernel with NumPy arrays and needs nothing of this package, with its shared object beside it."""
    import numpy

    from tilelang.jit import standalone

    plan = artifact.plan
    for name, dtype in [(p.name, p.dtype) for p in plan.parameters] + [(w.name, w.dtype) for w in plan.workspaces]:
        if not hasattr(numpy, dtype):
            raise UnsupportedError(f"`{name}` holds {dtype}, which NumPy has no type for", fix="export it as .so or .zip")
    if plan.calls:
        raise UnsupportedError(
            f"`{plan.name}` calls `{plan.calls[0].function}` on the host, which an exported module cannot",
            fix="export it as .zip",
        )
    if any(getattr(p, "strides", None) is not None or p.pointer or p.grid for p in plan.parameters):
        raise UnsupportedError(
            f"`{plan.name}` takes strided tensors, addresses or a grid, which an exported module does not check",
            fix="export it as .so or .zip",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    library = path.with_name(f"{path.stem}_kernels.so")  # Python would take a .so of the module's own name for the module
    library.write_bytes(artifact.payload)
    text = Path(str(standalone.__file__)).read_text()
    name = plan.name if plan.name.isidentifier() else "kernel"
    footer = f"import json  # noqa: E402\nimport pathlib  # noqa: E402\n\nPLAN = json.loads({plan.to_json()!r})\n"
    path.write_text(f"{text}\n\n{footer}{name} = load(PLAN, str(pathlib.Path(__file__).with_name({library.name!r})))\n")
    return path


def load_library(path: Path, execution_backend: str | None, target: Any) -> tuple[Artifact, CompileOptions]:
    """What `export_library` wrote to a ".zip", verified.

    Raises
    ------
    TileLangError
        When the file is damaged or holds something else.
    """
    from tilelang.cache import Artifact
    from tilelang.jit.options import resolve_options
    from tilelang.target import Target

    with tempfile.TemporaryDirectory(prefix="tilelang-") as scratch:
        try:
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    Path(scratch, Path(name).name).write_bytes(archive.read(name))
            artifact = replace(Artifact.read(Path(scratch)), directory=None)
            own = Target(**json.loads(Path(scratch, "target.json").read_text()))
        except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
            raise TileLangError(f"{path} is no exported kernel: {error}", fix="write it with kernel.export_library") from None
    return artifact, resolve_options(own if target is None else target, execution_backend)
