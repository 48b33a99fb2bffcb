"""The image library, by every way to it: commands, admin, API, command line, definitions, jobs."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from devices.images import commands, content, queries
from devices.images.models import Image, ImageVersion
from jobs import queries as jobs
from jobs.domain.definition.model import Invalid
from jobs.domain.definition.validate import validate
from jobs.domain.events import ImageUsed
from jobs.lab_view import lab_view
from jobs.runner import _library
from lab.actors import LAB
from lab.eventstore.store import store
from lab.kernel.errors import NotFound, NotPermitted, Rejected
from tests.support.jobs import definition, make_inventory, make_user, started

pytestmark = pytest.mark.django_db

CONTENT = os.urandom(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
API = "/api/v1/images/"
ADMIN = "/admin/images/image/"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


def pieces(data: bytes = CONTENT) -> Iterator[bytes]:
    return (data[at : at + 100_000] for at in range(0, len(data), 100_000))


def upload(name: str = "debian", data: bytes = CONTENT, **more: Any) -> int:
    more = {"filename": f"{name}.qcow2", "actor": "lab"} | more
    return commands.upload_image(name, pieces(data), **more)


def user(name: str, *permissions: str) -> User:
    one = User.objects.create_user(name, is_staff=True)
    one.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return one


def client(name: str, *permissions: str) -> Client:
    one = Client()
    one.force_login(user(name, *permissions))
    return one


# -- commands ------------------------------------------------------------------------------------


def test_an_upload_is_kept_under_its_digest_and_its_name_means_it() -> None:
    assert upload(description="a guest") == 1

    image = queries.image("debian")
    assert (image.sha256, image.size, image.description) == (DIGEST, len(CONTENT), "a guest")
    assert image.path.read_bytes() == CONTENT
    assert image.path.stat().st_mode & 0o777 == 0o444
    assert [one.event.type for one in store.read("image/debian")] == ["image.registered", "image.uploaded"]


def test_a_new_version_takes_the_name_and_the_old_one_stays() -> None:
    upload()
    assert upload(data=b"other", reason="security") == 2

    assert queries.image("debian").size == 5
    assert [(one.number, one.reason) for one in queries.versions("debian")] == [(2, "security"), (1, "")]
    assert content.path_of(DIGEST).exists()


def test_the_same_content_again_is_stored_and_recorded_once() -> None:
    assert upload() == upload() == 1

    assert len(store.read("image/debian")) == 2
    assert len(list(content.root().rglob("*/*"))) == 1


def test_content_that_is_not_what_was_announced_leaves_nothing() -> None:
    with pytest.raises(Rejected, match=f"its SHA-256 is {DIGEST}, not {'0' * 64}"):
        upload(sha256="0" * 64)

    assert [one for one in content.root().rglob("*") if one.is_file()] == []
    assert queries.images() == []


def test_an_upload_that_breaks_off_leaves_nothing() -> None:
    def broken() -> Iterator[bytes]:
        yield b"half of it"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        commands.upload_image("debian", broken(), filename="x", actor="lab")

    assert [one for one in content.root().rglob("*") if one.is_file()] == []


def test_what_is_too_large_or_empty_is_refused(settings: Any) -> None:
    settings.LABBOOK = {**settings.LABBOOK, "MAX_IMAGE_BYTES": 1000}

    with pytest.raises(Rejected, match="may have 1,000 bytes here"):
        upload()
    with pytest.raises(Rejected, match="The file is empty"):
        upload(data=b"")


def test_a_wrong_name_is_refused_before_a_byte_is_taken() -> None:
    def never() -> Iterator[bytes]:
        taken.append(True)
        yield b""

    taken: list[bool] = []
    for name, filename in (("a/b", "x"), ("debian", "../x")):
        with pytest.raises(Rejected, match="is no name"):
            commands.upload_image(name, never(), filename=filename, actor="lab")
    with pytest.raises(NotPermitted, match=r"images\.add_image"):
        commands.upload_image("debian", never(), filename="x", actor=user("bob"))
    assert taken == []


def test_no_digest_no_path() -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        content.path_of("../../etc/passwd")


def test_rebuilt_tables_are_those_that_grew_live() -> None:
    upload()
    upload(data=b"other")
    commands.describe_image("debian", "better", actor="lab")
    upload("old")
    commands.retire_image("old", "too old", actor="lab")

    def rows() -> list[Any]:
        versions = ImageVersion.objects.values_list("image", "number", "sha256", "uploaded_by", "uploaded_at")
        return [*Image.objects.values_list(), *versions]

    before = rows()
    call_command("rebuild_projections", verbosity=0)
    assert rows() == before


# -- definitions and jobs ------------------------------------------------------------------------


def problems(image: str) -> list[str]:
    text = definition().replace("http://images.test/guest.img", image)
    try:
        validate(text, lab_view(LAB))
    except Invalid as invalid:
        return [f"{one.path}: {one.message} ({one.hint})" for one in invalid.problems]
    return []


def test_a_definition_may_name_what_is_there_and_learns_what_is_not() -> None:
    make_inventory()
    upload()
    upload("old")
    commands.retire_image("old", "too old", actor="lab")

    assert problems("lab:debian") == []
    assert problems("lab:debain") == [
        'vm_group.vms[0].image: the lab has no image "debain" (did you mean "debian"?)'
    ]
    assert "has no image" in problems("lab:old")[0]


def test_a_run_finds_the_bytes_and_who_used_them_is_known() -> None:
    make_inventory()
    erika = make_user()
    upload()
    number, recorder = started(erika)
    recorder.record(
        [ImageUsed(node=1, key="image", url="lab:debian", sha256=DIGEST, size=len(CONTENT), at=1.0)]
    )
    upload(data=b"other")

    assert _library()["debian"].path.read_bytes() == b"other"
    digests = [one.sha256 for one in queries.versions("debian")]
    assert [job["id"] for job in jobs.jobs_using(erika, digests)] == [number]
    assert jobs.jobs_using(erika, ["0" * 64]) == []


# -- the API -------------------------------------------------------------------------------------


def test_an_image_is_put_as_it_streams_and_read_again() -> None:
    api = client("ada", "add_image")
    address = f"{API}debian/?filename=debian.qcow2&description=a+guest&sha256={DIGEST}"

    created = api.put(address, CONTENT, content_type="application/octet-stream")
    again = api.put(f"{API}debian/?reason=smaller", b"other", content_type="application/octet-stream")

    assert (created.status_code, again.status_code) == (201, 200), created.content
    assert created.json()["sha256"] == DIGEST
    found = api.get(f"{API}debian/").json()
    assert (found["version"], found["size"], found["use_as"]) == (2, 5, "lab:debian")
    assert [one["version"] for one in found["versions"]] == [2, 1]
    assert found["versions"][0]["uploaded_by"] == "ada"
    assert found["used_by"] == []
    assert api.get(API).json()["images"][0]["url"] == f"{API}debian/"
    sent = api.get(f"{API}debian/content/")
    assert b"".join(sent) == b"other"


def test_an_image_is_posted_as_a_form() -> None:
    api = client("ada", "add_image")
    file = SimpleUploadedFile("kernel.gz", CONTENT)

    answer = api.post(API, {"name": "kernel", "file": file, "description": "a kernel"})

    assert answer.status_code == 201, answer.content
    assert (answer.json()["filename"], answer.json()["sha256"]) == ("kernel.gz", DIGEST)
    for form, words in (
        ({"name": "x"}, "file is missing"),
        ({"file": SimpleUploadedFile("x", b"x")}, "name is"),
    ):
        refused = api.post(API, form)
        assert (refused.status_code, words in refused.json()["detail"]) == (400, True)


def test_uploading_by_api_needs_the_permission() -> None:
    upload()
    bob = client("bob")

    for answer in (
        bob.put(f"{API}mine/", b"x", content_type="application/octet-stream"),
        bob.post(API, {"name": "mine", "file": SimpleUploadedFile("x", b"x")}),
    ):
        assert (answer.status_code, "images.add_image" in answer.json()["detail"]) == (403, True)
    visitor = Client()
    assert visitor.put(f"{API}mine/", b"x", content_type="application/octet-stream").status_code in (401, 403)
    assert visitor.get(API).status_code == 200
    assert visitor.get(f"{API}debian/content/").status_code in (401, 403)
    assert bob.get(f"{API}nothing/").status_code == 404
    assert [one.name for one in queries.images()] == ["debian"]


def test_content_that_this_machine_does_not_keep() -> None:
    upload()
    queries.image("debian").path.unlink()

    answer = client("bob").get(f"{API}debian/content/")

    assert (answer.status_code, "not kept on this machine" in answer.json()["detail"]) == (404, True)


# -- the command line ----------------------------------------------------------------------------


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("image", *arguments, stdout=out)
    return out.getvalue().strip()


def test_images_from_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "disk.img.xz").write_bytes(CONTENT)

    assert run("list") == "no images"
    added = run("add", "disk", str(tmp_path / "disk.img.xz"), "--description", "a disk")
    assert added == f"lab:disk is version 1: {len(CONTENT)} bytes, SHA-256 {DIGEST}"
    assert "lab:disk  1" in run("list")
    assert "disk.img.xz" in run("show", "disk")
    assert json.loads(run("show", "disk", "--json"))["versions"][0]["sha256"] == DIGEST
    assert json.loads(run("list", "--json"))[0]["uploaded_by"].startswith("cli:")
    assert run("retire", "disk", "--reason", "too old") == "image disk is retired"
    assert run("list") == "no images"
    assert "retired: too old" in run("list", "--retired")
    assert "retired: too old" in run("show", "disk")
    with pytest.raises(CommandError, match="cannot be read"):
        run("add", "disk", str(tmp_path / "nothing"))
    with pytest.raises(CommandError, match="There is no image 'nothing'"):
        run("show", "nothing")


# -- the admin -----------------------------------------------------------------------------------


def test_an_image_is_uploaded_described_and_retired_in_the_admin() -> None:
    make_inventory()
    erika = make_user()
    ada = client("ada", "add_image", "change_image", "delete_image", "view_image")

    added = ada.post(
        f"{ADMIN}add/",
        {"name": "debian", "file": SimpleUploadedFile("debian.qcow2", CONTENT), "description": "a guest"},
        follow=True,
    )
    assert added.status_code == 200, added.content
    number, recorder = started(erika)
    recorder.record(
        [ImageUsed(node=1, key="image", url="lab:debian", sha256=DIGEST, size=len(CONTENT), at=1.0)]
    )
    page = ada.get(f"{ADMIN}debian/change/").content.decode()
    assert DIGEST in page
    assert f"job {number}" in page
    ada.post(f"{ADMIN}debian/change/", {"description": "better", "reason": ""})
    assert queries.image("debian").description == "better"
    again = SimpleUploadedFile("debian.qcow2", b"other")
    ada.post(f"{ADMIN}debian/change/", {"description": "better", "file": again, "reason": "smaller"})
    assert queries.image("debian").number == 2
    assert "version 2 uploaded" in ada.get(f"{ADMIN}debian/history/").content.decode()
    ada.post(f"{ADMIN}debian/do/delete/", {"reason": "too old"})
    assert queries.image("debian").retired == "too old"
    assert ada.get(f"{ADMIN}").status_code == ada.get(f"{ADMIN}debian/change/").status_code == 200


def test_the_admin_says_what_is_wrong_with_an_upload() -> None:
    ada = client("ada", "add_image", "view_image")

    wrong = ada.post(f"{ADMIN}add/", {"name": "a b", "file": SimpleUploadedFile("x", b"x")})
    without = ada.post(f"{ADMIN}add/", {"name": "debian"})

    assert "is no name for a library image" in wrong.content.decode()
    assert "This field is required" in without.content.decode()
    assert queries.images() == []
    with pytest.raises(NotFound):
        queries.image("debian")
