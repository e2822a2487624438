"""Toolchains, under the names that programs ask them by."""
