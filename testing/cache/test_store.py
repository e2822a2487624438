"""The disk cache: atomic, locked, verified."""

from __future__ import annotations

import multiprocessing
import os
import shutil

import pytest

from tilelang.cache import Artifact, KernelCache, UnkeyableError, canonical, digest
from tilelang.codegen.launch_plan import KernelLaunch, LaunchPlan
from tilelang.toolchain import KernelResources

KEY = digest(test="store")
PLAN = LaunchPlan("k", (), (KernelLaunch("k", (["ceildiv", "n", 4], 1, 1), (32, 1, 1), 64, ()),), {"n": "int32"})
RESOURCES = (KernelResources("k", 40, 8, 4, 4, 1),)
ARTIFACT = Artifact("cuda", PLAN, "text of k", b"\x00binary\xff", ("a remark",), ("-O2",), RESOURCES)


def test_round_trip(tmp_path):
    cache = KernelCache(tmp_path)
    assert cache.find(KEY) is None
    stored = cache.find_or_build(KEY, lambda: ARTIFACT)
    assert stored == ARTIFACT and stored.directory.is_dir()
    assert KernelCache(tmp_path).find(KEY) == ARTIFACT
    assert (tmp_path / "CACHEDIR.TAG").is_file()
    assert not list(tmp_path.rglob(".staging-*"))


def test_requests_lead_to_entries(tmp_path):
    cache, request = KernelCache(tmp_path), digest(request=1)
    assert cache.find_request(request) is None
    cache.publish(KEY, ARTIFACT)
    cache.publish_request(request, KEY)
    assert cache.find_request(request) == ARTIFACT


@pytest.mark.parametrize("name", ["kernel.cubin", "kernel.cu", "plan.json", "remarks.json", "build.json", "entry.json"])
@pytest.mark.parametrize("harm", ["truncate", "flip", "empty", "delete", "directory"])
def test_a_corrupt_entry_is_built_again(tmp_path, name, harm):
    cache = KernelCache(tmp_path)
    path = cache.publish(KEY, ARTIFACT).directory / name
    data = path.read_bytes()
    path.unlink()
    if harm == "truncate":
        path.write_bytes(data[: len(data) // 2])
    elif harm == "flip":
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "directory":
        path.mkdir()
    builds = []
    assert cache.find_or_build(KEY, lambda: builds.append(1) or ARTIFACT) == ARTIFACT
    assert len(builds) == 1
    assert cache.find(KEY) == ARTIFACT


def _build_in_process(root, log):
    def build():
        with open(log, "a") as file:
            file.write("built\n")
        return ARTIFACT

    assert KernelCache(root).find_or_build(KEY, build) == ARTIFACT


def test_one_of_many_processes_builds(tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_build_in_process, args=(tmp_path / "root", tmp_path / "log")) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert all(process.exitcode == 0 for process in processes)
    assert (tmp_path / "log").read_text() == "built\n"


def test_an_unwritable_root_still_works(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    cache = KernelCache(tmp_path / "file" / "root")
    assert cache.find_or_build(KEY, lambda: ARTIFACT) == ARTIFACT
    assert "not cached" in caplog.text


def test_an_entry_whose_directory_vanishes(tmp_path):
    cache = KernelCache(tmp_path)
    shutil.rmtree(cache.publish(KEY, ARTIFACT).directory.parent)
    assert cache.find(KEY) is None


def test_canonical_forms_differ():
    values = [1, True, "1", 1.0, None, "None", (1,), [1], {"a": 1}, {"a": "1"}, b"1", {1}, -0.0, 0.0, int, "int"]
    assert len({str(canonical(value)) for value in values}) == len(values)
    assert digest(a=1, b=2) == digest(b=2, a=1) != digest(a=2, b=1)
    with pytest.raises(UnkeyableError):
        canonical(object())


def test_keys_do_not_depend_on_the_process():
    import subprocess
    import sys

    code = "from tilelang.cache import digest; print(digest(a={'x', 'y', 'z'}, b={'k': 1.5}))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
