"""kernel.remarks and kernel.resources: what the compiler says of its own work."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tilelang
import tilelang.language as T
from tilelang.cache import Artifact
from tilelang.cache.files import CorruptEntryError
from tilelang.remarks import Remark, Remarks
from tilelang.resources import blocks_per_multiprocessor
from tilelang.target.arch import find_arch
from tilelang.transform.report_code import bank_conflicts


@pytest.fixture(scope="module")
def kernel():
    @T.prim_func
    def main(A: T.Tensor((256, 256), "float16"), Q: T.Tensor((256, 128), "uint8"), C: T.Tensor((256, 256), "float16")):
        with T.Kernel(4, 4, threads=128) as (bx, by):
            As = T.alloc_shared((64, 64), "float16")
            Qs = T.alloc_shared((64, 32), "uint8")
            Bl = T.alloc_fragment((64, 64), "float16")
            Bs = T.alloc_shared((64, 64), "float16")
            Cl = T.alloc_fragment((64, 64), "float32")
            T.clear(Cl)
            for k in T.Pipelined(4, num_stages=2):
                T.copy(A[by * 64, k * 64], As)
                T.copy(Q[bx * 64, k * 32], Qs)
                for i, j in T.Parallel(64, 64):
                    Bl[i, j] = T.cast((T.cast(Qs[i, j // 2], "int32") >> ((j % 2) * 4)) & 15, "float16")
                T.copy(Bl, Bs)
                T.gemm(As, Bs, Cl, transpose_B=True)
            T.copy(Cl, C[by * 64, bx * 64])

    return tilelang.compile(main, target="cuda -arch=sm_80", execution_backend="simulator")


def test_remarks_say_which_instructions_a_line_became(kernel):
    remarks = kernel.remarks
    assert {r.rule for r in remarks} >= {"copy", "access", "matrix", "unpack", "pipeline"}
    (copy,) = [r for r in remarks.of("copy") if r.values["buffers"] == ["As", "A"]]
    assert copy.values["instruction"] == "cp.async" and copy.values["bytes"] == 16 and copy.values["bank_conflicts"] == 1
    assert copy.file.endswith("test_reports.py") and copy.line < remarks.of("matrix")[0].line
    stored = [r for r in remarks.of("access") if r.values.get("buffers") == ["Bs"] and "writes" in r]
    assert [r.values["bytes"] for r in stored] == [16]
    assert [r.values["stages"] for r in remarks.of("pipeline")] == [2, 2]
    assert "copies As from A by cp.async, 16 bytes at a time" in str(remarks)


def test_remarks_survive_the_cache_and_json(kernel, tmp_path):
    files = kernel.artifact.files()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    again = Artifact.read(tmp_path)
    assert again.remarks == kernel.remarks and again.shared == kernel.artifact.shared
    assert Artifact.from_files(files) == again
    assert Remarks(Remark(**fields) for fields in json.loads(kernel.remarks.to_json())) == kernel.remarks


@pytest.mark.parametrize("name", ["entry.json", "plan.json", "kernel.cu"])
def test_files_of_another_process_are_verified(kernel, name):
    files = kernel.artifact.files()
    cut, changed = {**files, name: files[name][:-1]}, {**files, name: b"x" + files[name][1:]}
    for spoiled in (cut, changed, {other: data for other, data in files.items() if other != name}):
        with pytest.raises(CorruptEntryError):
            Artifact.from_files(spoiled)


def test_resources(kernel):
    (launch,) = kernel.resources
    assert launch.threads == 128 and 0 < launch.registers <= 255 and launch.spill_store_bytes == 0
    assert {b.name: (b.bytes, b.stages) for b in launch.shared} == {"As": (16384, 2), "Qs": (4096, 2), "Bs": (8192, 1)}
    assert launch.shared_bytes >= max(b.offset + b.bytes for b in launch.shared)
    assert launch.blocks == 16 and launch.waves == 16 / (launch.blocks_per_sm * 108)
    (data,) = json.loads(kernel.resources.to_json())
    assert {b["name"] for b in data["shared"]} == {"As", "Qs", "Bs"} and data["limited_by"] == launch.limited_by
    assert f"{launch.registers} registers" in str(kernel.resources) and "64 x 64  float16  16384" in str(kernel.resources)


@pytest.mark.parametrize(
    "threads, registers, shared, arch, expected",
    [
        (256, 16, 0, "sm_90a", (8, "threads")),
        (384, 168, 200 * 1024, "sm_90a", (1, "registers")),
        (128, 64, 100 * 1024, "sm_90a", (2, "shared memory")),
        (32, 16, 0, "sm_90a", (32, "blocks")),
        (128, 40, 0, "sm_80", (12, "registers")),
        (256, 255, 0, "sm_89", (1, "registers")),
        (1024, 128, 0, "sm_80", (0, "registers")),
    ],
)
def test_occupancy(threads, registers, shared, arch, expected):
    assert blocks_per_multiprocessor(threads, registers, shared, find_arch(arch)) == expected


def test_bank_conflicts():
    lanes = np.arange(32)
    assert bank_conflicts(lanes * 4, 4) == 1
    assert bank_conflicts(lanes * 0, 4) == 1  # a broadcast
    assert bank_conflicts(lanes * 8, 4) == 2
    assert bank_conflicts(lanes * 128, 4) == 32
    assert bank_conflicts(lanes * 2, 2) == 1
    assert bank_conflicts(lanes * 16, 16) == 1
    assert bank_conflicts(lanes * 128, 16) == 8
    assert bank_conflicts(lanes * 128 + (lanes % 8) * 16, 16) == 1  # a swizzle
