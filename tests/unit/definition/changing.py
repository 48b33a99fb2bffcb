"""The sample with changes, and what is said of it."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from jobs.domain.definition.lab_view import LabView
from jobs.domain.definition.model import (
    Definition,
    Invalid,
    Problem,
)
from jobs.domain.definition.validate import validate
from tests.unit.definition.sample import LAB, document, text

GONE = object()
KEY = "at the key itself"


def changed(*changes: tuple[str, Any], of: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the sample with values set (or taken away: GONE) at paths such as ``vm_group.vms[0].count``."""
    whole = document() if of is None else copy.deepcopy(of)
    for path, value in changes:
        *steps, last = [int(s) if s.isdigit() else s for s in re.findall(r"[^.\[\]]+", path)]
        inner: Any = whole
        for step in steps:
            inner = inner[step]
        if value is GONE:
            del inner[last]
        else:
            inner[last] = value
    return whole


def problems(value: Any, lab: LabView = LAB) -> list[Problem]:
    with pytest.raises(Invalid) as caught:
        validate(value if isinstance(value, str) else text(value), lab)
    return caught.value.problems


def accepted(*changes: tuple[str, Any]) -> Definition:
    return validate(text(changed(*changes)), LAB)


VMS = "vm_group.vms"
DEPLOY = "actions[1].parameters"
SHELL = "actions[2].parameters"
REPO = f"{SHELL}.testdef_repos[0]"
ONE_VM = [{"device_type": "kvm", "role": "v", "image": "lab:server-arm"}]
