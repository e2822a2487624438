"""Counting a program's work, and what follows from it: roofline, pruning, predictions."""

from __future__ import annotations

import pytest

import tilelang.language as T
from testing.programs.gemm import TYPES, gemm
from tilelang.carver.arch.device import DEVICES, device_named, device_of_arch
from tilelang.carver.model import PrunedError, occupancy, predict_ms, screen
from tilelang.errors import UnsupportedError
from tilelang.profiler.roofline import roofline_of
from tilelang.profiler.work import count_work

H100 = device_of_arch("sm_90a")
F16, E4M3 = TYPES[0], next(t for t in TYPES if t.name == "e4m3")


def work(M, N, K, tile, stages=3, threads=256, types=F16, values=None):
    return count_work(gemm(M, N, K, tile, types, stages=stages, threads=threads).prim_func, values)


def test_a_matrix_multiply():
    found = work(1000, 512, 384, (128, 64, 32))
    (launch,) = found.launches
    assert launch.blocks == 8 * 8 and launch.threads == 256
    assert launch.matrix_operations == {"float16": 2.0 * 1024 * 512 * 384}
    assert launch.global_read == 64 * 12 * (128 * 32 + 32 * 64) * 2 and launch.global_written == 64 * 128 * 64 * 2
    assert launch.pipelined_bytes == 3 * (128 * 32 + 32 * 64) * 2 and launch.stages == 3
    assert launch.accumulator_bytes == 128 * 64 * 4 and launch.registers == 32
    assert found.footprint == 2 * (1000 * 384 + 384 * 512 + 1000 * 512)
    assert launch.narrowest_row == 64


def test_symbols_get_values():
    n = T.dynamic("n")
    assert work(n, 512, 384, (128, 64, 32), values={"n": 1000}).launches[0].blocks == 64


def test_elementwise_work_is_bound_by_memory():
    @T.prim_func
    def main(A: T.Tensor((4096,), "float32"), B: T.Tensor((4096,), "float32")):
        with T.Kernel(8, threads=128) as bx:
            for i in T.Parallel(512):
                B[bx * 512 + i] = A[bx * 512 + i] * 2.0 + 1.0

    found = count_work(main.prim_func)
    (launch,) = found.launches
    assert launch.global_read == launch.global_written == 4096 * 4 and launch.plain_operations == 2 * 4096
    roofline = roofline_of(found, H100, latency_ms=0.01)
    assert roofline.limiter == "memory" and roofline.bound_ms == pytest.approx(2 * 4096 * 4 / 3352e9 * 1e3)
    assert f"{roofline.fraction:.0%} of the ceiling" in str(roofline)


def test_the_roofline_of_a_large_multiply_is_the_peak():
    found = roofline_of(work(8192, 8192, 8192, (128, 256, 64)), H100)
    assert found.limiter == "compute" and found.bound_ms == pytest.approx(2 * 8192**3 / 989e12 * 1e3)
    half = roofline_of(work(8192, 8192, 8192, (128, 256, 64), types=E4M3), H100)
    assert half.bound_ms == pytest.approx(found.bound_ms * 989 / 1979)


@pytest.mark.parametrize(
    "tile, stages, threads, words",
    [((256, 256, 64), 4, 256, "shared memory"), ((256, 256, 16), 2, 128, "registers"), ((64, 64, 32), 2, 2048, "threads")],
)
def test_what_cannot_fit_is_refused(tile, stages, threads, words):
    with pytest.raises(PrunedError, match=words):
        screen(work(4096, 4096, 4096, tile, stages, threads), H100)


def test_occupancy_and_its_limit():
    assert occupancy(work(4096, 4096, 4096, (128, 128, 64), 3, 128).launches[0], H100).blocks == 2
    one = occupancy(work(4096, 4096, 4096, (128, 256, 64), 4, 256).launches[0], H100)
    assert one.blocks == 1 and one.limiter == "shared memory"


def test_predictions_rank_plainly_better_tiles_first():
    def ms(*arguments):
        return predict_ms(work(4096, 4096, 4096, *arguments), H100)

    good = ms((128, 256, 64), 3, 256)
    assert good < ms((64, 64, 32), 3, 128) < ms((32, 32, 32), 3, 128)
    assert good < ms((128, 256, 64), 0, 256)
    assert good > 2 * 4096**3 / 989e12 * 1e3


def test_devices():
    assert device_named("NVIDIA H100 80GB HBM3", "sm_90a").name == "H100 80GB HBM3"
    assert device_named("NVIDIA H200", "sm_90a").bandwidth == 4800
    assert device_named("NVIDIA Unheard Of", "sm_89").arch == "sm_89"
    assert all(device_of_arch(device.arch).arch == device.arch for device in DEVICES)
    assert H100.peak("bfloat16") == 989e12 and H100.peak("float8_e4m3") == 1979e12 and H100.peak("float32") == 494e12
    with pytest.raises(UnsupportedError):
        device_of_arch("sm_35")
