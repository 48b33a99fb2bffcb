"""Naming a board in a definition, and leaving everything else as it was written."""

from __future__ import annotations

import pytest

from jobs.domain.definition.document import plain
from jobs.domain.definition.edit import pin_board
from jobs.domain.definition.parse import parse
from lab.kernel.errors import Rejected

TEXTS = {
    "json in one line": '{"a": 1, "vm_group": {"host": {"role": "h", "device_type": "x"}, "vms": []}}',
    "json": '{\n  "vm_group": {\n    "host": {\n      "type": "x",\n      "role": "h"\n    }\n  }\n}\n',
    "json, Windows": '{\r\n  "vm_group": {\r\n    "host": {\r\n      "role": "h"\r\n    }\r\n  }\r\n}\r\n',
    "yaml": "# why\nvm_group:\n  host:\n    device_type: x  # the type\n    role: h\n  vms: []\n",
    "flow in yaml": "vm_group:\n  host: {device_type: x, role: h}\n",
    "flow over lines": "vm_group:\n  host: {\n    'device_type': x,\n    'role': h}\n",
    "compact yaml": "vm_group: {host: {role: h}}",
    "a board already": "vm_group:\n  host:\n    role: h\n    board: beta  # mine\n",
    "a quoted board": '{"vm_group": {"host": {"board": "beta", "role": "h"}}}',
    "the board itself": "vm_group:\n  host: {role: h, board: 'alpha'}\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_board_is_named_and_nothing_else_changes(text: str) -> None:
    before, after = plain(parse(text).root), plain(parse(pin_board(text, "alpha")).root)
    before["vm_group"]["host"]["board"] = "alpha"
    assert after == before
    kept = [line for line in text.splitlines(keepends=True) if "board" not in line]
    new = pin_board(text, "alpha").splitlines(keepends=True)
    for comment in ("# why", "# the type", "# mine"):
        assert (comment in text) == any(comment in line for line in new)
    if len(kept) > 2:
        assert [line for line in new if "board" not in line] == kept


@pytest.mark.parametrize(
    "text", ["{}", "vm_group: 3", "vm_group: {host: }", "vm_group: {host: []}", "vm_group: {host: {}}"]
)
def test_what_has_no_host_cannot_be_pinned(text: str) -> None:
    with pytest.raises(Rejected, match="no board can be named"):
        pin_board(text, "alpha")
