"""The language tests draw inputs that differ from run to run."""

from testing.programs.conftest import fresh_inputs  # noqa: F401
