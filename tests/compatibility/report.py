"""The comparison as a table."""

from __future__ import annotations

from collections.abc import Sequence

from tests.compatibility.collection import Table, Together
from tests.compatibility.outcome import VERDICTS, Comparison, Outcome

HEAD = f"| definition | by hand ({'/'.join(VERDICTS)}) | Labbook | the same |\n| --- | --- | --- | --- |"


def row(one: Comparison) -> str:
    same = "no" if one.differences else "yes"
    return f"| `{short(one.path)}` | {one.hand.summary} | {one.labbook.summary} | {same} |"


def short(path: str) -> str:
    return path.removeprefix("automated/linux/").removesuffix(".yaml")


def markdown(
    found: Sequence[Comparison], table: Table, told: Sequence[tuple[Together, str, Outcome]] = ()
) -> str:
    """Return tables of what ran in each guest, and of what did not run."""
    lines: list[str] = []
    for guest in dict.fromkeys(one.guest for one in found):
        here = [one for one in found if one.guest == guest]
        lines += [f"## In the {guest} guest", "", _sum(here), "", HEAD, *(row(one) for one in here), ""]
        for one in here:
            lines += [f"* `{short(one.path)}`: {difference}" for difference in one.differences]
    if told:
        lines += [
            "## On several nodes",
            "",
            "| group | role | definition | results |",
            "| --- | --- | --- | --- |",
        ]
        for group, role, outcome in told:
            name = short(group.roles[role].path)
            lines.append(f"| {group.name} | {role} | `{name}` | {outcome.summary} |")
        lines.append("")
    lines += ["## Not run", ""]
    for why in dict.fromkeys(table.left_out.values()):
        paths = [f"`{short(path)}`" for path, reason in table.left_out.items() if reason == why]
        lines += [f"* {len(paths)}: {why}: {', '.join(paths)}"]
    return "\n".join([*lines, ""])


def _sum(found: Sequence[Comparison]) -> str:
    def total(outcomes: Sequence[Outcome]) -> str:
        return ", ".join(f"{sum(one.counts[word] for one in outcomes)} {word}" for word in VERDICTS)

    same = sum(1 for one in found if not one.differences)
    return (
        f"{len(found)} definitions, {same} with the same outcome. Results by hand:"
        f" {total([one.hand for one in found])}; by Labbook: {total([one.labbook for one in found])}."
    )
