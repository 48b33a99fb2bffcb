"""What pages show of device types beside the inventory. Whoever asks must be known to see the type."""

from __future__ import annotations

from django.db.models import Count

from devices import queries as inventory
from devices.dependents import health_check
from devices.domain.config import HealthCheck, VmTypeConfig
from devices.domain.layers import merged
from devices.domain.parse_config import BadConfig
from jobs.models import Job


def queued_by_type() -> dict[str, int]:
    """Return how many jobs wait for boards of each type."""
    queued = Job.objects.filter(open=1, state="queued").values_list("host_type")
    return dict(queued.annotate(count=Count("id")).order_by("host_type"))


def health_of(name: str) -> HealthCheck | None:
    """Return the health check of a type of boards, unless it has none. Raises `NotFound`."""
    return health_check(merged(inventory.type_layers(name)))


def runs_of(name: str) -> list[str]:
    """Return the VM types that a type of boards says it runs. Raises `NotFound`."""
    return sorted(str(one) for one in merged(inventory.type_layers(name)).get("runs", ()))


def vm_type(name: str) -> VmTypeConfig | None:
    """Return how VMs of a type are started; None: its configuration is not complete. Raises `NotFound`."""
    try:
        return inventory.vm_type_config(name)
    except BadConfig:
        return None
