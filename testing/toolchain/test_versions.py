"""Package versions from directory names agree with the metadata."""

from __future__ import annotations

from importlib import metadata

import pytest

from tilelang.toolchain.versions import package_version


@pytest.mark.parametrize("name", ["apache-tvm", "apache-tvm-ffi", "nvidia-cuda-nvrtc", "cuda-bindings", "torch"])
def test_installed(name):
    assert package_version(name) == metadata.version(name)


def test_absent():
    assert package_version("no-such-package") == "none"
