"""The board's root file system: packages laid out as dpkg would do it, by whoever builds."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.demo.board.root import Root
from lab.demo.images.errors import ImageError

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")


def package(folder: Path, name: str = "tool", *, multi_arch: str = "") -> Path:
    """A package with a program below /bin, a conffile, documentation, a link and a script of its own."""
    tree = folder / name
    for below in ("DEBIAN", "bin", "etc", "usr/share/doc/tool", "var/lib/tool"):
        (tree / below).mkdir(parents=True)
    control = f"Package: {name}\nVersion: 1.0\nArchitecture: arm64\nMaintainer: M <m@example.org>\n"
    control += f"Multi-Arch: {multi_arch}\n" if multi_arch else ""
    (tree / "DEBIAN/control").write_text(control + "Description: A tool\n Longer words.\n")
    (tree / "DEBIAN/conffiles").write_text("/etc/tool.conf\n")
    (tree / "DEBIAN/postinst").write_text("#!/bin/sh\n")
    (tree / "DEBIAN/postinst").chmod(0o755)
    (tree / "etc/tool.conf").write_text("colour = blue\n")
    (tree / "bin/tool").write_text("#!/bin/sh\n")
    (tree / "bin/tool").chmod(0o4755)
    (tree / "bin/alias").symlink_to("tool")
    (tree / "bin/twin").hardlink_to(tree / "bin/tool")
    (tree / "usr/share/doc/tool/copyright").write_text("MIT\n")
    built = folder / f"{name}_1.0_arm64.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, built], check=True, capture_output=True)
    return built


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "root").mkdir()
    return Root(tmp_path / "root")


def debugfs(image: Path, request: str) -> str:
    path = shutil.which("debugfs", path="/usr/sbin:/sbin:/usr/bin")
    assert path
    return subprocess.run([path, "-R", request, image], check=True, capture_output=True, text=True).stdout


def test_files_lie_where_a_merged_usr_has_them(root: Root, tmp_path: Path) -> None:
    root.unpack(package(tmp_path))

    assert (tmp_path / "root/usr/bin/tool").read_text() == "#!/bin/sh\n"
    assert (tmp_path / "root/bin/alias").readlink() == Path("tool")
    assert (tmp_path / "root/bin").readlink() == Path("usr/bin")
    assert (tmp_path / "root/usr/bin/twin").samefile(tmp_path / "root/usr/bin/tool")
    assert not (tmp_path / "root/usr/share/doc/tool").exists()


def test_dpkg_finds_the_package_unpacked_and_not_yet_configured(root: Root, tmp_path: Path) -> None:
    root.unpack(package(tmp_path))
    root.unpack(package(tmp_path, "library", multi_arch="same"))
    root.ext4(tmp_path / "disk", 16, "some-root")

    known = tmp_path / "root/var/lib/dpkg"
    subprocess.run(["dpkg", "--admindir", known, "--status", "tool", "library"], check=True)
    status = (known / "status").read_text()
    assert status.count("Status: install ok unpacked") == 2
    digest = hashlib.md5(b"colour = blue\n", usedforsecurity=False).hexdigest()
    assert f"Conffiles:\n /etc/tool.conf {digest}\n" in status
    assert "/bin/tool" in (known / "info/tool.list").read_text().splitlines()
    assert (known / "info/library:arm64.postinst").exists()


def test_everything_belongs_to_whom_its_package_says_whoever_builds(root: Root, tmp_path: Path) -> None:
    root.unpack(package(tmp_path))
    root.file("etc/secret", "hush", 0o640, group=42)
    root.ext4(tmp_path / "disk", 16, "some-root")

    assert "Mode:  04755" in (tool := debugfs(tmp_path / "disk", "stat /usr/bin/tool"))
    assert "User:     0   Group:     0" in tool
    assert "Group:    42" in (secret := debugfs(tmp_path / "disk", "stat /etc/secret"))
    assert "Mode:  0640" in secret
    assert "Type: symlink" in debugfs(tmp_path / "disk", "stat /bin")


def test_a_file_that_is_no_package_is_named(root: Root, tmp_path: Path) -> None:
    broken = tmp_path / "broken_1.0_arm64.deb"
    broken.write_bytes(b"not a package")

    with pytest.raises(ImageError, match=r"broken_1\.0_arm64\.deb cannot be unpacked"):
        root.unpack(broken)
