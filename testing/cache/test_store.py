"""The disk cache in one process: round trips, corruption, fall-backs, layers, keys."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testing.subprocesses import module_path
from tilelang.cache import (
    CacheKey,
    KernelCache,
    UnkeyableError,
    canonical,
    digest,
    directory_store,
    invalidate,
    kernel_cache,
    stats,
)
from tilelang.cache.places import private_cache

sys.path.insert(0, str(Path(__file__).parent))
from samples import sample  # noqa: E402

KEY, ARTIFACT = sample()
FILES = ["kernel.cubin", "kernel.cu", "plan.json", "remarks.json", "build.json", "entry.json"]


@pytest.fixture
def builds():
    """Counts builds: `cache.find_or_build(KEY, builds)`."""

    class Builds(list):
        def __call__(self):
            self.append(1)
            return ARTIFACT

    return Builds()


def test_round_trip(tmp_path, builds):
    cache = KernelCache(tmp_path)
    assert cache.find(KEY) is None
    stored = cache.find_or_build(KEY, builds)
    assert stored == ARTIFACT and stored.directory.is_dir()
    found = KernelCache(tmp_path).find(KEY)
    assert found == ARTIFACT and found.meta == ARTIFACT.meta
    assert (tmp_path / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert not list((tmp_path / "v2" / "staging").iterdir())
    assert (stats.misses, stats.builds, stats.hits) == (1, 1, 0)


def test_requests_lead_to_entries(tmp_path, builds):
    cache, request = KernelCache(tmp_path), CacheKey.of(request=1)
    assert cache.find_request(request) is None
    cache.find_or_build(KEY, builds)
    cache.publish_request(request, KEY)
    assert cache.find_request(request) == ARTIFACT and stats.hits == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"entry": 3}', '{"entry": "../../x"}', "\xff"])
def test_a_damaged_request_is_a_miss(tmp_path, builds, text):
    cache, request = KernelCache(tmp_path), CacheKey.of(request=1)
    cache.find_or_build(KEY, builds)
    cache.publish_request(request, KEY)
    next((tmp_path / "v2" / "requests").rglob(str(request))).write_text(text)
    assert cache.find_request(request) is None


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["truncate", "flip", "empty", "delete", "directory", "grow", "dangling link"])
def test_a_damaged_entry_is_built_again(tmp_path, builds, name, harm, caplog):
    cache = KernelCache(tmp_path)
    path = cache.publish(KEY, ARTIFACT).directory / name
    data = path.read_bytes()
    path.unlink()
    if harm == "truncate":
        path.write_bytes(data[: len(data) // 2])
    elif harm == "flip":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "grow":
        path.write_bytes(data + b" x")
    elif harm == "directory":
        path.mkdir()
    elif harm == "dangling link":
        path.symlink_to(tmp_path / "nowhere")
    assert KernelCache(tmp_path).find_or_build(KEY, builds) == ARTIFACT
    assert cache.find_or_build(KEY, builds) == ARTIFACT and len(builds) == 1
    assert (stats.corrupt, stats.repaired) == (1, 1) and caplog.text.count("is corrupt") == 1
    assert list((tmp_path / "v2" / "discarded").iterdir())  # for who wants to know what happened; the next prune removes it


@pytest.mark.parametrize("harm", ["file", "empty directory", "link"])
def test_something_else_in_an_entrys_place(tmp_path, builds, harm):
    directory = KernelCache(tmp_path).publish(KEY, ARTIFACT).directory
    shutil.rmtree(directory)
    if harm == "file":
        directory.write_text("")
    elif harm == "empty directory":
        directory.mkdir()
    else:
        directory.symlink_to(tmp_path / "nowhere")
    assert KernelCache(tmp_path).find_or_build(KEY, builds) == ARTIFACT
    assert KernelCache(tmp_path).find_or_build(KEY, builds) == ARTIFACT and len(builds) == 1


def test_no_pickle_is_ever_read(tmp_path, builds):
    """A planted pickle lies beside the files and stays unread."""

    class Bomb:
        def __reduce__(self):
            return os._exit, (1,)

    directory = KernelCache(tmp_path).publish(KEY, ARTIFACT).directory
    for name in ("params.pkl", "entry.pkl", "plan.pkl"):
        (directory / name).write_bytes(pickle.dumps(Bomb()))
    assert KernelCache(tmp_path).find(KEY) == ARTIFACT


def test_an_entry_whose_directory_vanishes(tmp_path):
    cache = KernelCache(tmp_path)
    shutil.rmtree(cache.publish(KEY, ARTIFACT).directory.parent)
    assert cache.find(KEY) is None and stats.corrupt == 0


def test_invalidate(tmp_path, builds, monkeypatch):
    monkeypatch.setenv("TILELANG_CACHE_DIR", str(tmp_path))
    invalidate(KernelCache().find_or_build(KEY, builds))
    assert KernelCache().find(KEY) is None
    KernelCache().find_or_build(KEY, builds)
    assert len(builds) == 2


# -- where the root cannot be written ---------------------------------------------------------------------------------
def unwritable(tmp_path) -> Path:
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "root"


def test_first_step_is_a_private_temporary_directory(tmp_path, builds, caplog):
    root = unwritable(tmp_path)
    for _ in range(3):
        assert KernelCache(root).find_or_build(KEY, builds) == ARTIFACT
    assert len(builds) == 1
    assert [r.getMessage() for r in caplog.records] == [
        f"the cache directory {root} cannot be written (Not a directory): kernels are kept in {private_cache()}"
    ]
    assert private_cache().stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("harm", ["foreign", "writable by all", "link", "file"])
def test_second_step_is_memory(tmp_path, builds, caplog, harm, monkeypatch):
    """A temporary directory that could be somebody else's is refused."""
    root, other = unwritable(tmp_path), tmp_path / "other"
    other.mkdir(mode=0o700)
    if harm == "link":
        private_cache().symlink_to(other)
    elif harm == "file":
        private_cache().write_text("")
    else:
        private_cache().mkdir(mode=0o700)
    if harm == "writable by all":
        private_cache().chmod(0o777)
    if harm == "foreign":
        taken, own = private_cache(), os.getuid()
        monkeypatch.setattr(kernel_cache, "private_cache", lambda: taken)
        monkeypatch.setattr("tilelang.cache.places.private_cache", lambda: taken)
        monkeypatch.setattr(os, "getuid", lambda: own + 1)
    for _ in range(3):
        assert KernelCache(root).find_or_build(KEY, builds) == ARTIFACT
    assert len(builds) == 1 and len(caplog.records) == 1 and "in memory only" in caplog.text
    assert not list(other.iterdir())


