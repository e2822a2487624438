"""Fixtures of the language tests: the device that programs run on, and inputs that differ from run to run."""

from testing.programs.conftest import device, fresh_inputs  # noqa: F401
