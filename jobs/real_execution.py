"""What the setting EXECUTION names: the execution on real boards. Tests of the supervision name another."""

from __future__ import annotations

from jobs.execution.cleanup import clean_host
from jobs.execution.runner import run_job

__all__ = ["clean_host", "run_job"]
