from __future__ import annotations

from jobs.models_console import ConsoleChunk

__all__ = ["ConsoleChunk"]
