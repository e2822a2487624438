"""`python -m tilelang`."""

from __future__ import annotations

from tilelang.cli import main

if __name__ == "__main__":
    main()
