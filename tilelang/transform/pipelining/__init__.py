"""Software pipelining: which copies of a loop may run ahead, and the loop that makes them."""

from .lower_pipelines import lower_pipelines
from .plan_pipelines import CopyGroup, PipelinePlan, StagedCopy, plan_pipeline

__all__ = ["CopyGroup", "PipelinePlan", "StagedCopy", "lower_pipelines", "plan_pipeline"]
