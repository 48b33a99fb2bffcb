"""Two jobs side by side, as their pages and the API show them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobs import console_log, queries
from jobs.domain import comparing
from jobs.domain.comparing import Difference
from lab.kernel.errors import Rejected

JsonObject = dict[str, Any]
CONSOLE_BYTES = 32 * 1024 * 1024
"""Of each console; what comes after is not compared, and the page says so."""
SHOWN = 2000
"""Lines of a difference that are shown."""
CONTEXT = 3
PATIENCE = 20.0
"""Seconds for one difference."""


def compare(user: queries.User, a: int, b: int) -> JsonObject:
    """Return what differs between two jobs, apart from their consoles. Raises `NotFound`."""
    left, right = queries.job_snapshot(user, a), queries.job_snapshot(user, b)
    pairs = comparing.pairs(_named(left, "results"), _named(right, "results"))
    return {
        "a": left,
        "b": right,
        "changed": sorted((p for p in pairs if p.change), key=lambda p: not p.worse),
        "same": sum(not p.change for p in pairs),
        "total": len(pairs),
        "measured": comparing.measured(pairs),
        "spent": comparing.spent(_named(left, "phases"), _named(right, "phases")),
        "definition": difference(
            queries.definition_text(a).splitlines(), queries.definition_text(b).splitlines()
        ),
        "nodes": list(dict.fromkeys(n["name"] for job in (right, left) for n in job["nodes"])),
    }


def compare_consoles(user: queries.User, a: int, b: int, node: str) -> tuple[Difference, bool]:
    """Return what the consoles of a node, by name, say differently, and whether they were compared whole.

    Times, addresses and the like do not count: see `jobs.domain.comparing.RULES`.
    """
    texts: list[list[str]] = []
    whole = True
    for number in (a, b):
        nodes = queries.job_snapshot(user, number)["nodes"]
        index = next((n["index"] for n in nodes if n["name"] == node), None)
        if index is None:
            texts.append([])
            continue
        _, data = console_log.read(number, index, 0, CONSOLE_BYTES + 1)
        whole = whole and len(data) <= CONSOLE_BYTES
        texts.append(data[:CONSOLE_BYTES].decode(errors="replace").replace("\r", "").split("\n"))
    left, right = texts
    plain = [[comparing.normalised(line) for line in text] for text in texts]
    return difference(left, right, plain=(plain[0], plain[1])), whole


def difference(
    a: Sequence[str], b: Sequence[str], *, plain: tuple[Sequence[str], Sequence[str]] | None = None
) -> Difference:
    """Return what differs between two texts; `plain`: the same lines as they are to be compared.

    Made by git, whose diff copes with a million lines. Raises `Rejected` if even that takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="labbook-diff-") as folder:
        for name, lines in zip(("a", "b"), plain or (a, b), strict=True):
            text = "".join(f"{line}\n" for line in lines)
            Path(folder, name).write_text(text, encoding="utf-8", errors="replace", newline="\n")
        command = ["git", "-c", "core.safecrlf=false", "diff", "--no-index", "--no-color", "--no-ext-diff"]
        command += ["--text", "--histogram", f"--unified={CONTEXT}", "a", "b"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired as exc:
            words = f"These texts differ so much that comparing them takes more than {PATIENCE:.0f} s."
            raise Rejected(words) from exc
    if done.returncode > 1:
        raise RuntimeError(f"git diff failed: {done.stderr.decode(errors='replace')}")
    lines = done.stdout.decode(errors="replace").split("\n")
    return comparing.read_unified(lines, a, b, SHOWN)


def _named(job: JsonObject, part: str) -> list[JsonObject]:
    """Return rows of a snapshot with the nodes' names in place of their numbers."""
    names = {node["index"]: node["name"] for node in job["nodes"]}
    return [{**row, "index": row["node"], "node": names[row["node"]]} for row in job[part]]
