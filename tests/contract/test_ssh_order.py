"""What channels of one ssh connection send does not end the others, whatever the threads' order was."""

from __future__ import annotations

import time
from collections.abc import Iterator

import paramiko
import pytest
from paramiko.common import cMSG_CHANNEL_EOF
from paramiko.ssh_exception import SSHException

from devices.drivers import ssh
from lab.demo.sshd import SshServer
from lab.kernel.deadline import Deadline
from tests.support.sshd import ssh_config


def soon() -> Deadline:
    return Deadline.after(30, "the test")


@pytest.fixture
def host(sshd: SshServer) -> Iterator[ssh.SshHost]:
    shell = ssh.connect(ssh_config(sshd), soon())
    yield shell
    shell.close()


def ended(host: ssh.SshHost) -> paramiko.Channel:
    """A channel whose command has ended, and that both sides have closed."""
    channel = host.session(soon())
    host.execute(channel, "true")
    limit = soon()
    while not channel.closed:
        limit.check()
        time.sleep(0.01)
    host.run("true", soon())  # so that our CLOSE is sent, too
    return channel


def test_what_comes_after_the_close_is_not_sent(host: ssh.SshHost) -> None:
    channel = ended(host)
    late = paramiko.Message()
    late.add_byte(cMSG_CHANNEL_EOF)
    late.add_int(channel.remote_chanid + 50)  # the host may have given away its own number again

    channel.get_transport()._send_user_message(late)  # type: ignore[attr-defined]

    assert host.run("echo still here", soon()).text == "still here"


@pytest.mark.timeout(60)
def test_a_question_to_a_closed_channel_is_answered_at_once(host: ssh.SshHost) -> None:
    channel = host.session(soon())
    pending = paramiko.Channel._event_pending  # type: ignore[attr-defined]

    def close_first() -> None:
        channel.close()  # right after paramiko has looked whether it is open
        pending(channel)

    channel._event_pending = close_first  # type: ignore[attr-defined]

    with pytest.raises(SSHException, match="closed"):
        channel.exec_command("true")


def test_a_channel_that_ends_during_a_key_exchange_does_not_hold_it_up(host: ssh.SshHost) -> None:
    ticking = host.terminal("while echo tick; do sleep 0.05; done", soon())
    channel = host.session(soon())
    host.execute(channel, "sleep 0.3")
    [transport] = host._transports
    transport.clear_to_send.clear()  # as between our KEXINIT and the new keys
    try:
        limit = soon()
        while not channel.closed:
            limit.check()
            time.sleep(0.01)
        ticking.read(0)  # all that came until now
        assert ticking.read(5), "what the host sends is not read any more"
    finally:
        transport.clear_to_send.set()

    assert host.run("echo still here", soon()).text == "still here"
