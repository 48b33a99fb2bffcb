"""Who is in the group: the host first, then the VMs in document order, then by copy."""

from __future__ import annotations

from jobs.domain.definition.model import Definition
from jobs.domain.events import NodePlan


def node_names(role: str, count: int) -> list[str]:
    """Return the names of a role's nodes. They are valid host names: a role's ``_`` becomes ``-``."""
    name = role.replace("_", "-").rstrip("-")
    return [name] if count == 1 else [f"{name}-{copy}" for copy in range(1, count + 1)]


def plan_nodes(definition: Definition) -> tuple[NodePlan, ...]:
    """Return the nodes of a group; the index is the number after the dot in ``57.1``."""
    host = definition.host
    plan = [NodePlan(index=0, name=node_names(host.role, 1)[0], role=host.role, device_type=host.device_type)]
    for vm in definition.vms:
        plan += [
            NodePlan(index=len(plan) + copy, name=name, role=vm.role, device_type=vm.device_type)
            for copy, name in enumerate(node_names(vm.role, vm.count))
        ]
    return tuple(plan)
