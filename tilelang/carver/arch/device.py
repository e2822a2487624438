"""What GPUs can do at most, from NVIDIA's data sheets (dense rates, boost clocks)."""

from __future__ import annotations

from dataclasses import dataclass

from tilelang.target.arch import find_arch


@dataclass(frozen=True)
class Device:
    """One GPU.

    Parameters
    ----------
    name : str
        Marketing name.
    arch : str
        Such as "sm_90a".
    sms : int
        Multiprocessors.
    tensor_tflops : dict
        Peak of the matrix units in 1e12 operations a second, by operand dtype.
    simt_tflops : float
        Peak of float32 multiply-adds outside of them.
    bandwidth : float
        Of the device memory, in 1e9 bytes a second.
    l2_bytes : int
        Size of the L2 cache.
    l2_bandwidth : float
        Of the L2 cache, in 1e9 bytes a second, as NVIDIA does not state it: of sm_80 to sm_89 by microbenchmarks; of the H100
        by its GEMM of 8192^3, which asks the cache for 13.0 GB in 1.39 ms; others of its kind by multiprocessors and clock.
    """

    name: str
    arch: str
    sms: int
    tensor_tflops: dict[str, float]
    simt_tflops: float
    bandwidth: float
    l2_bytes: int
    l2_bandwidth: float
    shared_per_sm: int
    threads_per_sm: int = 2048
    blocks_per_sm: int = 32
    registers_per_sm: int = 65536

    @property
    def shared_per_block(self) -> int:
        """Bytes of shared memory that one block can have."""
        return find_arch(self.arch).shared_per_block

    def peak(self, dtype: str) -> float:
        """Operations a second of the matrix units for operands of `dtype`; of plain multiply-adds where they have none."""
        return 1e12 * self.tensor_tflops.get(_family(dtype), self.simt_tflops)


def _family(dtype: str) -> str:
    if dtype.startswith("float8"):
        return "float8"
    return {"bfloat16": "float16", "float32": "tfloat32", "uint8": "int8"}.get(dtype, dtype)


def _tensor(f16: float, tf32: float, i8: float, f8: float | None = None, f64: float | None = None) -> dict[str, float]:
    rates = {"float16": f16, "tfloat32": tf32, "int8": i8, "float8": f8, "float64": f64}
    return {name: rate for name, rate in rates.items() if rate is not None}


_KB, _MB = 1024, 2**20
# The first of an architecture stands for it where no GPU says its name.
DEVICES = (
    Device("A100 SXM 80GB", "sm_80", 108, _tensor(312, 156, 624, f64=19.5), 19.5, 2039, 40 * _MB, 5500, 164 * _KB),
    Device("A100 PCIe 40GB", "sm_80", 108, _tensor(312, 156, 624, f64=19.5), 19.5, 1555, 40 * _MB, 5500, 164 * _KB),
    Device("A10", "sm_86", 72, _tensor(125, 62.5, 250), 31.2, 600, 6 * _MB, 1900, 100 * _KB, 1536, 16),
    Device("GeForce RTX 3090", "sm_86", 82, _tensor(71, 35.6, 284), 35.6, 936, 6 * _MB, 2000, 100 * _KB, 1536, 16),
    Device("Jetson AGX Orin", "sm_87", 16, _tensor(42.5, 21.3, 85), 5.3, 205, 4 * _MB, 600, 164 * _KB, 1536, 16),
    Device("L40S", "sm_89", 142, _tensor(362, 183, 733, f8=733), 91.6, 864, 96 * _MB, 4500, 100 * _KB, 1536, 24),
    Device("L4", "sm_89", 58, _tensor(121, 60, 242, f8=242), 30.3, 300, 48 * _MB, 1500, 100 * _KB, 1536, 24),
    Device("GeForce RTX 4090", "sm_89", 128, _tensor(165, 82.6, 661, f8=330), 82.6, 1008, 72 * _MB, 5000, 100 * _KB, 1536, 24),
    Device("H100 80GB HBM3", "sm_90a", 132, _tensor(989, 494, 1979, 1979, 67), 67, 3352, 50 * _MB, 11000, 228 * _KB),
    Device("H100 PCIe", "sm_90a", 114, _tensor(756, 378, 1513, 1513, 51), 51, 2039, 50 * _MB, 9000, 228 * _KB),
    Device("H200", "sm_90a", 132, _tensor(989, 494, 1979, 1979, 67), 67, 4800, 50 * _MB, 11000, 228 * _KB),
    Device("H800", "sm_90a", 132, _tensor(989, 494, 1979, 1979, 1), 67, 3352, 50 * _MB, 11000, 228 * _KB),
    Device("GeForce RTX 5090", "sm_120a", 170, _tensor(209, 105, 838, f8=419), 104.8, 1792, 96 * _MB, 7000, 100 * _KB, 1536, 24),
    Device("B200", "sm_100a", 148, _tensor(2250, 1125, 4500, 4500, 37), 75, 8000, 126 * _MB, 13000, 228 * _KB),
)


def device_of_arch(arch: str) -> Device:
    """The GPU that stands for an architecture.

    Raises
    ------
    UnsupportedError
        For an architecture that is not in the table.
    """
    find_arch(arch)
    wanted = arch.rstrip("af")
    return next(d for d in DEVICES if d.arch.rstrip("af") == wanted)


def device_named(name: str, arch: str) -> Device:
    """The GPU whose name a driver gives; that which stands for its architecture if it is not in the table."""
    matches = [d for d in DEVICES if d.name.lower() in name.lower() and d.arch.rstrip("af") == arch.rstrip("af")]
    return max(matches, key=lambda d: len(d.name)) if matches else device_of_arch(arch)


def current_device(arch: str) -> Device:
    """The GPU of this machine if it has that architecture, else the one that stands for it."""
    from tilelang.target import device_arch

    if device_arch() is None or (device_arch() or "").rstrip("af") != arch.rstrip("af"):
        return device_of_arch(arch)
    import torch

    return device_named(torch.cuda.get_device_name(), arch) if torch.cuda.is_available() else device_of_arch(arch)
