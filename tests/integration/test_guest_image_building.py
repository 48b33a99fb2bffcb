"""How guest images come about: reproducibly, once, and with words when they cannot."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.demo.images import ARCHITECTURES, GuestImages, ImageError, build, disks
from lab.demo.images.build import is_current, recipe
from lab.demo.images.debian.build import packages as debian_packages
from lab.demo.images.guest_tree import applets
from lab.demo.images.kernel import Kernel
from lab.demo.images.packages import Archive, debian_sources
from lab.demo.images.tree import Tree


def tree() -> Tree:
    tree = Tree()
    tree.file("bin/tool", b"\x7fELF", 0o755)
    tree.link("bin/alias", "tool")
    tree.folder("tmp", 0o1777)
    return tree


def test_a_cpio_archive_holds_folders_files_and_links_of_root(tmp_path: Path) -> None:
    archive = tree().cpio()
    listing = subprocess.run(
        ["busybox", "cpio", "-itv"], input=archive, capture_output=True, check=True
    ).stdout.decode()
    assert [line.split()[0] for line in listing.splitlines()] == [
        "drwxr-xr-x",
        "lrwxrwxrwx",
        "-rwxr-xr-x",
        "drwxrwxrwt",
    ]
    assert "bin/alias -> tool" in listing
    subprocess.run(["busybox", "cpio", "-idm"], input=archive, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "bin/tool").read_bytes() == b"\x7fELF"
    assert stat.S_IMODE((tmp_path / "tmp").stat().st_mode) == 0o1777


def test_a_file_system_belongs_to_root_and_is_the_same_every_time(tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        image = tmp_path / f"{name}.ext4"
        (tmp_path / name).mkdir()
        disks.ext4(tree(), image, tmp_path / name)
        digests.add(hashlib.sha256(image.read_bytes()).hexdigest())
        said = subprocess.run(
            ["/sbin/debugfs", "-R", "stat /bin/tool", str(image)], capture_output=True, text=True, check=True
        ).stdout
        assert "Mode:  0755" in said
        assert "User:     0   Group:     0" in said
    assert len(digests) == 1


def test_a_file_system_made_of_a_tar_has_its_owners_modes_and_links(tmp_path: Path) -> None:
    archive = tmp_path / "system.tar"
    with tarfile.open(archive, "w") as tar:
        for name, kind, mode, uid, extra in (
            (".", tarfile.DIRTYPE, 0o755, 0, ""),
            ("./usr", tarfile.DIRTYPE, 0o755, 0, ""),
            ("./usr/sudo", tarfile.REGTYPE, 0o4755, 0, ""),
            ("./usr/same", tarfile.LNKTYPE, 0o4755, 0, "./usr/sudo"),
            ("./bin", tarfile.SYMTYPE, 0o777, 0, "usr"),
            ("./usr/with blank", tarfile.REGTYPE, 0o640, 33, ""),
            ("./null", tarfile.CHRTYPE, 0o666, 0, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid, info.gid, info.linkname = kind, mode, uid, uid, extra
            info.size = 6 if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(b"\x7fELF..") if info.size else None)
    image = tmp_path / "root.ext4"
    disks.ext4_of_tar(archive, image, tmp_path / "scratch", free=8)

    def stat_of(path: str) -> str:
        command = ["/sbin/debugfs", "-R", f'stat "{path}"', str(image)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "Mode:  04755" in stat_of("/usr/sudo")
    assert "Links: 2" in stat_of("/usr/same")
    assert 'Fast link dest: "usr"' in stat_of("/bin")
    blank = stat_of("/usr/with blank")
    assert "Mode:  0640" in blank
    assert "User:    33   Group:    33" in blank
    assert "Inode" not in stat_of("/null")
    checked = subprocess.run(["/sbin/e2fsck", "-fn", str(image)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_a_tar_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "system.tar"
    with tarfile.open(archive, "w") as tar:
        link, file = tarfile.TarInfo("./etc"), tarfile.TarInfo("./etc/passwd")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        tar.addfile(link)
        tar.addfile(file, io.BytesIO())
    with pytest.raises(ImageError, match="outside"):
        disks.ext4_of_tar(archive, tmp_path / "root.ext4", tmp_path / "scratch", free=8)


def test_the_larger_debian_guest_holds_all_of_the_smaller_one() -> None:
    base, testing = debian_packages("base"), debian_packages("testing")
    assert set(base) < set(testing)
    assert len(testing) == len(set(testing))


def test_a_module_comes_with_what_it_needs_nearest_last() -> None:
    def module(*needs: str) -> bytes:
        return b"\0depends=" + ",".join(needs).encode() + b"\0name=x\0"

    modules = {"a.ko": module("b", "c-d"), "b.ko": module("c_d"), "c_d.ko": module()}
    kernel = Kernel(release="6.1", image=b"", modules=modules)
    assert kernel.dependencies().splitlines() == ["a.ko: b.ko c_d.ko", "b.ko: c_d.ko", "c_d.ko:"]


def test_a_module_that_the_list_lacks_is_named() -> None:
    kernel = Kernel(release="6.1", image=b"", modules={"a.ko": b"\0depends=missing\0"})
    with pytest.raises(ImageError, match=r"a\.ko needs missing"):
        kernel.dependencies()


def test_the_applets_of_busybox_are_read_from_the_program_itself() -> None:
    names = applets(Path("/bin/busybox").read_bytes())
    said = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout
    assert names == said.split()


def test_a_busybox_without_what_guests_need_is_refused() -> None:
    with pytest.raises(ImageError, match=r"no .*base64"):
        applets(b"[\0[[\0sh\0tar\0\0")


def test_only_sources_of_debian_are_used(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("# deb http://mirror.example/debian bookworm main\n")
    (tmp_path / "sources.list.d/other.list").write_text("deb https://packages.example.com/apt stable main\n")
    debian = tmp_path / "sources.list.d/debian.sources"
    debian.write_text("Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n")
    assert debian_sources(tmp_path) == [debian]
    debian.unlink()
    assert len(debian_sources(tmp_path)) == 2, "where nothing says debian, everything is tried"


def test_a_package_that_cannot_be_had_is_an_error_with_words(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/sources.list").write_text(f"deb [trusted=yes] file:{tmp_path}/nothing/debian ./\n")
    archive = Archive(tmp_path / "apt", "amd64", sources=tmp_path / "etc")
    with pytest.raises(ImageError, match=r"busybox-static for amd64.*apt-get update works"):
        archive.fetch("busybox-static")


def test_an_unknown_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no images for 'sparc'; there are amd64, arm64, armhf"):
        build("sparc", tmp_path)


def test_images_are_current_while_recipe_and_files_are_the_same(tmp_path: Path) -> None:
    images = GuestImages(architecture=ARCHITECTURES["amd64"], folder=tmp_path)
    assert not is_current(images)
    images.kernel.write_bytes(b"kernel")
    files = {images.kernel.name: {"size": 6}}
    images.stamp.write_text(json.dumps({"recipe": recipe(), "files": files}))
    assert is_current(images)
    images.stamp.write_text(json.dumps({"recipe": "older", "files": files}))
    assert not is_current(images)
    images.stamp.write_text(json.dumps({"recipe": recipe(), "files": files}))
    images.kernel.write_bytes(b"cut")
    assert not is_current(images)


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_two_builds_of_the_same_packages_are_equal_byte_for_byte(
    guest_images: Callable[[str], GuestImages], tmp_path: Path
) -> None:
    first, second = guest_images("armhf"), build("armhf", tmp_path)
    stamps = [json.loads(images.stamp.read_text()) for images in (first, second)]
    if stamps[0]["packages"] != stamps[1]["packages"]:
        pytest.skip("Debian has published newer packages since the kept images were built")
    assert stamps[0] == stamps[1]
