"""Worker processes: reused, capped, killed, and gone when their owner is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, wait

import pytest

from tilelang.autotuner.measure import NotPreparedError, retire
from tilelang.jit.parallel import JobError, WorkerError, WorkerPool, WorkerTimeoutError


@pytest.fixture(scope="module")
def pool():
    with WorkerPool(2, "plain", memory_limit=2 * 2**30) as pool:
        yield pool


def test_results_come_from_other_processes_which_are_reused(pool):
    pids = [pool.submit(os.getpid).result() for _ in range(6)]
    assert os.getpid() not in pids and len(set(pids)) <= 2


def test_what_workers_are_forked_from_has_one_thread():
    """Whatever it has imported and loaded, NVRTC among it: a fork takes no other thread along, but the locks that it held."""
    with WorkerPool(1) as pool:
        server = pool.submit(os.getppid).result()
        assert len(os.listdir(f"/proc/{server}/task")) == 1


def test_exceptions_travel(pool):
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 1, 0).result()


def test_a_job_that_hangs_is_killed_and_the_next_ones_run(pool):
    hanging, after = pool.call(time.sleep, 1000, timeout=0.2, what="slept"), pool.submit(divmod, 7, 2)
    with pytest.raises(WorkerTimeoutError, match="process that slept took longer than 0.2 s"):
        hanging.result(timeout=30)
    assert after.result() == (3, 1)
    assert pool.submit(divmod, 9, 2).result() == (4, 1)


def test_a_crash_is_one_jobs_failure(pool):
    crashes = [pool.call(os.abort, what="crashed") for _ in range(3)]
    for crash in crashes:
        with pytest.raises(WorkerError, match="process that crashed was killed by SIGABRT"):
            crash.result(timeout=30)
    with pytest.raises(WorkerError, match="exit status 3"):
        pool.submit(os._exit, 3).result(timeout=30)
    assert pool.submit(divmod, 7, 2).result() == (3, 1)


def test_a_job_for_a_worker_that_is_retiring_goes_to_another():
    with WorkerPool(1, "plain") as pool:
        for _ in range(20):
            with pytest.raises(NotPreparedError):
                pool.submit(retire).result(timeout=30)
            assert pool.submit(divmod, 7, 2).result(timeout=30) == (3, 1)


def test_memory_is_capped(pool):
    with pytest.raises(JobError, match="ran out of memory"):
        pool.submit(bytearray, 3 * 2**30).result(timeout=30)


def test_aborting_kills_what_runs_and_cancels_what_waits(pool):
    futures = [pool.call(time.sleep, 1000) for _ in range(4)]
    while sum(f.running() for f in futures) < 2:
        time.sleep(0.01)
    for future in sorted(futures, key=Future.running):  # those that wait first: an aborted job makes room for them
        pool.abort(future)
    done, running = wait(futures, timeout=30)
    assert not running and sum(f.cancelled() for f in done) == 2


def test_what_a_worker_started_dies_with_it(pool):
    before = _sleeping()
    with pytest.raises(WorkerTimeoutError):
        pool.call(os.system, "sleep 98765", timeout=0.3).result(timeout=30)
    _eventually(lambda: _sleeping() <= before)


def test_a_lost_server_is_replaced(tmp_path):
    with WorkerPool(1, "plain") as pool:
        pid = pool.submit(os.getppid).result()
        job = pool.call(os.system, f"touch {tmp_path}/begun; sleep 1000")
        _eventually((tmp_path / "begun").exists)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerError):
            job.result(timeout=30)
        assert pool.submit(os.getppid).result(timeout=60) != pid


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_its_owner(blow):
    program = (
        "import os, signal; from tilelang.jit.parallel import WorkerPool\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # tests in the background inherit that it is ignored
        "pool = WorkerPool(2, 'plain')\n"
        "print(pool.submit(os.getpid).result(), pool.submit(os.getppid).result(), flush=True)\n"
        "jobs = [pool.submit(os.system, 'sleep 1000') for _ in range(2)]\n"
        "jobs[0].result()"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    pids = [int(word) for word in owner.stdout.readline().split()]
    owner.send_signal(blow)
    owner.wait(30)
    _eventually(lambda: not any(_alive(pid) for pid in pids))


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _sleeping() -> int:
    done = subprocess.run(["pgrep", "-fc", "sleep 98765"], capture_output=True, text=True)
    return int(done.stdout or 0)


def _eventually(condition) -> None:
    limit = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit, "did not come true within 30 s"
        time.sleep(0.05)
