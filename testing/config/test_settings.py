"""Settings: precedence, kinds of values, the file, refusals."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest

from tilelang.config import inert, kinds
from tilelang.config.places import cache_home, config_home
from tilelang.env import Environment, EnvironmentVariableError, env
from tilelang.errors import ConfigError

SPECIFIED = """
TILELANG_CACHE_DIR TILELANG_DISABLE_CACHE TILELANG_KERNEL_CACHE_USE_LIB_STAMP TILELANG_PRINT_ON_COMPILATION
TILELANG_CLEANUP_TEMP_FILES TILELANG_JIT_DIAGNOSTICS TILELANG_COMPILE_TIMEOUT_SECONDS TILELANG_PASS_DIFF TILELANG_PASS_DIFF_OUTPUT
TL_LOWER_TRACE TL_LOWER_TRACE_DIR TILELANG_PASS_PROFILE TILELANG_PASS_PROFILE_THRESHOLD_MS TILELANG_ENABLE_IR_SPAN
TILELANG_AUTO_TUNING_DISABLE_CACHE TILELANG_AUTO_TUNING_CPU_UTILITIES TILELANG_AUTO_TUNING_CPU_COUNTS
TILELANG_AUTO_TUNING_MAX_CPU_COUNT TILELANG_DEFAULT_TARGET TILELANG_EXECUTION_BACKEND TILELANG_VERBOSE TILELANG_LAYOUT_COST_MODEL
TILELANG_ENABLE_DATA_RACE_CHECK TL_CUTLASS_PATH TL_TEMPLATE_PATH TVM_IMPORT_PYTHON_PATH TVM_LIBRARY_PATH SKIP_LOADING_TILELANG_SO
TILELANG_HIP_SAVE_TEMP_FILES TILELANG_TMP_DIR TL_COMPOSABLE_KERNEL_PATH
""".split()


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Writes the file in force."""
    count = iter(range(100))

    def write(text: str) -> Path:
        path = tmp_path / f"{next(count)}.toml"
        path.write_text(text)
        monkeypatch.setenv("TILELANG_CONFIG", str(path))
        return path

    return write


def source(name: str) -> str:
    return next(entry.source for entry in env.describe() if entry.name == name)


@pytest.mark.parametrize("name", SPECIFIED)
def test_every_specified_variable_is_known(name):
    assert name in {setting.name for setting in Environment.settings()} or name in inert.INERT


def test_precedence(config, monkeypatch):
    """Assigned, environment, file, default: removing one uncovers the next."""
    monkeypatch.delenv("TILELANG_CACHE_DIR", raising=False)
    path = config('[cache]\nroot = "/from/file"')
    monkeypatch.setenv("TILELANG_CACHE_DIR", "/from/environment")
    env.TILELANG_CACHE_DIR = Path("/assigned")
    try:
        assert (str(env.TILELANG_CACHE_DIR), source("TILELANG_CACHE_DIR")) == ("/assigned", "assigned")
    finally:
        del env.TILELANG_CACHE_DIR
    assert (str(env.TILELANG_CACHE_DIR), source("TILELANG_CACHE_DIR")) == ("/from/environment", "environment")
    monkeypatch.delenv("TILELANG_CACHE_DIR")
    assert (str(env.TILELANG_CACHE_DIR), source("TILELANG_CACHE_DIR")) == ("/from/file", str(path))
    config("")
    assert (env.TILELANG_CACHE_DIR, source("TILELANG_CACHE_DIR")) == (cache_home(), "default")


def test_an_argument_wins(config, monkeypatch):
    from tilelang.jit.options import resolve_options

    config('[jit]\ntarget = { kind = "cuda", arch = "sm_80" }')
    assert resolve_options(execution_backend="simulator").target.arch == "sm_80"
    monkeypatch.setenv("TILELANG_DEFAULT_TARGET", '{"kind": "cuda", "arch": "sm_89"}')
    assert resolve_options(execution_backend="simulator").target.arch == "sm_89"
    assert resolve_options({"kind": "cuda", "arch": "sm_90a"}, "simulator").target.arch == "sm_90a"


