"""2:4 sparse matrices for T.gemm_sp: compressing dense ones, and making random ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import SemanticError, ShapeError

if TYPE_CHECKING:
    import torch


def _kept_of(bits: int) -> tuple[int, int]:
    """(kept, of): one of two 32-bit elements, two of four narrower ones."""
    return (1, 2) if bits == 32 else (2, 4)


def compress(
    dense: torch.Tensor, transposed: bool = False, metadata_dtype: Any = None, arch: Any = None, **options: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """The nonzeros of a matrix, and where they were.

    Parameters
    ----------
    dense : torch.Tensor, shape (M, K), or (K, M) if `transposed`
        Of each four neighbours along K at most two are not zero (of each two at most one, for 32-bit elements).
    transposed : bool
        Then `A_sparse` is transposed, too; `E` is not.
    metadata_dtype : torch.dtype, optional
        Of the second result; int16 by default, int32 for 8-bit elements.
    arch : str, optional
        "8.0" and the like: `E` in the order of CUTLASS's compressor, which a kernel reads with
        `tilelang.layout.make_cutlass_metadata_layout(E, mma_dtype, arch)`. Without it `E` is row-major, as T.gemm_sp takes it.
    **options
        `block_k` is accepted, and changes nothing.

    Returns
    -------
    (torch.Tensor, torch.Tensor)
        `A_sparse` of shape (M, K / 2) and `E` of T.gemm_sp.

    Raises
    ------
    ShapeError
        If the matrix is not 2:4 sparse, or K is no multiple of what an element of `E` describes.
    UnsupportedError
        For an `arch` whose order is not known.

    Examples
    --------
    >>> kept, places = compress(randn_semi_sparse(64, 128))
    """
    import torch

    if set(options) - {"block_k"}:
        raise SemanticError(f"compress has no option {', '.join(options)}", fix="transposed, metadata_dtype, arch, block_k")
    if transposed:
        kept, places = compress(dense.t().contiguous(), False, metadata_dtype, arch)
        return kept.t().contiguous(), places
    bits = dense.element_size() * 8
    metadata_dtype = metadata_dtype or (torch.int32 if bits == 8 else torch.int16)
    width = torch.empty((), dtype=metadata_dtype).element_size() * 8
    keep, group = _kept_of(bits)
    if dense.dim() != 2 or dense.shape[1] % (width // 4 * group):
        raise ShapeError(
            f"a matrix of shape {tuple(dense.shape)} has no metadata of {metadata_dtype}",
            fix=f"K is a multiple of {width // 4 * group}",
        )
    filled = (dense.to(torch.float32) != 0).view(dense.shape[0], -1, group)
    if bool((filled.sum(-1) > keep).any()):
        raise ShapeError(f"more than {keep} of {group} neighbours along K are not zero", fix="zero the others first")
    # Nonzeros first, in their order; then as many zeros as are missing, so that the places stay in order.
    order = torch.argsort((~filled).to(torch.int8), dim=-1, stable=True)[..., :keep].sort(dim=-1).values
    raw = dense.contiguous().view(torch.uint8) if bits == 8 else dense  # torch moves no 8-bit floats
    kept = raw.view(filled.shape).gather(-1, order).reshape(dense.shape[0], -1).contiguous().view(dense.dtype)
    if keep == 2:
        nibble = order[..., 0] | order[..., 1] << 2
    else:
        nibble = order[..., 0] * 0b1010 + 0b0100
    nibbles = nibble.view(dense.shape[0], -1, width // 4).to(torch.int64)
    words = (nibbles << (4 * torch.arange(width // 4, device=dense.device))).sum(-1)
    words = torch.where(words >= 2 ** (width - 1), words - 2**width, words) if metadata_dtype.is_signed else words
    words = words.to(metadata_dtype)
    return kept, words if arch is None else _cutlass_order(words, bits, arch)


def _cutlass_order(words: torch.Tensor, element_bits: int, arch: Any) -> torch.Tensor:
    """The words as CUTLASS's compressor leaves them."""
    import torch

    from ..layout.metadata import check_cutlass_arch, cutlass_place, cutlass_rows, cutlass_word

    check_cutlass_arch(arch)
    rows, (m, n) = cutlass_rows(words.element_size() * 8), words.shape
    if str(words.dtype).removeprefix("torch.") != cutlass_word(element_bits) or m % rows or n % 2:
        raise ShapeError(
            f"{m} x {n} words of {words.dtype} have no CUTLASS order",
            fix=f"{cutlass_word(element_bits)}, rows in multiples of {rows}, an even number of words",
        )
    i, j = torch.meshgrid(torch.arange(m, device=words.device), torch.arange(n, device=words.device), indexing="ij")
    pair, row, column = cutlass_place(i, j, rows)
    out = torch.empty_like(words).view(-1)
    out[((pair * m + row) * 2 + column).reshape(-1)] = words.reshape(-1)
    return out.view(m, n)


