"""Many processes on one cache directory, some of them killed, with vandals and pruners between them.

    python hammer.py '{"root": ..., "processes": 16, "kernels": 50, "seed": 0, ...}'

Runs in a process of its own, which imports the cache and nothing heavy, and forks. Builds are invented (`samples.sample`) and
logged: "begin" before, "end" after the entry was handed out. Prints a report as JSON; exit status 1 if any process saw a wrong
kernel or died by itself.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

import filelock  # noqa: F401 - before a process gives up its rights, after which the library may be out of reach
from samples import sample

from tilelang.cache import KernelCache, stats
from tilelang.cache.directory_store import DirectoryStore


def note(log: str, word: str, number: int) -> None:
    """One line of the log; a single short write is never torn, and the log's disk is never full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{word} {os.getpid()} {number}\n".encode())
    os.close(handle)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def user(task: dict, seed: int) -> None:
    """Ask for every kernel, in an order of one's own."""
    rng = random.Random(seed)
    if task.get("file_limit"):  # a disk that is full after some bytes: writes fail in the middle of a file
        resource.setrlimit(resource.RLIMIT_FSIZE, (task["file_limit"], resource.RLIM_INFINITY))
    if task.get("clock"):  # every process believes in another year
        offset = rng.uniform(-10, 10) * 365 * 86400
        real = time.time
        time.time = lambda: real() + offset + rng.uniform(-3600, 3600)
    if task.get("unprivileged") and os.getuid() == 0:  # to root, everything is writable
        os.setgid(65534)
        os.setuid(65534)
    cache = KernelCache(Path(task["root"]))
    numbers = list(range(task["kernels"]))
    rng.shuffle(numbers)
    for number in numbers:
        key, expected = sample(number, size=task.get("size", 300))

        def build(number=number, expected=expected):
            note(task["log"], "begin", number)
            time.sleep(rng.uniform(0, 0.002))
            return expected

        found = cache.find_or_build(key, build)
        if found != expected:
            note(task["log"], "wrong", number)
            os._exit(1)
        note(task["log"], "got", number)
    if task.get("say_stats"):
        print(json.dumps(stats.as_dict()), flush=True)


def vandal(task: dict, seed: int) -> None:
    """Damage files of random entries until killed."""
    rng, store = random.Random(seed), DirectoryStore(Path(task["root"]))
    while True:
        time.sleep(rng.uniform(0, 0.01))
        try:
            key = rng.choice(list(store.keys()))
            path = rng.choice(list(store.entry(key).iterdir()))
            data = path.read_bytes()
            number = next(n for n in range(task["kernels"]) if sample(n)[0] == key)
            note(task["log"], "damaged", number)
            if rng.random() < 0.3:
                path.unlink()
            else:
                os.truncate(path, rng.randrange(max(1, len(data))))
        except (OSError, IndexError, ValueError):
            continue


def pruner(task: dict, seed: int) -> None:
    """Prune to a bound, and turn the clocks of entries, until killed."""
    from tilelang.cache.prune import prune

    rng, store = random.Random(seed), DirectoryStore(Path(task["root"]))
    while True:
        time.sleep(rng.uniform(0, 0.01))
        for key in store.keys():
            if rng.random() < 0.2:
                try:
                    when = time.time() + rng.uniform(-10, 10) * 365 * 86400
                    os.utime(store.entry(key) / "entry.json", (when, when))
                except OSError:
                    pass
        if store.root.exists() and (store.root / "CACHEDIR.TAG").exists():
            for entry in prune(store, max_size=task["prune_to"]).removed:
                note(task["log"], "pruned", next((n for n in range(task["kernels"]) if sample(n)[0] == entry.digest), -1))


def fork(function, task: dict, seed: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        function(task, seed)
        os._exit(0)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)


def main(task: dict) -> int:
    rng = random.Random(task["seed"])
    others = [fork(vandal, task, rng.random()) for _ in range(task.get("vandals", 0))]
    others += [fork(pruner, task, rng.random()) for _ in range(task.get("pruners", 0))]
    users = {fork(user, task, rng.random()) for _ in range(task["processes"])}
    kills, failures = task.get("kills", 0), 0
    killed: list[int] = []
    while users:
        if kills:
            time.sleep(rng.uniform(0, 0.02))
            victim = rng.choice(sorted(users - set(killed)))
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)
            kills -= 1
            users.add(fork(user, task, rng.random()))  # somebody else wants the kernels, too
        pid, status = os.waitpid(-1, os.WNOHANG if kills else 0)
        if pid in users:
            users.discard(pid)
            failures += status != 0 and pid not in killed
    for pid in others:
        os.kill(pid, signal.SIGKILL)
        failures += os.waitpid(pid, 0)[1] != signal.SIGKILL
    print(json.dumps({"failures": failures, "killed": killed}))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
