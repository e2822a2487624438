"""What programs for the CPU import: `tilelang.cpu.language`."""
