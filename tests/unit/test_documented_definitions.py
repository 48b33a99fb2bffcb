"""The documentation of definitions is true: its examples are valid, and it names every key and action."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from devices.domain.parse_config import checked_vm_type_config
from jobs.domain.definition.actions import ALIASES, COMMANDS
from jobs.domain.definition.document import ROOT, Mapping
from jobs.domain.definition.lab_view import BoardTypeView, BoardView, LabView
from jobs.domain.definition.model import Vm
from jobs.domain.definition.parse import parse
from jobs.domain.definition.reading import Fields, Problems
from jobs.domain.definition.validate import validate
from jobs.execution import launch
from jobs.execution.host import Place
from jobs.execution.images import BootFiles
from jobs.execution.network import Network
from jobs.execution.spec import VmSpec

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "job-definition.md").read_text()
EXAMPLES = re.findall(r"^```(?:json|yaml)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
VM_TYPES = re.findall(r"^```yaml\n(.*?)^```", (DOCS / "drivers.md").read_text(), re.DOTALL | re.MULTILINE)
LAB = LabView(
    board_types={
        "ssh-host": BoardTypeView(
            name="ssh-host", boards=(BoardView(name="one"),), runs=frozenset({"kvm", "kvm-arm"})
        )
    },
    vm_types=frozenset({"kvm", "kvm-arm"}),
)


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: re.sub(r"\W+", "-", text)[:40])
def test_examples_are_valid(text: str) -> None:
    assert validate(text, LAB).warnings == ()


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("text", [one for one in VM_TYPES if "launch:" in one], ids=["xen", "name-space"])
def test_example_vm_types_are_valid(text: str) -> None:
    assert checked_vm_type_config(yaml.safe_load(text)).launch


@pytest.mark.parametrize("command", COMMANDS)
def test_every_action_and_each_of_its_parameters_is_told(command: str) -> None:
    document = parse("{}")
    fields = Fields(Mapping(0, ()), ROOT, Problems(document.places))
    common: Any = {"command": command, "index": 0, "role": "", "metadata": {}}
    COMMANDS[command].read(fields, common, LAB)

    assert f"`{command}`" in PAGE
    assert [key for key in fields.asked if f"`{key}`" not in PAGE] == []


def test_other_spellings_are_told() -> None:
    assert {alias: name.replace("linaro_", "") for alias, name in ALIASES.items()} == {
        one: one for one in ALIASES
    }


def test_every_variable_of_launch_with_is_told() -> None:
    place = Place(
        folder="/f", cache="/c", handle="h", machine="m", boot_id="b", has_kvm=False, programs=frozenset()
    )
    spec = VmSpec(
        node=1,
        name="guest",
        vm=Vm(device_type="kvm", role="guest"),
        config=checked_vm_type_config({"launch": ["true"], "extra": {"a-b": "c"}}),
        files=BootFiles(),
        network=Network.of("h"),
        kvm=False,
    )
    found = launch.environment(spec, place, "", "")
    assert found.pop("LABBOOK_EXTRA_A_B") == "c"
    assert [name for name in found if f"`{name}`" not in PAGE] == []
