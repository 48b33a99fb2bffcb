"""Actions that put a system on a node and boot it."""

from __future__ import annotations

from jobs.domain.definition.action_values import (
    Common,
    commands,
    digest,
    pattern,
    string,
    vm_file,
    words,
)
from jobs.domain.definition.document import Scalar
from jobs.domain.definition.lab_view import LabView
from jobs.domain.definition.model import Action, BootImage, DeployImage, DeployKernel, DummyDeploy, Login
from jobs.domain.definition.reading import Fields

_LOADED = ("kernel", "ramdisk", "dtb", "rootfs", "firmware")


def _login(fields: Fields) -> Login:
    login = Login(
        login_prompt=fields.read("login_prompt", pattern, ""),
        username=fields.read("username", string, ""),
        password_prompt=fields.read("password_prompt", pattern, ""),
        password=fields.read("password", string, ""),
        login_commands=fields.read("login_commands", commands, ()),
    )
    for prompt, answer in (("login_prompt", "username"), ("password_prompt", "password")):
        if prompt in fields and answer not in fields:
            fields.problem_at(prompt, f"{prompt} needs {answer}", "what is to be typed at that prompt?")
    return login


def _digest_of(fields: Fields, key: str, digest_key: str) -> str:
    found = fields.read(digest_key, digest, "")
    url = fields.get(key)
    if found and url and isinstance(url.node, Scalar) and str(url.node.value).startswith("host:"):
        fields.problem_at(
            digest_key, "a file on the host is not checked", "leave it out, or check it in the host's test"
        )
    return found


def deploy_image(fields: Fields, common: Common, lab: LabView) -> Action:
    return DeployImage(
        **common,
        image=fields.need("image", vm_file(lab), ""),
        sha256=_digest_of(fields, "image", "sha256"),
        login=_login(fields),
    )


def deploy_kernel(fields: Fields, common: Common, lab: LabView) -> Action:
    # A disk that boots by itself needs no kernel, if it comes with the firmware that finds its boot loader.
    read_kernel = fields.read if {"firmware", "rootfs"} <= {key for key, _ in fields} else fields.need
    urls = {"kernel": read_kernel("kernel", vm_file(lab, packed=True), "")}
    urls |= {key: fields.read(key, vm_file(lab, packed=key != "rootfs"), "") for key in _LOADED[1:]}
    digests = {key: _digest_of(fields, key, f"{key}_sha256") for key in _LOADED}
    for key in _LOADED:
        if f"{key}_sha256" in fields and key not in fields:
            fields.problem_at(f"{key}_sha256", f"there is no {key} that it could belong to")
    if not {"ramdisk", "rootfs"} & {key for key, _ in fields}:
        fields.warn("neither ramdisk nor rootfs is given: the kernel must bring its own root file system")
    return DeployKernel(
        **common,
        **urls,
        digests={key: digest for key, digest in digests.items() if digest},
        boot_cmds=fields.read("boot_cmds", commands, ()),
        login=_login(fields),
    )


def dummy_deploy(fields: Fields, common: Common, lab: LabView) -> Action:
    return DummyDeploy(**common, target_type=fields.read("target_type", string, ""))


def boot(fields: Fields, common: Common, lab: LabView) -> Action:
    return BootImage(
        **common,
        options=fields.read("options", words, ()),
        boot_cmds=fields.read("boot_cmds", commands, ()),
    )


def image_hints(key: str) -> str:
    if key == "hwpack":
        return "images are not put together here: give a ready one as image"
    if key in ("rootfs", "kernel", "ramdisk", "dtb"):
        return "that belongs to deploy_linaro_kernel"
    return _target_hints(key)


def kernel_hints(key: str) -> str:
    return "that belongs to deploy_linaro_image" if key == "image" else _target_hints(key)


def _target_hints(key: str) -> str:
    return "leave it out: any system with a POSIX shell will do" if key == "target_type" else ""