def compress_sm80(A: torch.Tensor, transposed: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """compress in the order of CUTLASS's compressor for sm_80.

    Examples
    --------
    >>> kept, places = compress_sm80(randn_semi_sparse(64, 128), False)
    """
    return compress(A, transposed, arch="8.0")


def decompress(kept: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The dense matrix of shape (M, K) that `compress` took apart.

    Examples
    --------
    >>> dense = decompress(*compress(randn_semi_sparse(64, 128)))
    """
    import torch

    bits, width = kept.element_size() * 8, places.element_size() * 8
    keep, group = _kept_of(bits)
    words = places.to(torch.int64)
    nibbles = (words.unsqueeze(-1) >> (4 * torch.arange(width // 4, device=places.device)) & 15).flatten(1)
    first = nibbles & 3 if keep == 2 else (nibbles & 3) // 2
    order = torch.stack([first, nibbles >> 2], -1) if keep == 2 else first.unsqueeze(-1)
    raw = kept.contiguous().view(torch.uint8) if bits == 8 else kept  # torch moves no 8-bit floats
    out = torch.zeros((*order.shape[:2], group), dtype=raw.dtype, device=kept.device)
    return out.scatter_(-1, order, raw.view(kept.shape[0], -1, keep)).flatten(1).view(kept.dtype)


def make_semi_sparse(dense: torch.Tensor) -> torch.Tensor:
    """A copy in which random neighbours along the last axis are zero, so that it is 2:4 sparse (1:2 for 32-bit elements).

    Examples
    --------
    >>> a = make_semi_sparse(torch.randn(64, 128).half())
    """
    import torch

    keep, group = _kept_of(dense.element_size() * 8)
    if dense.shape[-1] % group:
        raise ShapeError(f"a last axis of {dense.shape[-1]} elements", fix=f"a multiple of {group}")
    draw = torch.rand((*dense.shape[:-1], dense.shape[-1] // group, group), device=dense.device)
    mask = draw.argsort(-1).argsort(-1) < keep
    mask = mask.view(dense.shape)
    if dense.element_size() == 1:  # torch chooses between no 8-bit floats
        return (dense.contiguous().view(torch.uint8) * mask).view(dense.dtype)
    return torch.where(mask, dense, torch.zeros((), dtype=dense.dtype, device=dense.device))


def randn_semi_sparse(M: int, K: int, dtype: Any = None, device: Any = None, transposed: bool = False) -> torch.Tensor:
    """A random 2:4 sparse matrix of shape (M, K), or (K, M) and sparse along its first axis.

    Examples
    --------
    >>> a = randn_semi_sparse(64, 128)
    """
    import torch

    made = make_semi_sparse(torch.randn((M, K), device=device).to(dtype or torch.float16))
    return made.t().contiguous() if transposed else made


def randint_semi_sparse(
    M: int, K: int, low: int, high: int, dtype: Any = None, device: Any = None, transposed: bool = False
) -> torch.Tensor:
    """A random 2:4 sparse matrix of integers from `low` to `high` (exclusive).

    Examples
    --------
    >>> a = randint_semi_sparse(64, 128, -8, 8)
    """
    import torch

    made = make_semi_sparse(torch.randint(low, high, (M, K), device=device).to(dtype or torch.int8))
    return made.t().contiguous() if transposed else made


def arange_semi_sparse(M: int, K: int, dtype: Any = None, device: Any = None, transposed: bool = False) -> torch.Tensor:
    """The numbers from 0 to M * K - 1, row after row, of which random ones are zero so that the matrix is 2:4 sparse.

    Examples
    --------
    >>> a = arange_semi_sparse(8, 32)
    """
    import torch

    made = make_semi_sparse(torch.arange(M * K, device=device).view(M, K).to(dtype or torch.float16))
    return made.t().contiguous() if transposed else made
