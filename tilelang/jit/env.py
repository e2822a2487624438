"""The settings that compiling reads: `tilelang.env`, under its documented name."""

from __future__ import annotations

from tilelang.env import Environment, EnvironmentVariableError, env

__all__ = ["Environment", "EnvironmentVariableError", "env"]
