"""Who is in the group: the host first, then the VMs in document order, then by copy."""

from __future__ import annotations

from typing import Any

from jobs.domain.definition.model import Definition
from jobs.domain.events import NodePlan


def node_names(role: str, count: int) -> list[str]:
    """Return the names of a role's nodes. They are valid host names: a role's ``_`` becomes ``-``."""
    name = role.replace("_", "-").rstrip("-")
    return [name] if count == 1 else [f"{name}-{copy}" for copy in range(1, count + 1)]


def plan_nodes(definition: Definition) -> tuple[NodePlan, ...]:
    """Return the nodes of a group; the index is the number after the dot in ``57.1``."""
    plan: list[NodePlan] = []
    for device_type, role, count in (
        (definition.host.device_type, definition.host.role, 1),
        *((vm.device_type, vm.role, vm.count) for vm in definition.vms),
    ):
        metadata = metadata_of(definition, role)
        for name in node_names(role, count):
            index = len(plan)
            plan.append(
                NodePlan(index=index, name=name, role=role, device_type=device_type, metadata=metadata)
            )
    return tuple(plan)


def metadata_of(definition: Definition, role: str) -> dict[str, Any]:
    """Return what the actions of a role say about themselves, laid over each other in their order."""
    merged: dict[str, Any] = {}
    for action in definition.actions:
        if action.applies_to(role):
            merged |= action.metadata
    return merged