def test_a_full_disk(tmp_path, builds, caplog, monkeypatch):
    """Writing fails in the middle: nothing half-written is found later, and the kernel still comes."""
    real, root = directory_store.write_file, tmp_path / "root"

    def full(path, data):
        if root in path.parents and "CACHEDIR.TAG" not in path.name:
            real(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, data)

    monkeypatch.setattr(directory_store, "write_file", full)
    for _ in range(2):
        assert KernelCache(root).find_or_build(KEY, builds) == ARTIFACT
    assert len(builds) == 1 and "No space left" in caplog.text
    assert not list((root / "v2" / "staging").iterdir())
    monkeypatch.setattr(directory_store, "write_file", real)
    other, artifact = sample(1)
    assert KernelCache(root).find_or_build(other, lambda: artifact).directory.is_relative_to(root)


# -- layers -----------------------------------------------------------------------------------------------------------
def test_layers_are_read_and_never_written(tmp_path, builds, monkeypatch):
    layer, root = tmp_path / "layer", tmp_path / "root"
    KernelCache(layer).publish(KEY, ARTIFACT)
    KernelCache(layer).publish_request(CacheKey.of(request=1), KEY)
    before = {path: path.stat().st_mtime_ns for path in layer.rglob("*")}
    monkeypatch.setenv("TILELANG_CACHE_LAYERS", f"{tmp_path / 'missing'}{os.pathsep}{layer}")
    monkeypatch.setenv("TILELANG_CACHE_DIR", str(root))
    assert KernelCache().find_request(CacheKey.of(request=1)) == ARTIFACT
    assert KernelCache().find_or_build(KEY, builds) == ARTIFACT and not builds
    other, artifact = sample(1)
    KernelCache().find_or_build(other, lambda: artifact)
    assert {path: path.stat().st_mtime_ns for path in layer.rglob("*")} == before
    (next(layer.rglob("kernel.cu"))).write_text("damaged")
    assert KernelCache().find_or_build(KEY, builds).directory.is_relative_to(root) and len(builds) == 1


