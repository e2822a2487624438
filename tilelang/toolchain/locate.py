"""Where the programs of the CUDA toolkit are."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path


def toolkit_headers() -> Path | None:
    """The folder of cuda_fp16.h and its like, beside the toolkit's programs or in an nvidia-* package; None if there is none."""
    candidates = [Path(os.environ[home]) / "include" for home in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(home)]
    nvcc = find_tool("nvcc")
    candidates += [nvcc.resolve().parent.parent / "include"] if nvcc else []
    spec = importlib.util.find_spec("nvidia")
    for root in (spec.submodule_search_locations or []) if spec else []:
        candidates += sorted(Path(root).glob("*/include"))
    candidates.append(Path("/usr/local/cuda/include"))
    return next((candidate for candidate in candidates if (candidate / "cuda_fp16.h").is_file()), None)


def find_tool(name: str) -> Path | None:
    """The program of CUDA_HOME or CUDA_PATH, then of PATH, then of an nvidia-* package, then of /usr/local/cuda."""
    candidates = [Path(os.environ[home]) / "bin" / name for home in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(home)]
    on_path = shutil.which(name)
    candidates += [Path(on_path)] if on_path else []
    spec = importlib.util.find_spec("nvidia")
    for root in (spec.submodule_search_locations or []) if spec else []:
        candidates += sorted(Path(root).glob(f"*/bin/{name}"))
    candidates.append(Path("/usr/local/cuda/bin") / name)
    return next((candidate for candidate in candidates if candidate.is_file()), None)
