"""All that a VM can boot, in one group: kernels, disks and firmware, packed or not, wherever they lie."""

from __future__ import annotations

import bz2
import hashlib
import struct
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.e2e.definitions import KERNEL, RAMDISK, group, shell
from tests.support.images import IMAGES
from tests.support.running_lab import RunningLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
Json = dict[str, Any]


class Handler(BaseHTTPRequestHandler):
    """Gives the end of a file where it is asked for, and hangs up in the middle of the first answer."""

    server: Server

    def do_GET(self) -> None:
        content, start = self.server.content, 0
        if wanted := self.headers["Range"]:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        self.server.starts.append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", '"one"')
        self.end_headers()
        self.wfile.write(content[start : None if start else len(content) // 2])
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    content: bytes
    starts: list[int]
    daemon_threads = True


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as one:
        one.content, one.starts = b"", []
        thread = threading.Thread(target=one.serve_forever, args=(0.05,))
        thread.start()
        yield one
        one.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def lab(guest_images: Any) -> Iterator[RunningLab]:
    for architecture in ("amd64", "arm64"):
        guest_images(architecture)
    with RunningLab(LABBOOK_ALLOW_LOCAL_HTTP="1") as one:
        yield one


def kernel(role: str, **files: str) -> Json:
    return {"command": "deploy_linaro_kernel", "parameters": {"role": role, **files}}


def device_tree(folder: Path) -> Path:
    """The device tree of the machine that VMs of type kvm-aarch64 are."""
    tree = folder / "virt.dtb"
    machine = ["-M", f"virt,dumpdtb={tree}", "-cpu", "cortex-a57", "-m", "256", "-display", "none"]
    subprocess.run(["qemu-system-aarch64", *machine], check=True, capture_output=True)
    # QEMU pads it to 1 MiB and makes room for as much again: more than the 2 MiB that kernels accept.
    data = bytearray(tree.read_bytes())
    _, _, structure, strings, _, _, _, _, strings_size, structure_size = struct.unpack_from(">10I", data)
    used = max(structure + structure_size, strings + strings_size)
    struct.pack_into(">I", data, 4, used)
    tree.write_bytes(data[:used])
    return tree


def bare_disk(folder: Path) -> Path:
    """The bare root file system of the arm64 guest, raw and packed."""
    raw, packed = folder / "rootfs.img", folder / "rootfs.img.bz2"
    subprocess.run(["qemu-img", "convert", "-O", "raw", IMAGES / "guest-arm64.rootfs.qcow2", raw], check=True)
    packed.write_bytes(bz2.compress(raw.read_bytes(), 1))
    raw.unlink()
    return packed


def test_every_form_of_deployment_in_one_group(lab: RunningLab, server: Server) -> None:
    files = lab.folder / "files"
    disk = (IMAGES / "guest-amd64.disk.qcow2").read_bytes()
    server.content = zstandard.ZstdCompressor(level=1).compress(disk)
    digest = hashlib.sha256(server.content).hexdigest()
    kernel_file = Path(KERNEL.removeprefix("file://"))
    with kernel_file.open("rb") as content:
        uploaded = lab.client.put("images/guest-kernel/?filename=vmlinuz", content=content)
    assert uploaded.status_code == 201, uploaded.text
    arm = f"file://{IMAGES}/guest-arm64"
    web = f"http://127.0.0.1:{server.server_address[1]}/disk.qcow2.zst"
    definition = group(
        kernel("memory", kernel="lab:guest-kernel", ramdisk=RAMDISK),
        {
            "command": "deploy_linaro_image",
            "parameters": {"role": "disk", "image": web, "sha256": digest},
        },
        kernel(
            "tree",
            kernel=f"{arm}.vmlinuz",
            ramdisk=f"{arm}.initramfs",
            rootfs=bare_disk(files).as_uri(),
            dtb=device_tree(files).as_uri(),
        ),
        kernel("uefi", firmware=f"{arm}.firmware", rootfs=f"{arm}.disk.qcow2"),
        shell(
            "lava-test-case root --shell 'test -n \"$(cat /proc/cmdline)\"'",
            "lava-test-case uefi --result $([ -d /sys/firmware/efi ] && echo pass || echo skip)",
        ),
        vms=[
            {"device_type": "kvm", "role": "memory"},
            {"device_type": "kvm", "role": "disk"},
            {"device_type": "kvm-aarch64", "role": "tree"},
            {"device_type": "kvm-aarch64", "role": "uefi"},
        ],
        timeout=500,
    )

    job = lab.run(definition, 520)

    assert (job["outcome"], job["failure"]) == ("complete", None)
    index = {node["name"]: node["index"] for node in job["nodes"]}
    found = {(one["node"], one["case"]): one["result"] for one in job["results"]}
    assert [found[index[name], "root"] for name in ("memory", "disk", "tree", "uefi")] == ["pass"] * 4
    assert found[index["uefi"], "uefi"] == "pass"
    assert found[index["memory"], "uefi"] == "skip"

    # The download went on where it broke off, and says so.
    assert server.starts[0] == 0
    assert 0 < server.starts[1] <= len(server.content) // 2
    assert any("trying again" in note["text"] for note in job["notes"])

    # What was used is known, from both sides.
    used = {(one["node"], one["file"]): one for one in job["images"]}
    assert used[index["disk"], "image"]["sha256"] == digest
    assert used[index["disk"], "image"]["size"] == len(disk)
    assert {file for node, file in used if node == index["tree"]} == {"kernel", "ramdisk", "rootfs", "dtb"}
    assert {file for node, file in used if node == index["uefi"]} == {"firmware", "rootfs"}
    image = lab.client.get("images/guest-kernel/").json()
    assert [one["id"] for one in image["used_by"]] == [job["id"]]

    # How far it was can be seen while it goes on; nothing is on its way any more.
    events = lab.client.get(f"jobs/{job['id']}/events/", params={"limit": 5000}).json()["events"]
    moved = {one["data"]["what"] for one in events if one["type"] == "job.transfer_progressed"}
    assert {"fetch disk.qcow2.zst", "copy disk.qcow2.zst", "copy rootfs.img.bz2"} <= moved
    assert all(node["transfer"] is None for node in job["nodes"])
    assert lab.traces(job["id"]) == []
