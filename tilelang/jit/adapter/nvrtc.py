"""Launching through cuda-python alone: arguments are checked and packed in Python, no native library of ours is loaded."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from tilelang.codegen.launch_plan import KernelArgument, KernelLaunch, Workspace
from tilelang.errors import ArgumentError, ResourceError
from tilelang.jit.adapter.arrays import torch_name
from tilelang.jit.adapter.base import Adapter, register
from tilelang.jit.availability import Availability, package_availability
from tilelang.runtime.arguments import TensorView, bind_arguments, evaluate, output_shapes
from tilelang.runtime.errors import LaunchError
from tilelang.runtime.tensor_map import Request, encode_map, map_request

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.jit.options import CompileOptions
    from tilelang.target import Target

_GRID_LIMITS = (2**31 - 1, 65535, 65535)
_DEFAULT_SHARED_LIMIT = 48 << 10
_MAPS = 64  # encodings kept


@register
class NvrtcAdapter(Adapter):
    """Takes torch tensors; needs cuda-bindings and a driver, and nothing else."""

    name = "nvrtc"
    guarantees = frozenset()  # cuda-python holds the interpreter lock while it packs a launch
    calls_host = False

    def __init__(self, artifact: Artifact, options: CompileOptions) -> None:
        super().__init__(artifact, options)
        self._functions: dict[int, list[Any]] = {}
        self._maps: dict[tuple[int, int, Request], Any] = {}
        self._lock = threading.Lock()

    @classmethod
    def runs(cls, target: Target) -> bool:
        return target.kind == "cuda" and not target.simulated

    @classmethod
    def available(cls) -> Availability:
        return package_availability("cuda.bindings", "cuda-bindings")

    def __call__(self, *args: Any) -> Any:
        views = [self._view(value) for value in args]
        values = bind_arguments(self.plan, args, views, "cuda")
        device = next((view.device[1] for view in views if view is not None), None)
        device = self._current_device() if device is None else device
        outputs = [
            self._empty(shape, self.plan.parameters[i].dtype, device)
            for shape, i in zip(output_shapes(self.plan, values), self.plan.outputs)
        ]
        workspaces = [self._workspace(w, values, device) for w in self.plan.workspaces]
        given, made = iter(views), iter(outputs)
        found = [next(made) if p.output else next(given) for p in self.plan.parameters]
        addresses = [self._address(tensor) for tensor in (*found, *workspaces)]
        self._run(device, addresses, values)
        return outputs[0] if len(outputs) == 1 else outputs or None

    def _run(self, device: int, addresses: list[int], values: Mapping[str, Any]) -> None:
        with self._entered(device):
            stream = self._stream(device)
            for place, (function, kernel) in enumerate(zip(self._loaded(device), self.plan.kernels)):
                grid = grid_of(kernel, values)
                if grid is not None:
                    slots = [self._slot(place, kernel, argument, addresses, values) for argument in kernel.arguments]
                    _launch(function, kernel, grid, slots, stream)

    def _slot(
        self, place: int, kernel: KernelLaunch, argument: KernelArgument, addresses: list[int], values: Mapping[str, Any]
    ) -> Any:
        """One argument of a launch as a ctypes object of its size."""
        if argument.kind != "tensor_map":
            return pack(argument, addresses, values)
        which = int(argument.value)
        map_ = kernel.tensor_maps[which]
        request = map_request(map_, addresses, values)
        found = self._maps.get((place, which, request))
        if found is None:
            if len(self._maps) >= _MAPS:  # tensors come and go; encodings are small, but not for ever
                self._maps.clear()
            found = self._maps[place, which, request] = encode_map(map_, request, kernel.name)
        return found

    # -- the array library ------------------------------------------------------------------------------------------------
    def _view(self, value: Any) -> TensorView | None:
        import torch

        return view_of(value) if isinstance(value, torch.Tensor) else None

    def _current_device(self) -> int:
        import torch

        return torch.cuda.current_device()

    def _entered(self, device: int) -> AbstractContextManager[Any]:
        """Makes the primary context current."""
        import torch

        return torch.cuda.device(device)

    def _stream(self, device: int) -> int:
        import torch

        return torch.cuda.current_stream(device).cuda_stream

    def _empty(self, shape: Sequence[int], dtype: str, device: int, zeroed: bool = False) -> Any:
        import torch

        make = torch.zeros if zeroed else torch.empty
        return make(tuple(shape), dtype=getattr(torch, torch_name(dtype)), device=torch.device("cuda", device))

    def _workspace(self, workspace: Workspace, values: Mapping[str, Any], device: int) -> Any:
        return self._empty([evaluate(e, values) for e in workspace.shape], workspace.dtype, device, workspace.zeroed)

    @staticmethod
    def _address(tensor: Any) -> int:
        return 0 if tensor is None else tensor.address if isinstance(tensor, TensorView) else tensor.data_ptr()

    # -- the driver -------------------------------------------------------------------------------------------------------
    def _loaded(self, device: int) -> list[Any]:
        """The functions on a device, loaded at the first launch there."""
        with self._lock:
            if device not in self._functions:
                module = self._module()
                self._functions[device] = [self._load(module, kernel) for kernel in self.plan.kernels]
            return self._functions[device]

    def _module(self) -> Any:
        from cuda.bindings import driver

        return checked(driver.cuModuleLoadData(self.artifact.payload), "loading the compiled kernel")

    def _function(self, module: Any, name: str) -> Any:
        from cuda.bindings import driver

        return checked(driver.cuModuleGetFunction(module, name.encode()), f"finding `{name}`")

    def _load(self, module: Any, kernel: KernelLaunch) -> Any:
        from cuda.bindings import driver

        function = self._function(module, kernel.name)
        attributes = driver.CUfunction_attribute
        if kernel.shared_bytes > _DEFAULT_SHARED_LIMIT:
            limit = attributes.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            checked(driver.cuFuncSetAttribute(function, limit, kernel.shared_bytes), f"asking for {kernel.shared_bytes} bytes")
        if kernel.cluster[0] * kernel.cluster[1] * kernel.cluster[2] > 8:
            allowed = attributes.CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED
            checked(driver.cuFuncSetAttribute(function, allowed, 1), "a cluster of more than 8 blocks")
        return function


def _launch(function: Any, kernel: KernelLaunch, grid: tuple[int, ...], slots: list[Any], stream: int) -> None:
    from cuda.bindings import driver

    config = driver.CUlaunchConfig()
    config.gridDimX, config.gridDimY, config.gridDimZ = grid
    config.blockDimX, config.blockDimY, config.blockDimZ = kernel.block
    config.sharedMemBytes, config.hStream = kernel.shared_bytes, stream
    attributes = _attributes(kernel)
    if attributes:
        config.attrs, config.numAttrs = attributes, len(attributes)
    pointers = (ctypes.c_void_p * max(1, len(slots)))(*(ctypes.addressof(slot) for slot in slots))
    checked(driver.cuLaunchKernelEx(config, function, ctypes.addressof(pointers), 0), f"launching `{kernel.name}`")


def _attributes(kernel: KernelLaunch) -> list[Any]:
    """What a launch has beside its grid and block."""
    from cuda.bindings import driver

    kinds = driver.CUlaunchAttributeID
    found = []
    if kernel.cluster != (1, 1, 1):
        cluster = driver.CUlaunchAttribute()
        cluster.id = kinds.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION
        cluster.value.clusterDim.x, cluster.value.clusterDim.y, cluster.value.clusterDim.z = kernel.cluster
        found.append(cluster)
    if kernel.cooperative:
        cooperative = driver.CUlaunchAttribute()
        cooperative.id = kinds.CU_LAUNCH_ATTRIBUTE_COOPERATIVE
        cooperative.value.cooperative = 1
        found.append(cooperative)
    if kernel.overlaps:
        overlap = driver.CUlaunchAttribute()
        overlap.id = kinds.CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION
        overlap.value.programmaticStreamSerializationAllowed = 1
        found.append(overlap)
    return found


def grid_of(kernel: KernelLaunch, values: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The blocks of a launch; None when there are none: CUDA refuses empty grids, and nothing is to be computed.

    Raises
    ------
    ResourceError
        Beyond what a grid can be.
    ArgumentError
        When clusters do not tile the grid.
    """
    grid = tuple(evaluate(extent, values) for extent in kernel.grid)
    for axis, blocks, limit in zip("xyz", grid, _GRID_LIMITS):
        if not 0 <= blocks <= limit:
            raise ResourceError(
                f"`{kernel.name}` would launch {blocks} blocks along {axis}; the limit there is {limit}",
                fix="put the longest axis first in T.Kernel, or let a block process several tiles",
            )
    if any(blocks % width for blocks, width in zip(grid, kernel.cluster)):
        raise ArgumentError(f"`{kernel.name}` launches {grid} blocks, not multiples of its cluster {kernel.cluster}")
    return None if 0 in grid else grid


