"""``python -m lab.demo.board --out FOLDER``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from lab.demo.board.image import build
from lab.demo.images import ImageError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.demo.board", description="Build the board's image.")
    parser.add_argument("--out", type=Path, required=True, help="where it goes")
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        image = build(arguments.out.resolve())
    except ImageError as exc:
        print(f"The board's image cannot be built: {exc}", file=sys.stderr)
        return 1
    print(f"board: {image.disk} ({time.monotonic() - began:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
