"""One contract for hosts: kept by the local double and by a real sshd."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import time
from collections.abc import Iterator

import pytest

from devices.drivers import ssh, upload
from devices.drivers.local import LocalHost
from devices.drivers.shell import HostShell, Terminal, quote
from lab.kernel.deadline import Deadline
from lab.kernel.errors import Canceled, DeadlineExceeded, InfrastructureError
from tests.support.sshd import ssh_config


def soon(seconds: float = 30) -> Deadline:
    return Deadline.after(seconds, "the test")


@pytest.fixture(params=["local", "ssh"])
def host(request: pytest.FixtureRequest) -> Iterator[HostShell]:
    if request.param == "local":
        shell: HostShell = LocalHost()
    else:
        shell = ssh.connect(ssh_config(request.getfixturevalue("sshd")), soon())
    yield shell
    shell.close()


def read_until(terminal: Terminal, wanted: bytes) -> bytes:
    data, limit = b"", soon()
    while wanted not in data:
        limit.check()
        piece = terminal.read(0.5)
        assert piece != b"", f"the terminal ended after {data!r}"
        data += piece or b""
    return data


def read_to_end(terminal: Terminal) -> bytes:
    data, limit = b"", soon()
    while (piece := terminal.read(0.5)) != b"":
        limit.check()
        data += piece or b""
    return data


def test_a_command_gives_output_errors_and_status(host: HostShell) -> None:
    done = host.run("echo out; echo err >&2; exit 7", soon())

    assert (done.stdout, done.stderr, done.status) == (b"out\n", b"err\n", 7)


def test_words_survive_quoting(host: HostShell) -> None:
    words = ["it's", "$HOME", 'a "b"', "new\nline", "*", "", "\\", "ünï"]

    done = host.run(f"printf '%s|' {quote(*words)}", soon())

    assert done.text == "|".join(words) + "|"


def test_much_output_on_both_streams_does_not_block(host: HostShell) -> None:
    script = "head -c 6000000 /dev/zero >&2; head -c 6000000 /dev/zero"

    done = host.run(script, soon())

    assert (len(done.stdout), len(done.stderr)) == (6000000, 6000000)


def test_standard_input_is_given_and_ends(host: HostShell) -> None:
    assert host.run("wc -c", soon(), stdin=b"x" * 300000).text.strip() == "300000"
    assert host.run("wc -c", soon()).text.strip() == "0"


def test_a_command_killed_by_a_signal_has_no_status(host: HostShell) -> None:
    done = host.run("kill -KILL $$", soon())

    assert done.status is None
    assert "killed by a signal" in done.ending


def test_a_failed_command_is_an_error_where_it_must_not_fail(host: HostShell) -> None:
    with pytest.raises(InfrastructureError, match=r"the folder: the command ended with exit status 2: nope"):
        host.run("echo nope >&2; exit 2", soon()).expect_ok("the folder")


def test_a_command_that_takes_too_long_is_given_up(host: HostShell) -> None:
    with pytest.raises(DeadlineExceeded, match="the nap did not finish in time"):
        host.run("sleep 30", Deadline.after(0.3, "the nap"))


def test_a_wait_ends_when_the_deadline_is_told_to_stop(host: HostShell) -> None:
    cancel = threading.Event()
    deadline = Deadline.after(30, stop=lambda: Canceled("by bob") if cancel.is_set() else None)
    threading.Timer(0.2, cancel.set).start()
    started = time.monotonic()

    with pytest.raises(Canceled, match="by bob"):
        host.run("sleep 30", deadline)

    assert time.monotonic() - started < 10


def test_a_terminal_is_a_terminal(host: HostShell) -> None:
    terminal = host.terminal("tty; read line; echo got-$line; exit 3", soon())

    assert b"/dev/pts/" in read_until(terminal, b"\n")
    terminal.write(b"hello\n", soon())
    assert b"got-hello" in read_to_end(terminal)
    assert terminal.ending == "exit status 3"


def test_a_raw_terminal_passes_every_byte(host: HostShell) -> None:
    everything = bytes(range(256)) * 300
    terminal = host.terminal("stty raw -echo -onlcr; echo ready; exec cat", soon())
    read_until(terminal, b"ready")

    typing = threading.Thread(target=terminal.write, args=(everything, soon()))
    typing.start()
    data = b""
    while len(data) < len(everything):
        piece = terminal.read(5)
        assert piece, f"{len(data)} of {len(everything)} bytes came back"
        data += piece.lstrip(b"\n") if not data else piece
    typing.join()

    assert data == everything
    terminal.close()


def test_a_process_dies_with_its_terminal(host: HostShell) -> None:
    terminal = host.terminal("echo pid $$.; exec sleep 100", soon())
    pid = int(read_until(terminal, b".").split(b"pid ")[1].split(b".")[0])

    terminal.close()

    limit = soon()
    while host.run(f"kill -0 {pid}", soon()).ok:
        limit.check()


def test_a_terminal_that_has_ended_takes_nothing_more(host: HostShell) -> None:
    terminal = host.terminal("exit 0", soon())
    read_to_end(terminal)
    terminal.close()

    with pytest.raises(InfrastructureError, match="closed"):
        terminal.write(b"hello\n", soon())


def test_thirty_terminals_at_once(host: HostShell) -> None:
    terminals = [host.terminal(f"echo number-{n}.; exec cat", soon()) for n in range(30)]

    for n, terminal in enumerate(terminals):
        assert f"number-{n}".encode() in read_until(terminal, b".")
    for terminal in terminals:
        terminal.close()


def test_a_file_arrives_whole(host: HostShell, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("put") / "file with 'quotes'"
    content = bytes(range(256)) * 10000
    seen: list[int] = []

    digest = host.put(io.BytesIO(content), str(path), soon(), mode=0o640, progress=seen.append)

    assert path.read_bytes() == content
    assert path.stat().st_mode & 0o777 == 0o640
    assert digest == hashlib.sha256(content).hexdigest()
    assert seen
    assert [one.name for one in path.parent.iterdir()] == [path.name], "nothing temporary is left"


def test_an_interrupted_copy_leaves_nothing(
    host: HostShell, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("put")
    reads = 0

    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            nonlocal reads
            reads += 1
            return b"x" * 32768

    deadline = Deadline.after(30, stop=lambda: Canceled("enough") if reads > 20 else None)

    with pytest.raises(Canceled):
        host.put(Source(), str(folder / "file"), deadline)

    assert list(folder.iterdir()) == []


def test_a_file_that_cannot_be_stored_is_named(
    host: HostShell, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("put") / "missing" / "file"

    with pytest.raises(InfrastructureError, match=r"missing/file on .* could not be used: .*[Nn]o such file"):
        host.put(io.BytesIO(b"x"), str(path), soon())

    assert host.run("echo still here", soon()).text == "still here"


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, 1_500_000])
def test_files_of_any_size_arrive(
    host: HostShell, tmp_path_factory: pytest.TempPathFactory, size: int
) -> None:
    path = tmp_path_factory.mktemp("put") / "file"
    content = os.urandom(size)
    seen: list[int] = []

    host.put(io.BytesIO(content), str(path), soon(), progress=seen.append)

    assert path.read_bytes() == content
    assert seen == sorted(seen)
    assert seen[-1] == size


def test_a_large_file_that_cannot_be_stored_is_named(
    host: HostShell, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("put") / "missing" / "file"

    with pytest.raises(
        InfrastructureError, match=r"missing/file on .* could not be used: .*([Nn]o such file|nonexistent)"
    ):
        host.put(io.BytesIO(b"x" * 5_000_000), str(path), soon())

    assert host.run("echo still here", soon()).text == "still here"


def test_a_small_file_is_read_back(host: HostShell, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("read") / "file"
    path.write_bytes(b"content")

    assert host.read(str(path), soon()) == b"content"
    assert host.read(str(path) + "-not", soon()) is None


def test_after_closing_everything_says_that_the_line_is_lost(host: HostShell) -> None:
    host.close()

    with pytest.raises(InfrastructureError, match="lost"):
        host.run("true", soon())


def test_many_threads_share_a_host(host: HostShell) -> None:
    failures: list[str] = []

    def work(number: int) -> None:
        for round_ in range(5):
            if host.run(f"echo {number} {round_}", soon()).text != f"{number} {round_}":
                failures.append(f"{number} {round_}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []


@pytest.mark.parametrize("unpacks", [True, False], ids=["packed", "host-cannot-unpack"])
def test_what_shrinks_arrives_as_it_is(
    host: HostShell,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    unpacks: bool,
) -> None:
    if not unpacks:
        monkeypatch.setattr(upload, "PACKED", "no-such-gzip -dc")
    path = tmp_path_factory.mktemp("put") / "file"
    content = b"".join(b"%d lines of much the same\n" % number for number in range(100_000))
    seen: list[int] = []

    digest = host.put(io.BytesIO(content), str(path), soon(), progress=seen.append)

    assert path.read_bytes() == content
    assert digest == hashlib.sha256(content).hexdigest()
    assert seen[-1] == len(content)
    assert os.listdir(path.parent) == ["file"]
