"""How long pages of a big lab take, against the page to log in, which asks the database for next to nothing.

python -m bench.pages [--jobs N] [--boards N] [--lines N] [--rounds N] [--postgres]

A lab is started, two jobs are run, the rows of one copied a million times (see `bench.many`), 500 boards
registered, and the console of its VM made a million lines long. Then every page is asked for in turn, as a
visitor and with a token, over HTTP on an open connection; the trivial page is asked for in between, as often.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from contextlib import ExitStack

import httpx

from bench.figures import table
from tests.e2e.definitions import boot, group, shell
from tests.support.postgres import Postgres
from tests.support.running_lab import RunningLab

TRIVIAL = "/admin/login/"


def pages(jobs: int, size: int) -> list[tuple[str, str]]:
    """Return what is asked for: (name, path)."""
    middle = jobs // 2
    console = "/api/v1/jobs/1/nodes/1/console/"
    return [
        ("dashboard", "/"),
        ("jobs, newest", "/jobs/"),
        ("jobs, a page in the middle", f"/jobs/?before={middle}"),
        ("jobs, oldest first", "/jobs/?sort=oldest"),
        ("jobs, incomplete", "/jobs/?state=incomplete"),
        ("jobs of a board", "/jobs/?board=board-123"),
        ("jobs of a submitter", "/jobs/?submitter=user-7"),
        ("jobs with a rare word", "/jobs/?q=zebra"),
        ("jobs with a word of all", "/jobs/?q=nightly"),
        ("jobs with two words, filtered", "/jobs/?q=zebra+nightly&state=incomplete"),
        ("jobs, nothing found", "/jobs/?q=elephant"),
        ("a job, its console a million lines", "/jobs/1/"),
        ("its replay", "/jobs/1/replay/"),
        ("two jobs compared", "/compare/1/2/"),
        ("boards", "/boards/"),
        ("a board", "/boards/board-023/"),
        ("device types", "/types/"),
        ("a device type", "/types/type-3/"),
        ("API: jobs", "/api/v1/jobs/"),
        ("API: boards", "/api/v1/boards/"),
        ("API: feed from its middle", "/api/v1/events/?after=500"),
        ("API: all consoles of the job searched", "/api/v1/jobs/1/search/?text=needle"),
        ("API: end of the console", f"{console}?offset={size - 65536}"),
        ("API: middle of the console", f"{console}?offset={size // 2}&limit=65536"),
    ]


def asked(client: httpx.Client, path: str) -> float:
    begun = time.perf_counter()
    answer = client.get(path)
    if answer.status_code != 200:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:500]}")
    return time.perf_counter() - begun


def main(options: argparse.Namespace) -> None:
    with ExitStack() as stack:
        url = ""
        if options.postgres:
            url = stack.enter_context(Postgres()).create("labbook")
        lab = stack.enter_context(RunningLab(url, workers=1))
        test = shell("lava-test-case up --shell true", role="guest")
        vm = {"device_type": "kvm", "role": "guest"}
        for _ in range(2):
            lab.run(group(boot("guest"), test, vms=[vm]))
        begun = time.monotonic()
        wanted = {"jobs": options.jobs, "boards": options.boards, "lines": options.lines}
        lab.manage("shell", "-c", "import bench.many", patience=7200, LABBOOK_MANY=json.dumps(wanted))
        print(f"filled in {time.monotonic() - begun:.0f} s", file=sys.stderr)
        head = {"Authorization": f"Token {lab.token}"}
        client = stack.enter_context(httpx.Client(base_url=lab.url, timeout=120, follow_redirects=True))
        answer = client.get("/api/v1/jobs/1/nodes/1/console/?offset=0&limit=1")
        size = int(answer.headers["X-Console-Size"])
        rows = []
        for name, path in pages(options.jobs, size):
            client.headers = httpx.Headers(head if path.startswith("/api/") else {})
            asked(client, path)
            floor, ours = [], []
            for _ in range(options.rounds):
                floor.append(asked(client, TRIVIAL))
                ours.append(asked(client, path))
            low, high = statistics.median(floor), statistics.median(ours)
            rows.append((name, f"{1000 * high:7.1f} ms  {high / low:6.1f}  worst {1000 * max(ours):7.1f} ms"))
            print(*rows[-1], file=sys.stderr)
        table(
            f"{options.jobs:,} jobs, {options.boards} boards, a console of {options.lines:,} lines"
            f" ({size / 1e6:.0f} MB): median, ratio to {TRIVIAL}",
            rows,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How long pages of a big lab take.")
    for option, default in (("jobs", 1_000_000), ("boards", 500), ("lines", 1_000_000), ("rounds", 9)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL server of its own")
    main(parser.parse_args())