def test_others_can_read_a_layer(tmp_path):
    """Directories follow the umask: what root builds into an image is read by everybody."""
    old = os.umask(0o022)
    try:
        KernelCache(tmp_path / "root").publish(KEY, ARTIFACT)
        KernelCache(tmp_path / "root").publish_request(CacheKey.of(request=1), KEY)
    finally:
        os.umask(old)
    for path in (tmp_path / "root").rglob("*"):
        assert path.stat().st_mode & 0o044 == 0o044, path


def test_disabled_means_nothing_is_written(tmp_path):
    code = (
        "import tilelang, tilelang.language as T\n"
        "from tilelang.cache.fingerprint import compiler_fingerprint\n"
        "compiler_fingerprint()\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "TILELANG_DISABLE_CACHE": "1", "TILELANG_TMP_DIR": str(tmp_path)}
    environment.pop("TILELANG_CACHE_DIR", None)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not list(tmp_path.iterdir())


# -- keys -------------------------------------------------------------------------------------------------------------
def test_canonical_forms_differ():
    values = [1, True, "1", 1.0, None, "None", (1,), [1], {"a": 1}, {"a": "1"}, b"1", {1}, -0.0, 0.0, int, "int"]
    assert len({str(canonical(value)) for value in values}) == len(values)
    assert digest(a=1, b=2) == digest(b=2, a=1) != digest(a=2, b=1)
    with pytest.raises(UnkeyableError):
        canonical(object())


def test_keys_do_not_depend_on_the_process():
    code = "from tilelang.cache import digest; print(digest(a={'x', 'y', 'z'}, b={'k': 1.5}))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_a_key_explains_itself():
    first, second = CacheKey.of(target="sm_90a", flags=()), CacheKey.of(target="sm_80", flags=())
    assert first.explain().splitlines() == ["flags   ()", "target  sm_90a"]
    assert first.difference(second) == {"target": ("sm_90a", "sm_80")}
    assert first == digest(target="sm_90a", flags=())
    again = pickle.loads(pickle.dumps(first))
    assert again == first and again.parts == first.parts
    long = CacheKey.of(text="x" * 1000), CacheKey.of(text="x" * 999 + "y")
    assert len(long[0].parts["text"]) < 500 and long[0].difference(long[1])


def test_each_part_of_a_request_matters(monkeypatch):
    """Change one thing at a time: another key; change nothing: the same."""
    from tilelang.jit import compiler
    from tilelang.jit.options import resolve_options

    def key(identity="a", out_idx=None, **options):
        return compiler.request_key(identity, resolve_options(execution_backend="simulator", **options), out_idx)

    keys = [key(), key("b"), key(out_idx=-1), key(target={"kind": "cuda", "arch": "sm_80"})]
    keys += [key(pass_configs={"tl.enable_fast_math": True}), key(compile_flags="-DX")]
    for name in ("compiler_fingerprint", "package_version"):
        with monkeypatch.context() as patch:
            patch.setattr(compiler, name, lambda *_: "another")
            keys.append(key())
    monkeypatch.setattr("tilelang.simulator.compiler.compiler_identity", lambda: "another g++")
    keys.append(key())
    assert len(set(keys)) == len(keys)
    assert key() == key()


def test_our_own_sources_are_in_the_key(tmp_path):
    """An edit of a header of a copy of the package is a miss; so is one that keeps size and time."""
    from tilelang.paths import PACKAGE

    shutil.copytree(PACKAGE, tmp_path / "tilelang", ignore=shutil.ignore_patterns("__pycache__", "lib"))
    shutil.copytree(PACKAGE.parent / "src", tmp_path / "tilelang" / "src")
    # The finder of an editable install comes before the path: without it, the copy is found.
    code = (
        "import sys; sys.meta_path = [f for f in sys.meta_path if isinstance(f, type)]\n"
        "import tilelang.cache.fingerprint as f; print(f.__file__, f.compiler_fingerprint())"
    )
    environment = {**os.environ, "PYTHONPATH": module_path(tmp_path), "TILELANG_CACHE_DIR": str(tmp_path / "cache")}

    def fingerprint():
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=tmp_path)
        assert done.stdout.startswith(str(tmp_path)), done.stderr
        return done.stdout.split()[1]

    first, header = fingerprint(), tmp_path / "tilelang" / "src" / "device" / "tl" / "core.h"
    assert fingerprint() == first
    status, text = header.stat(), header.read_text()
    header.write_text("/" + text[1:] if text[0] != "/" else "#" + text[1:])
    os.utime(header, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert fingerprint() != first
