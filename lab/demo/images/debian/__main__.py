"""``python -m lab.demo.images.debian --out FOLDER [--form FORM …]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab.demo.images import ImageError
from lab.demo.images.debian import FORMS, build


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lab.demo.images.debian", description="Build the Debian guest."
    )
    parser.add_argument("--out", type=Path, required=True, help="where it goes")
    parser.add_argument("--form", action="append", choices=FORMS, help="default: base")
    arguments = parser.parse_args()
    try:
        for form in arguments.form or ["base"]:
            print(build(form, arguments.out.resolve()).disk)
    except ImageError as exc:
        print(f"The Debian guest cannot be built: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
