"""``python -m tests.compatibility --collection DIR …``: run, compare, write the table."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import django

HERE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.compatibility",
        description="Run test definitions by hand and by Labbook in the same guest, and compare.",
    )
    parser.add_argument("--collection", type=Path, required=True, help="folder with test definitions")
    parser.add_argument("--table", type=Path, default=HERE / "linaro.yaml", help="which of them run where")
    parser.add_argument("--guest", action="append", choices=("busybox", "debian"), help="default: both")
    parser.add_argument(
        "--only", action="append", default=[], metavar="WORD", help="those with it in their path"
    )
    parser.add_argument("--form", default="testing", help="form of the Debian guest")
    parser.add_argument(
        "--seconds", type=int, default=7200, help="how long one way through one guest may take"
    )
    parser.add_argument("--work", type=Path, help="where consoles and jobs are kept (default: thrown away)")
    parser.add_argument("--report", type=Path, help="write the table there, as Markdown")
    parser.add_argument("--hand-only", action="store_true", help="only by hand")
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from tests.compatibility import suite

    with tempfile.TemporaryDirectory(prefix="labbook-compatibility-") as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        return suite.run(
            arguments.collection.resolve(),
            arguments.table,
            guests=arguments.guest or ["busybox", "debian"],
            only=arguments.only,
            form=arguments.form,
            seconds=arguments.seconds,
            work=work,
            report=arguments.report,
            hand_only=arguments.hand_only,
        )


if __name__ == "__main__":
    sys.exit(main())
