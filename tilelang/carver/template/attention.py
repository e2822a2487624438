"""Attention with online softmax (Dao, FlashAttention-2, 2023)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tilelang.carver.arch.cuda import CUDA
from tilelang.carver.hint import Hint
from tilelang.carver.template.base import Template, bytes_of, ceildiv
from tilelang.profiler.work import LaunchWork, Work

_SOFTMAX = 8.0  # operations an element of the scores: scale, maximum, exponential, sum, conversion


@dataclass
class FlashAttentionTemplate(Template):
    """Sizes and dtypes of an attention forward pass.

    Parameters
    ----------
    batch_size, num_heads, head_dim, seq_length, seq_kv_length : int
        Of the queries, and the length of keys and values.
    is_causal : bool
        Half of the scores are masked, and blocks of them skipped.
    in_dtype, out_dtype, accum_dtype : str
        Of the operands, the result, the sums.
    """

    batch_size: int = 1
    num_heads: int = 1
    head_dim: int = 64
    seq_length: int = 1024
    seq_kv_length: int = 1024
    is_causal: bool = False
    in_dtype: str = "float16"
    out_dtype: str = "float16"
    accum_dtype: str = "float32"

    def candidates(self, arch: CUDA) -> Iterator[Hint]:
        for bm in (64, 128, 192, 256):
            for bn in (32, 64, 96, 128, 160, 192, 256):
                for threads in (128, 256, 384):
                    # Scores and output are live at once; a warp keeps whole rows, so that softmax needs no other warp.
                    registers = bm * (bn + self.head_dim) / threads
                    if bm % (threads // 32 * 16) or registers > 220 or bm >= 2 * max(64, self.seq_length):
                        continue
                    for stages in (1, 2, 3) if arch.sm_version >= 80 else (1,):
                        yield Hint([bm, bn], [bm // (threads // 32), bn], [self.head_dim], stages, threads, 8)

    def work(self, hint: Hint) -> Work:
        bm, bn = hint.block
        heads = self.batch_size * self.num_heads
        blocks, steps = heads * ceildiv(self.seq_length, bm), float(ceildiv(self.seq_kv_length, bn))
        if self.is_causal:
            steps = (steps + 1) / 2
        size, depth = bytes_of(self.in_dtype), self.head_dim
        launch = LaunchWork(
            blocks=blocks,
            threads=hint.threads,
            matrix_operations={self.in_dtype: 4.0 * blocks * steps * bm * bn * depth},
            plain_operations=blocks * steps * bm * (_SOFTMAX * bn + 2 * depth),  # and the output is scaled anew
            global_read=blocks * (bm + 2 * steps * bn) * depth * size,
            global_written=blocks * bm * depth * bytes_of(self.out_dtype),
            pipelined_bytes=int((bm + 2 * hint.pipeline_stage * bn) * depth * size),
            accumulator_bytes=bm * (bn + depth) * 4,
            narrowest_row=int(depth * size),
            stages=hint.pipeline_stage,
            matrix_rows=bm,
        )
        footprint = heads * depth * (2 * self.seq_length + 2 * self.seq_kv_length) * size
        return Work([launch], footprint)
