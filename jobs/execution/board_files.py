"""What a deploy action brings to a board: fetched to the worker, verified, unpacked, told of."""

from __future__ import annotations

from jobs.domain.definition.model import DeployImage, DeployKernel
from jobs.execution.cache import Fetched
from jobs.execution.disks import look_at_disk
from jobs.execution.fetch import Fetcher
from jobs.execution.images import Wanted, fetch
from jobs.execution.progress import Teller
from lab.kernel.deadline import Deadline

DISKS = ("image", "rootfs")


def wanted_by(action: DeployImage | DeployKernel) -> dict[str, Wanted]:
    """Return the files of a deploy action by key: ``image``, ``kernel``, ``ramdisk`` …"""
    if isinstance(action, DeployImage):
        return {"image": Wanted(url=action.image, sha256=action.sha256)}
    urls = {
        "kernel": action.kernel,
        "ramdisk": action.ramdisk,
        "dtb": action.dtb,
        "rootfs": action.rootfs,
        "firmware": action.firmware,
    }
    return {key: Wanted(url=url, sha256=action.digests.get(key, "")) for key, url in urls.items() if url}


def fetch_for_board(
    action: DeployImage | DeployKernel, fetcher: Fetcher, teller: Teller, deadline: Deadline
) -> dict[str, Fetched]:
    """Fetch the files of a deploy action, by key, as a deploy method wants them.

    Everything is unpacked but the ramdisk, which a kernel unpacks by itself. An image that cannot be a disk
    is refused here, before the board is touched. Raises what `Fetcher.get` and `look_at_disk` raise.
    """
    files = {
        key: fetch(fetcher, one, deadline, teller, unpack=key != "ramdisk")
        for key, one in wanted_by(action).items()
    }
    for key in DISKS:
        if key in files:
            look_at_disk(files[key])
    for key, file in files.items():
        teller.used(key, file)
    return files
