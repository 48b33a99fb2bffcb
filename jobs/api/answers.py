"""What answers have in common."""

from __future__ import annotations

HARMLESS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}
"""Nothing that a target printed may become a page of this site."""