def test_changes_are_live(monkeypatch):
    for value in (True, False, True):
        monkeypatch.setenv("TILELANG_VERBOSE", str(int(value)))
        assert env.TILELANG_VERBOSE is value


def test_both_names_of_the_target(monkeypatch):
    monkeypatch.delenv("TILELANG_DEFAULT_TARGET", raising=False)
    monkeypatch.setenv("TILELANG_TARGET", "cuda")
    before = env.snapshot(("TILELANG_DEFAULT_TARGET",))
    assert env.TILELANG_DEFAULT_TARGET == "cuda" and source("TILELANG_DEFAULT_TARGET") == "environment (TILELANG_TARGET)"
    monkeypatch.setenv("TILELANG_DEFAULT_TARGET", "auto")
    assert env.snapshot(("TILELANG_DEFAULT_TARGET",)) != before
    with pytest.raises(ConfigError, match="disagree"):
        _ = env.TILELANG_DEFAULT_TARGET


def test_the_short_form(config, monkeypatch):
    monkeypatch.delenv("TILELANG_CACHE_DIR", raising=False)
    config('cache_root = "~/kernels"')
    assert env.TILELANG_CACHE_DIR == Path.home() / "kernels"
    path = config('cache_root = "/a"\n[cache]\nroot = "/b"')
    with pytest.raises(ConfigError, match=f"{path}.*both"):
        _ = env.TILELANG_CACHE_DIR


def test_all_kinds_in_a_file(config, monkeypatch):
    for setting in Environment.settings():
        monkeypatch.delenv(setting.name, raising=False)
    config(
        """
        [cache]
        max_size = "1.5G"
        layers = ["/a", "/b"]
        disable = true
        [compiler]
        timeout = 3
        cuda = { command = "nvcc" }
        [compiler.cpu]
        flags = ["-O3"]
        env = { LANG = "C" }
        [autotune]
        cpu_utilities = 0.5
        cpu_counts = 4
        [simulator]
        check = ["race", "bounds"]
        [paths]
        lab = ["/k1", "/k2"]
        ops = "/k3"
        """
    )
    assert env.TILELANG_CACHE_MAX_SIZE == 3 << 29 and env.TILELANG_CACHE_LAYERS == (Path("/a"), Path("/b"))
    assert env.TILELANG_DISABLE_CACHE is True and env.TILELANG_COMPILE_TIMEOUT_SECONDS == 3.0
    assert env.TILELANG_CUDA_COMPILER == "nvcc" and env.TILELANG_CXXFLAGS == ("-O3",) and env.TILELANG_CXXENV == {"LANG": "C"}
    assert env.TILELANG_AUTO_TUNING_CPU_UTILITIES == 0.5 and env.TILELANG_AUTO_TUNING_CPU_COUNTS == 4
    assert env.TILELANG_CHECK == ("race", "bounds")
    assert env.TILELANG_KERNEL_PATH == {"lab": (Path("/k1"), Path("/k2")), "ops": (Path("/k3"),)}


