"""Make the database of `tests.support.running_lab`, and fill it: imported by ``manage.py shell`` in its lab.

Reads what there is from the variable LABBOOK_SEED (JSON), prints the token of the user ``engineer``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from django.contrib.auth.models import User
from django.core.management import call_command

from devices import board_commands, type_commands
from lab.demo import lab
from lab.demo.images import ARCHITECTURES, GuestImages
from lab.demo.sshd import SshServer
from lab.tokens.models import make_token


def seed(found: dict[str, str]) -> str:
    server = SshServer(
        port=int(found["port"]),
        user=found["user"],
        key_file=Path(found["key_file"]),
        host_key=found["host_key"],
        authorized_keys=Path(found["authorized_keys"]),
    )
    images = {
        one: GuestImages(architecture=ARCHITECTURES[one], folder=Path(found["images"]))
        for one in ARCHITECTURES
    }
    lab.seed(server, images, Path(found["work_dir"]))
    # What never comes up shall not take minutes to be noticed here.
    for name, description, own in (
        ("kvm-hasty", "Gives up soon.", {"boot_timeout": int(found["hasty"])}),
        ("kvm-wrapped", "Looked at.", {"qemu": found["wrapper"]}),
    ):
        type_commands.register_device_type(
            name, "vm", description, dict(own), base="kvm", actor="lab", cause="test"
        )
    type_commands.change_device_type(
        lab.HOST_TYPE,
        config={"runs": [*lab.VM_TYPES, "kvm-hasty", "kvm-wrapped"], "deploy": "none"},
        actor="lab",
        cause="test",
    )
    type_commands.register_device_type(
        "unreachable",
        "board",
        "Nobody listens there.",
        {"runs": ["kvm"], "deploy": "none"},
        actor="lab",
        cause="test",
    )
    config = lab.host(server, Path(found["work_dir"]))
    config["ssh"]["port"] = int(found["closed_port"])
    config["connect_timeout"] = 5
    board_commands.register_board(
        "nobody-home", "unreachable", "default", [], "", config, actor="lab", cause="test"
    )
    user = User.objects.create_superuser("engineer", "engineer@example.org", found["password"])
    return make_token(user, "tests")


call_command("migrate", verbosity=0)
print("token", seed(json.loads(os.environ["LABBOOK_SEED"])))
