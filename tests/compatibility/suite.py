"""The whole of it: read the table, run each guest's definitions both ways, say what differs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.demo.images import ARCHITECTURES
from lab.demo.images import build as build_guest
from tests.compatibility import by_hand, by_labbook, guests
from tests.compatibility.collection import Table, read_table
from tests.compatibility.outcome import Comparison
from tests.compatibility.report import markdown, row
from tests.support.images import IMAGES
from tests.support.running_lab import RunningLab


def run(
    collection: Path,
    table_file: Path,
    *,
    guests: Sequence[str],
    only: Sequence[str],
    form: str,
    seconds: int,
    work: Path,
    report: Path | None,
    hand_only: bool = False,
) -> int:
    """Do it and print it; returns 0 if both ways agree everywhere."""
    table = read_table(table_file, collection)
    for path in table.unknown:
        print(f"not in {table_file.name}: {path}")
    if hand_only:
        for name in guests:
            guest = guest_of(name, form)
            chosen = [one for one in table.runs[name] if _wanted(one.path, only)]
            for one, outcome in zip(
                chosen, by_hand.run(guest, collection, chosen, work, seconds), strict=True
            ):
                print(f"{name} {one.path}: {outcome.summary}")
        return 0
    for architecture in ARCHITECTURES:
        build_guest(architecture, IMAGES)
    with RunningLab() as lab:
        url = by_labbook.publish(collection, lab)
        told = []
        for group in table.together:
            if group.guest in guests and _wanted(group.name, only):
                guest = guest_of(group.guest, form)
                for role, outcome in by_labbook.run_together(lab, guest, url, group, work, seconds).items():
                    told.append((group, role, outcome))
                    print(f"| {group.name} | {role} | {outcome.summary} |")
        found = compare(
            lab, collection, table, guests=guests, only=only, form=form, seconds=seconds, work=work
        )
    if report is not None:
        report.write_text(markdown(found, table, told))
    wrong = [one for one in found if one.differences]
    print(f"{len(found)} definitions, {len(wrong)} of them not the same by hand and by Labbook")
    return 1 if wrong else 0


def compare(
    lab: RunningLab,
    collection: Path,
    table: Table,
    *,
    guests: Sequence[str],
    only: Sequence[str] = (),
    form: str = "testing",
    seconds: int = 3600,
    work: Path,
) -> list[Comparison]:
    """Run the chosen definitions both ways; the lab is one of `RunningLab`."""
    url = by_labbook.publish(collection, lab)
    found: list[Comparison] = []
    for name in guests:
        chosen = [one for one in table.runs[name] if _wanted(one.path, only)]
        if not chosen:
            continue
        guest = guest_of(name, form)
        ours = by_labbook.run(lab, guest, url, chosen, work, seconds)
        hand = by_hand.run(guest, collection, chosen, work, seconds)
        for one, first, second in zip(chosen, hand, ours, strict=True):
            comparison = Comparison(path=one.path, guest=name, hand=first, labbook=second)
            print(row(comparison))
            for difference in comparison.differences:
                print(f"    {difference}")
            found.append(comparison)
    return found


def guest_of(name: str, form: str) -> guests.Guest:
    """Return a guest by its name, its images built where they are missing."""
    if name == "busybox":
        return guests.busybox(build_guest("amd64", IMAGES))
    return guests.of_debian(IMAGES, form)


def _wanted(path: str, only: Sequence[str]) -> bool:
    return not only or any(word in path for word in only)
