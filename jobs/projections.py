from __future__ import annotations


def install() -> None:
    """Make the projections of this app part of every append."""
