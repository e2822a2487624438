"""The lowering for CPUs: one thread runs a block, tiles are arrays, parallel nests are vector loops."""
