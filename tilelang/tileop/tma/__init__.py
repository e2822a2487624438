"""Copies by the tensor memory accelerator: tensor maps, boxes, loads that an mbarrier counts, stores."""

from .box import BoxCopy
from .by_hand import BulkLoadByHand, TensorLoadByHand
from .cluster_copy import CopyToBlock
from .explicit import ExplicitTensorCopy
from .load import TensorLoad
from .rows import RowsCopy

__all__ = ["BoxCopy", "BulkLoadByHand", "CopyToBlock", "ExplicitTensorCopy", "RowsCopy", "TensorLoad", "TensorLoadByHand"]