@pytest.mark.parametrize(
    ("line", "name", "message"),
    [
        ("[cache]\ndisable = 1", "TILELANG_DISABLE_CACHE", "`cache.disable` is 1: expected true or false, got an integer"),
        ('[cache]\ndisable = "yes"', "TILELANG_DISABLE_CACHE", "got a string"),
        ("[cache]\nroot = 3", "TILELANG_CACHE_DIR", "expected a string, got an integer"),
        ('[cache]\nmax_size = "big"', "TILELANG_CACHE_MAX_SIZE", "expected a size"),
        ("[compiler]\ntimeout = -1", "TILELANG_COMPILE_TIMEOUT_SECONDS", "positive"),
        ("[compiler]\ntimeout = true", "TILELANG_COMPILE_TIMEOUT_SECONDS", "got true or false"),
        ("[cache]\nlayers = [1]", "TILELANG_CACHE_LAYERS", "array of strings"),
        ("[autotune]\ncpu_utilities = 1.5", "TILELANG_AUTO_TUNING_CPU_UTILITIES", "between 0 and 1"),
        ('[simulator]\ncheck = ["races"]', "TILELANG_CHECK", "no check named 'races'"),
    ],
)
def test_wrong_values_in_the_file(config, monkeypatch, line, name, message):
    monkeypatch.delenv(name, raising=False)
    path = config(line)
    with pytest.raises(ConfigError) as caught:
        getattr(env, name)
    assert message in str(caught.value) and str(path) in str(caught.value)
    described = next(entry for entry in env.describe() if entry.name == name)
    assert message in described.error and described.source == str(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TILELANG_CACHE_MAX_SIZE", "4 elephants"),
        ("TILELANG_CACHE_DIR", ""),
        ("TILELANG_COMPILE_TIMEOUT_SECONDS", "inf"),
        ("TILELANG_AUTO_TUNING_CPU_UTILITIES", "0"),
        ("TILELANG_AUTO_TUNING_CPU_COUNTS", "many"),
        ("TILELANG_DEFAULT_TARGET", '{"kind": '),
        ("TILELANG_CXXENV", "novalue"),
        ("TILELANG_KERNEL_PATH", "/no/tag"),
    ],
)
def test_wrong_values_in_the_environment(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(EnvironmentVariableError, match=name):
        getattr(env, name)


def test_malformed_files(config, monkeypatch, tmp_path):
    monkeypatch.delenv("TILELANG_VERBOSE", raising=False)
    path = config("[cache]\nroot = \n")
    with pytest.raises(ConfigError, match=r"TOML.*line 2") as caught:
        _ = env.TILELANG_VERBOSE
    assert str(path) in str(caught.value)
    monkeypatch.setenv("TILELANG_CONFIG", str(tmp_path / "missing.toml"))
    with pytest.raises(ConfigError, match="missing.toml cannot be read"):
        _ = env.TILELANG_VERBOSE


def test_unknown_keys_are_reported_once(config, monkeypatch, caplog):
    monkeypatch.delenv("TILELANG_VERBOSE", raising=False)
    config("[cache]\nmax_sise = 3\n[paths]\nlab = '/k'\n[compiler.cpu.env]\nLANG = 'C'\n")
    with caplog.at_level(logging.WARNING):
        _ = env.TILELANG_VERBOSE, env.TILELANG_VERBOSE
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "unknown key `cache.max_sise`; did you mean `cache.max_size`?"
    ]


def test_the_users_own_file(tmp_path, monkeypatch):
    monkeypatch.delenv("TILELANG_CONFIG", raising=False)
    monkeypatch.delenv("TILELANG_VERBOSE", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "tilelang").mkdir()
    (tmp_path / "tilelang" / "config.toml").write_text("[jit]\nverbose = true\n")
    assert env.TILELANG_VERBOSE is True


@pytest.mark.parametrize(
    ("platform", "variables", "cache", "config"),
    [
        ("linux", {}, "/home/me/.cache/tilelang", "/home/me/.config/tilelang"),
        ("linux", {"XDG_CACHE_HOME": "/c", "XDG_CONFIG_HOME": "/g"}, "/c/tilelang", "/g/tilelang"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/tilelang", "/home/me/.config/tilelang"),
        ("darwin", {}, "/home/me/Library/Caches/tilelang", "/home/me/Library/Application Support/tilelang"),
        ("win32", {"LOCALAPPDATA": "/data"}, "/data/tilelang/Cache", "/data/tilelang"),
        ("win32", {}, "/home/me/AppData/Local/tilelang/Cache", "/home/me/AppData/Local/tilelang"),
    ],
)
def test_places(monkeypatch, platform, variables, cache, config):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (str(cache_home()), str(config_home())) == (cache, config)


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("12", 12), ("1K", 1024), ("2 MiB", 2 << 20), ("1.5g", 3 << 29), ("none", None)]
)
def test_sizes(text, size):
    assert kinds.parse_size(text) == size


def test_windows_of_paths(monkeypatch):
    monkeypatch.setenv("TILELANG_CACHE_LAYERS", os.pathsep.join(["/a", "~/b", ""]))
    assert env.TILELANG_CACHE_LAYERS == (Path("/a"), Path.home() / "b")
