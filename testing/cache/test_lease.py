"""Where files cannot be locked: one builder at a time, and a builder that died is replaced."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
import time

import pytest
from filelock import Timeout

from tilelang.cache import lease
from tilelang.cache.directory_store import DirectoryStore
from tilelang.cache.lease import Lease, has_locks

KEY = "0" * 64


@pytest.fixture
def no_locks(monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    has_locks.cache_clear()
    monkeypatch.setattr(fcntl, "flock", flock)
    yield
    has_locks.cache_clear()


def test_the_store_takes_what_the_file_system_has(tmp_path, no_locks):
    assert isinstance(DirectoryStore(tmp_path / "without").lock(KEY), Lease)


def test_a_local_file_system_has_locks(tmp_path):
    has_locks.cache_clear()
    assert type(DirectoryStore(tmp_path).lock(KEY)).__name__.endswith("FileLock")


def test_one_holder_at_a_time(tmp_path, no_locks):
    store, inside, most, turns = DirectoryStore(tmp_path), [], [], 8

    def hold():
        with store.lock(KEY):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=hold) for _ in range(turns)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * turns and not list((tmp_path / "v2" / "locks").glob("*lease*"))


def test_who_does_not_wait_is_told(tmp_path):
    with Lease(tmp_path / "a"), pytest.raises(Timeout):
        Lease(tmp_path / "a").acquire(timeout=0)
    Lease(tmp_path / "a").acquire(timeout=0).release()


def test_a_killed_owner_of_this_machine_is_replaced_at_once(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from tilelang.cache.lease import Lease\n"
        "Lease(Path(sys.argv[1])).acquire(); print('held', flush=True); time.sleep(1000)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "a")], stdout=subprocess.PIPE, text=True)
    assert owner.stdout.readline() == "held\n"
    with pytest.raises(Timeout):
        Lease(tmp_path / "a").acquire(timeout=0)
    owner.kill()
    owner.wait()
    Lease(tmp_path / "a").acquire(timeout=0).release()


def test_an_owner_elsewhere_is_replaced_when_it_is_silent(tmp_path):
    path = tmp_path / "a"
    path.write_text(json.dumps({"token": "t", "host": "elsewhere", "pid": 1}))
    with pytest.raises(Timeout):
        Lease(path).acquire(timeout=0)
    silent = time.time() - lease.STALE - 5
    os.utime(path, (silent, silent))
    Lease(path).acquire(timeout=0).release()
    assert not list(tmp_path.iterdir())


def test_a_living_owner_shows_it(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "HEARTBEAT", 0.01)
    with Lease(tmp_path / "a"):
        os.utime(tmp_path / "a", (1, 1))
        limit = time.monotonic() + 30
        while (tmp_path / "a").stat().st_mtime < 2:
            assert time.monotonic() < limit
            time.sleep(0.01)
