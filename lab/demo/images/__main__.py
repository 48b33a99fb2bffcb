"""``python -m lab.demo.images --out FOLDER [--arch ARCH …]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab.demo.images import ARCHITECTURES, ImageError, build_all


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.demo.images", description="Build the guest images.")
    parser.add_argument("--out", type=Path, required=True, help="where they go")
    parser.add_argument("--arch", action="append", choices=sorted(ARCHITECTURES), help="default: all")
    arguments = parser.parse_args()
    try:
        built = build_all(arguments.out.resolve(), arguments.arch or ARCHITECTURES)
    except ImageError as exc:
        print(f"The guest images cannot be built: {exc}", file=sys.stderr)
        return 1
    for images in built.values():
        print(f"{images.architecture.name}: {images.disk}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
