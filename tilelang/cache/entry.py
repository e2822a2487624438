"""One compiled kernel as files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilelang.cache.files import CorruptEntryError, checked, read_checked, with_manifest
from tilelang.codegen.launch_plan import LaunchPlan
from tilelang.remarks import Remarks

if TYPE_CHECKING:
    from tilelang.resources import SharedBuffer
    from tilelang.runtime import Binary
    from tilelang.toolchain.resources import KernelResources

_BINARY_NAMES = {"cuda": "kernel.cubin", "simulator": "kernel.so", "cpu": "kernel.so"}


@dataclass(frozen=True)
class Artifact:
    """What compiling a program produced.

    Parameters
    ----------
    kind : str
        "cuda" (a cubin), "simulator" or "cpu" (a shared object).
    plan : LaunchPlan
        How the kernels are launched.
    source : str
        The CUDA C++ text.
    payload : bytes
        The binary; empty for a shared object that is already a file.
    remarks : Remarks
        What the compiler decided and could not do.
    options : tuple of str
        Options of the CUDA compiler beside those it always gets.
    resources : tuple of KernelResources
        What ptxas reported of each kernel; empty where it did not run.
    shared : dict
        The shared buffers of each kernel, by its name.
    directory : Path, optional
        Where the entry is on disk.
    meta : dict
        For people: name, target, what the key is made of, when and where it was compiled.
    """

    kind: str
    plan: LaunchPlan
    source: str
    payload: bytes = b""
    remarks: Remarks = Remarks()
    options: tuple[str, ...] = ()
    resources: tuple[KernelResources, ...] = ()
    shared: dict[str, tuple[SharedBuffer, ...]] = field(default_factory=dict)
    directory: Path | None = field(default=None, compare=False)
    meta: dict[str, Any] = field(default_factory=dict, compare=False)

    def binary(self) -> Binary:
        """What the launcher loads."""
        from tilelang.runtime import Binary

        if self.kind == "cuda":
            return Binary.cuda(self.payload)
        load = Binary.cpu if self.kind == "cpu" else Binary.simulator
        if self.directory is None:
            from tilelang.cache.scratch import write_scratch

            return load(str(write_scratch(_BINARY_NAMES[self.kind], self.payload)))
        return load(str(self.directory / _BINARY_NAMES[self.kind]))

    def files(self) -> dict[str, bytes]:
        """Name and content of every file, with the manifest last."""
        content = {
            "kernel.cu": self.source.encode(),
            "plan.json": self.plan.to_json().encode(),
            "remarks.json": self.remarks.to_json().encode(),
            "build.json": json.dumps(
                {
                    "options": self.options,
                    "resources": [r._asdict() for r in self.resources],
                    "shared": {name: [b._asdict() for b in buffers] for name, buffers in self.shared.items()},
                }
            ).encode(),
            _BINARY_NAMES[self.kind]: self.payload,
        }
        return with_manifest(content, {"kind": self.kind, "meta": self.meta})

    @staticmethod
    def read(directory: Path) -> Artifact:
        """The entry in `directory`, verified.

        Raises
        ------
        FileNotFoundError
            When there is none.
        CorruptEntryError
            When a file is missing, changed or cannot be understood.
        """
        return _artifact(*read_checked(directory), directory)

    @staticmethod
    def from_files(files: Mapping[str, bytes]) -> Artifact:
        """What `files` of another process returned, verified.

        Raises
        ------
        CorruptEntryError
            Like `read`.
        """
        return _artifact(*checked(files), None)


def _artifact(manifest: dict[str, Any], data: dict[str, bytes], directory: Path | None) -> Artifact:
    try:
        kind = manifest["kind"]
        plan = LaunchPlan.from_json(data["plan.json"].decode())
        remarks = Remarks.from_json(data["remarks.json"].decode())
        build = json.loads(data["build.json"])
        resources = _resources(build["resources"])
        shared = {name: _shared_buffers(buffers) for name, buffers in build["shared"].items()}
        text, payload = data["kernel.cu"].decode(), data[_BINARY_NAMES[kind]]
        options, meta = tuple(build["options"]), manifest["meta"]
        return Artifact(kind, plan, text, payload, remarks, options, resources, shared, directory, meta)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptEntryError(f"{directory or 'an entry'}: {error}") from error


# A GPU's entry has resources, most have shared buffers; what an entry has none of is not imported for it.
def _resources(kernels: list[dict[str, Any]]) -> tuple[KernelResources, ...]:
    if not kernels:
        return ()
    from tilelang.toolchain.resources import KernelResources

    return tuple(KernelResources(**fields) for fields in kernels)


def _shared_buffers(buffers: list[dict[str, Any]]) -> tuple[SharedBuffer, ...]:
    if not buffers:
        return ()
    from tilelang.resources import SharedBuffer

    return tuple(SharedBuffer(**{**fields, "shape": tuple(fields["shape"])}) for fields in buffers)
