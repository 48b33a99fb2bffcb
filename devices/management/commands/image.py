"""``manage.py image add|list|show|retire``: the image library from a terminal."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from devices.images import commands, queries
from devices.images.content import pieces_of
from devices.management.cli import as_json, operator, table
from lab.kernel.errors import Rejected


class Command(BaseCommand):
    help = "Put an image into the lab's library, list what is there, show one, or retire it."

    def add_arguments(self, parser: CommandParser) -> None:
        does = parser.add_subparsers(dest="do", required=True, metavar="add|list|show|retire")
        add = does.add_parser("add", help="store a file under a name; a known name gets a new version")
        add.add_argument("name", help="definitions ask for it as lab:NAME")
        add.add_argument("file", help="- reads standard input")
        add.add_argument("--filename", default="", help="name of the file, where FILE's own is not it")
        add.add_argument("--description", default=None)
        add.add_argument("--sha256", default="", help="refuse anything else")
        add.add_argument("--reason", default="", help="goes into the history")
        list_ = does.add_parser("list", help="the images in use")
        list_.add_argument("--retired", action="store_true", help="the others, too")
        list_.add_argument("--json", action="store_true", help="print JSON, for programs")
        show = does.add_parser("show", help="all about one")
        show.add_argument("name")
        show.add_argument("--json", action="store_true", help="print JSON, for programs")
        retire = does.add_parser("retire", help="take it out of use for good")
        retire.add_argument("name")
        retire.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["do"]:
                case "add":
                    self._add(options)
                case "list":
                    self.stdout.write(_list(options["retired"], json=options["json"]))
                case "show":
                    self.stdout.write(_json(options["name"]) if options["json"] else _page(options["name"]))
                case "retire":
                    name, reason = options["name"], options["reason"]
                    commands.retire_image(name, reason, actor=operator(), cause="cli")
                    self.stdout.write(f"image {name} is retired")
        except Rejected as exc:
            raise CommandError(str(exc)) from exc

    def _add(self, options: dict[str, Any]) -> None:
        path = options["file"]
        filename = options["filename"] or (options["name"] if path == "-" else Path(path).name)
        try:
            with Path(path).open("rb") if path != "-" else sys.stdin.buffer as file:
                number = commands.upload_image(
                    options["name"],
                    pieces_of(file),
                    filename=filename,
                    description=options["description"],
                    sha256=options["sha256"],
                    reason=options["reason"],
                    actor=operator(),
                    cause="cli",
                )
        except OSError as exc:
            raise CommandError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
        image = queries.image(options["name"])
        self.stdout.write(f"lab:{image.name} is version {number}: {image.size} bytes, SHA-256 {image.sha256}")


def _list(retired: bool, *, json: bool) -> str:
    found = queries.images(retired=retired)
    if json:
        return as_json([asdict(one) for one in found])
    rows = [
        [
            f"lab:{one.name}",
            str(one.number),
            str(one.size),
            one.sha256[:12],
            one.uploaded_by,
            f"retired: {one.retired}" if one.retired else one.description.split("\n")[0],
        ]
        for one in found
    ]
    return table(["IMAGE", "VERSION", "BYTES", "SHA-256", "BY", "ABOUT"], rows) if rows else "no images"


def _page(name: str) -> str:
    one = queries.image(name)
    state = f"retired: {one.retired}" if one.retired else f"version {one.number}"
    lines = [f"lab:{one.name}, {state}", ""]
    facts = {"bytes": str(one.size), "SHA-256": one.sha256, "file": one.filename, "about": one.description}
    lines += [f"  {key:8} {value}" for key, value in facts.items() if value]
    lines += ["", "Versions:"]
    for version in queries.versions(name):
        why = f": {version.reason}" if version.reason else ""
        when = f"{version.uploaded_at:%Y-%m-%d %H:%M:%S}"
        lines.append(f"  {version.number:3}  {when}  {version.sha256}  {version.uploaded_by}{why}")
    return "\n".join(lines)


def _json(name: str) -> str:
    return as_json(
        {**asdict(queries.image(name)), "versions": [asdict(one) for one in queries.versions(name)]}
    )
