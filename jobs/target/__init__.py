"""What runs on the nodes: the ``lava-*`` helpers, plain POSIX sh.

They are checked on dash and busybox ash. The protocol they speak is in docs/multinode.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path


@cache
def helpers() -> Mapping[str, str]:
    """Return the text of every helper by its file name."""
    folder = Path(__file__).parent / "bin"
    return {path.name: path.read_text("utf-8") for path in sorted(folder.iterdir()) if path.is_file()}
