"""Targets, backends, pass configurations, environment variables."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import tilelang
from tilelang.env import EnvironmentVariableError, env
from tilelang.jit.options import ExecutionBackendError, resolve_options
from tilelang.pass_configs import PassConfigError, PassConfigKey, normalize_pass_configs
from tilelang.toolchain import device_compile_options


def test_import_is_light():
    code = "import sys, tilelang; print([m for m in ('tvm', 'tvm_ffi', 'torch', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_top_level_names():
    for name in tilelang.__all__:
        if name not in ("engine", "simulator"):
            getattr(tilelang, name)
    importlib.import_module("tilelang.jit")  # the package must not hide the decorator
    assert callable(tilelang.jit) and tilelang.env is env
    with pytest.raises(AttributeError):
        tilelang.nothing_of_that_name  # noqa: B018


def test_small_helpers():
    assert [tilelang.cdiv(a, 4) for a in (0, 1, 4, 5)] == [0, 1, 1, 2]
    assert [tilelang.next_power_of_2(x) for x in (0, 1, 2, 3, 64, 65)] == [1, 1, 2, 4, 64, 128]
    assert tilelang.math.next_power_of_2 is tilelang.next_power_of_2 and tilelang.math.cdiv is tilelang.cdiv


def test_simulator_backend():
    options = resolve_options("cuda", "simulator")
    assert options.target.simulated and options.execution_backend == "simulator"


def test_native_backend_compiles_anywhere(monkeypatch):
    monkeypatch.delenv("TILELANG_SIMULATE", raising=False)
    assert not resolve_options({"kind": "cuda", "arch": "sm_80"}, "tvm_ffi").target.simulated


def test_environment_variables_are_read_at_each_access(monkeypatch):
    monkeypatch.setenv("TILELANG_SIMULATE", "1")
    assert resolve_options("cuda").target.simulated
    monkeypatch.setenv("TILELANG_DEFAULT_TARGET", '{"kind": "cuda", "arch": "sm_89"}')
    assert resolve_options().target.arch == "sm_89"
    monkeypatch.setenv("TILELANG_DEFAULT_TARGET", "{oops")
    with pytest.raises(EnvironmentVariableError, match="TILELANG_DEFAULT_TARGET"):
        resolve_options()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TILELANG_DISABLE_CACHE", "maybe"),
        ("TILELANG_COMPILE_TIMEOUT_SECONDS", "-1"),
        ("TILELANG_COMPILE_TIMEOUT_SECONDS", "soon"),
        ("TILELANG_CUDA_COMPILER", "clang"),
    ],
)
def test_malformed_variables_are_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(EnvironmentVariableError, match=name):
        getattr(env, name)


def test_assignment_overrides(monkeypatch):
    monkeypatch.setenv("TILELANG_DISABLE_CACHE", "1")
    assert not tilelang.is_cache_enabled()
    tilelang.enable_cache()
    try:
        assert tilelang.is_cache_enabled()
    finally:
        del env.TILELANG_DISABLE_CACHE
    assert not tilelang.is_cache_enabled()


def test_unknown_backend():
    with pytest.raises(ExecutionBackendError, match="Invalid execution backend 'cuteds'.*Allowed"):
        resolve_options(execution_backend="cuteds")
    with pytest.raises(ValueError):
        resolve_options(execution_backend="cuteds")


def test_pass_configs():
    assert PassConfigKey.TL_ENABLE_FAST_MATH == "tl.enable_fast_math"
    assert normalize_pass_configs({PassConfigKey.TL_DISABLE_WGMMA: True, "tl.enable_fast_math": 1}) == {
        "tl.disable_wgmma": True,
        "tl.enable_fast_math": 1,
    }
    with pytest.raises(PassConfigError, match="did you mean 'tl.enable_fast_math'"):
        normalize_pass_configs({"tl.enable_fastmath": True})


def test_device_compile_options():
    options = device_compile_options(
        {"tl.enable_fast_math": True, "tl.ptxas_register_usage_level": 5, "tl.device_compile_flags": "-DX=1 -lineinfo"}, ["-G"]
    )
    assert options == ["--use_fast_math", "--ptxas-options=--register-usage-level=5", "-DX=1", "-lineinfo", "-G"]
    with pytest.raises(NotImplementedError, match="0 to 10"):
        device_compile_options({"tl.ptxas_register_usage_level": 11}, [])


def test_body_options_extend():
    options = resolve_options("cuda", "simulator", {"tl.disable_wgmma": True}, "-a").extended(
        {"tl.disable_wgmma": False, "tl.enable_fast_math": True}, ["-b"]
    )
    assert options.pass_configs == {"tl.disable_wgmma": True, "tl.enable_fast_math": True}
    assert options.compile_flags == ("-a", "-b")
