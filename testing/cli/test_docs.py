"""docs/cli.md and docs/configuration.md say what is true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from tilelang.cli.app import app
from tilelang.config.file import read_file
from tilelang.env import Environment

ROOT = Path(__file__).parents[2]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)


def test_commands_of_the_page(tmp_path, monkeypatch):
    monkeypatch.setenv("TILELANG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for line in "".join(blocks("cli.md", "sh")).splitlines():
        program, *words = shlex.split(line)
        result = CliRunner().invoke(app, words, prog_name="tilelang")
        assert program == "tilelang" and result.exit_code == 0, f"{line}\n{result.output}{result.exception!r}"
    assert (tmp_path / "matmul.cubin").is_file() and not (tmp_path / "cache").exists()


def test_the_table_of_settings():
    rows = re.findall(r"^\| (`(?:TILELANG|TL)_.*?) \| `(.*?)` \|", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE)
    documented = {(tuple(re.findall(r"`(\w+)`", names)), key) for names, key in rows}
    assert documented == {((s.name, *([s.alias] if s.alias else [])), s.key) for s in Environment.settings()}


@pytest.mark.parametrize("text", blocks("configuration.md", "toml"))
def test_the_file_of_the_page(text, caplog):
    values = read_file(Path("config.toml"), text.encode()).values
    assert not caplog.records  # no unknown key
    for setting in Environment.settings():
        if setting.key in values:
            setting.kind.of_toml(values[setting.key])
