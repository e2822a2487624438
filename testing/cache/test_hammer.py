"""Many processes on one cache: each kernel is built once, none is lost, none is wrong, whatever happens around them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from testing.subprocesses import ROOT, module_path
from tilelang.cache.directory_store import DirectoryStore
from tilelang.cache.inventory import entries
from tilelang.cache.prune import prune

HERE = Path(__file__).parent


class Run:
    """What happened: the counts of each word of the log by kernel, and the report."""

    def __init__(self, log: Path, report: dict, output: str) -> None:
        lines = [line.split() for line in log.read_text().splitlines()]
        self.by_word = {word: Counter(int(n) for w, _, n in lines if w == word) for word in {line[0] for line in lines}}
        self.killed = set(report["killed"])
        # A build that a killed process had begun may have been lost with it.
        self.lost = Counter(int(n) for w, pid, n in lines if w == "begin" and int(pid) in self.killed)
        self.output = output

    def count(self, word: str) -> Counter:
        return self.by_word.get(word, Counter())


def hammer(tmp_path: Path, **task) -> Run:
    task = {"root": str(tmp_path / "root"), "log": str(tmp_path / "log"), "seed": 0, **task}
    environment = {**os.environ, "TILELANG_TMP_DIR": str(tmp_path / "tmp"), "PYTHONPATH": module_path(ROOT, HERE)}
    command = [sys.executable, str(HERE / "hammer.py"), json.dumps(task)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return Run(tmp_path / "log", json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr)


def all_sound(root: Path, kernels: int) -> None:
    found = list(entries(DirectoryStore(root), thorough=True))
    assert len(found) == kernels and not any(entry.error for entry in found)


def test_sixteen_processes_build_fifty_kernels_once(tmp_path):
    run = hammer(tmp_path, processes=16, kernels=50)
    assert run.count("begin") == Counter(range(50)) and set(run.count("got").values()) == {16}
    all_sound(tmp_path / "root", 50)
    assert not list((tmp_path / "root" / "v2" / "staging").iterdir())


def test_killed_builders_are_replaced(tmp_path):
    """kill -9 frees the lock at once: the next process builds; what it left is removed by the next prune."""
    run = hammer(tmp_path, processes=8, kernels=30, kills=20)
    assert len(run.killed) == 20
    for number in range(30):
        assert 1 <= run.count("begin")[number] <= 1 + run.lost[number]
    all_sound(tmp_path / "root", 30)
    store = DirectoryStore(tmp_path / "root")
    (store.home / "staging" / ("0" * 64 + ".1-2")).mkdir()
    prune(store)
    assert not [*store.home.glob("staging/*"), *store.home.glob("discarded/*")]
    all_sound(tmp_path / "root", 30)


def test_truncated_files_are_found_out(tmp_path):
    run = hammer(tmp_path, processes=6, kernels=15, vandals=2)
    for number in range(15):
        assert 1 <= run.count("begin")[number] <= 1 + run.count("damaged")[number]


def test_clocks_that_jump(tmp_path):
    """Neither locks nor entries ask the time; entries from the future do not stay for ever."""
    run = hammer(tmp_path, processes=8, kernels=30, clock=True)
    assert run.count("begin") == Counter(range(30))
    all_sound(tmp_path / "root", 30)
    store = DirectoryStore(tmp_path / "root")
    keys = list(store.keys())
    for number, key in enumerate(keys):
        os.utime(store.entry(key) / "entry.json", (1, 1) if number % 2 else (2**32, 2**32))
    report = prune(store, older_than=86400)
    assert {entry.digest for entry in report.removed} == set(keys[1::2])
    future = [store.entry(key) / "entry.json" for key in store.keys()]
    assert future and all(path.stat().st_mtime < 2**32 for path in future)


def test_pruning_while_others_build(tmp_path):
    """An entry that is removed under a reader is built again, and never wrong."""
    run = hammer(tmp_path, processes=6, kernels=20, pruners=2, prune_to=8000)
    for number in range(20):
        # Each pruner may have been killed before it noted its last sweep.
        assert run.count("got")[number] == 6 and run.count("begin")[number] <= 1 + run.count("pruned")[number] + 2
    prune(DirectoryStore(tmp_path / "root"), max_size=8000)
    assert sum(entry.size for entry in entries(DirectoryStore(tmp_path / "root"))) <= 8000


def test_the_bound_holds(tmp_path, monkeypatch):
    """The cache prunes itself as it grows."""
    monkeypatch.setenv("TILELANG_CACHE_MAX_SIZE", "20000")
    hammer(tmp_path, processes=2, kernels=40)
    assert 5000 < sum(entry.size for entry in entries(DirectoryStore(tmp_path / "root"))) < 30000


@pytest.mark.parametrize("limit", [1, 150, 1500])
def test_a_full_disk(tmp_path, limit):
    """Every process gets its kernels; nothing half-written is ever handed out."""
    run = hammer(tmp_path, processes=4, kernels=10, size=4000, file_limit=limit)
    assert set(run.count("got").values()) == {4} and run.output.count("in memory only") == 4
    assert not list(entries(DirectoryStore(tmp_path / "root")))


def test_a_read_only_root(tmp_path):
    """Without permission for the root, all processes of a user share one temporary cache."""
    with tempfile.TemporaryDirectory() as folder:
        open_folder = Path(folder)
        open_folder.chmod(0o777)
        (open_folder / "root").mkdir(mode=0o555)
        (open_folder / "root").chmod(0o555)
        (open_folder / "tmp").mkdir()
        (open_folder / "tmp").chmod(0o777)
        run = hammer(open_folder, processes=8, kernels=10, unprivileged=True)
        assert run.count("begin") == Counter(range(10)) and set(run.count("got").values()) == {8}
        # A process that came late finds every kernel in the temporary cache: it never had to write, and has nothing to say.
        assert 1 <= run.output.count("kernels are kept in") <= 8 and not list((open_folder / "root").iterdir())


@pytest.mark.parametrize("seed", range(int(os.environ.get("TILELANG_HAMMER_SEEDS", "3"))))
def test_everything_at_once(tmp_path, seed):
    """Random mixtures. TILELANG_HAMMER_SEEDS=1000 looks for longer."""
    import random

    rng = random.Random(seed)
    kernels, processes = rng.randrange(3, 12), rng.randrange(2, 8)
    mixture = {"kills": rng.randrange(8), "vandals": rng.randrange(2), "pruners": rng.randrange(2), "clock": rng.random() < 0.5}
    run = hammer(tmp_path, processes=processes, kernels=kernels, seed=seed, prune_to=rng.randrange(3000, 30000), **mixture)
    assert not run.count("wrong")
    for number in range(kernels):
        assert run.count("got")[number] >= processes - len(run.killed)
        excuses = run.lost[number] + run.count("damaged")[number] + run.count("pruned")[number] + mixture["pruners"]
        assert 1 <= run.count("begin")[number] <= 1 + excuses
