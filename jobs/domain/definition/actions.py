"""The table of actions: what each command takes, and how it becomes a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jobs.domain.definition import deploys, shells, values
from jobs.domain.definition.action_values import Common, string
from jobs.domain.definition.lab_view import LabView
from jobs.domain.definition.model import Action, SubmitResults
from jobs.domain.definition.reading import Fields, Value

ALIASES = {
    "deploy_image": "deploy_linaro_image",
    "deploy_kernel": "deploy_linaro_kernel",
    "boot_image": "boot_linaro_image",
}


@dataclass(frozen=True, slots=True)
class Command:
    """One command's row: how its parameters are read, and what it means for a node."""

    read: Callable[[Fields, Common, LabView], Action]
    has_role: bool = True
    deploys: bool = False
    """Puts something on the node that it boots."""
    needs_system: bool = False
    """Needs a node that has booted."""
    hints: Callable[[str], str] = lambda key: ""


def _submit_results(fields: Fields, common: Common, lab: LabView) -> Action:
    fields.refuse(
        "token", "a secret does not belong in a definition", "everybody who may see the job would see it"
    )
    server = fields.read("server", _server, "")
    if server and not values.is_http(server):
        fields.warn("results are kept in the lab; they go nowhere else, for server is not an http(s) URL")
    return SubmitResults(**common, server=server, stream=fields.read("stream", string, ""))


def _server(value: Value) -> str | None:
    return value.checked(lambda text: values.http_url(text) if values.is_http(text) else "")


_SUBMIT = Command(_submit_results, has_role=False)
COMMANDS = {
    "deploy_linaro_image": Command(deploys.deploy_image, deploys=True, hints=deploys.image_hints),
    "deploy_linaro_kernel": Command(deploys.deploy_kernel, deploys=True, hints=deploys.kernel_hints),
    "dummy_deploy": Command(deploys.dummy_deploy),
    "boot_linaro_image": Command(deploys.boot, needs_system=True),
    "lava_test_shell": Command(shells.test_shell, needs_system=True),
    "lava_command_run": Command(shells.command_run, needs_system=True),
    "lava_test_install": Command(shells.test_install, needs_system=True),
    "add_apt_repository": Command(shells.apt_repository, needs_system=True),
    "submit_results": _SUBMIT,
    "submit_results_on_host": _SUBMIT,
}