def view_of(tensor: Any) -> TensorView:
    """A torch tensor as the checks see it."""
    device = tensor.device
    return TensorView(
        tensor.data_ptr(),
        str(tensor.dtype).removeprefix("torch."),
        tuple(tensor.shape),
        tuple(tensor.stride()),
        (device.type, device.index or 0),
    )


_C_TYPES: dict[str, Any] = {
    "bool": ctypes.c_uint8,
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
    **{f"{sign}int{bits}": getattr(ctypes, f"c_{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


def pack(argument: KernelArgument, addresses: list[int], values: Mapping[str, Any]) -> Any:
    """One kernel argument as a ctypes object of its size."""
    if argument.kind == "tensor":
        return ctypes.c_void_p(addresses[int(argument.value)])
    value = evaluate(argument.value, values)
    if argument.dtype in ("float16", "bfloat16"):
        import torch

        bits = torch.tensor(value, dtype=getattr(torch, argument.dtype)).view(torch.int16).item()
        return ctypes.c_int16(int(bits))
    if argument.dtype == "int32" and not -(2**31) <= value < 2**31:
        raise ArgumentError(
            f"`{argument.value}` = {value} does not fit an int32 argument", fix="declare the symbol with dtype int64"
        )
    return _C_TYPES[argument.dtype](value)


def checked(result: tuple[Any, ...], what: str) -> Any:
    """The value of a driver call, or a LaunchError that says which step failed."""
    from cuda.bindings import driver

    status, *rest = result
    if status != driver.CUresult.CUDA_SUCCESS:
        _, text = driver.cuGetErrorString(status)
        raise LaunchError(f"{what} failed: {(text or b'unknown error').decode()} (CUDA error {int(status)})")
    return rest[0] if rest else None
