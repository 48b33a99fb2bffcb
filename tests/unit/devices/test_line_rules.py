"""What may be written about consoles and power switches, and how what is wrong is said, at its key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from devices.domain.config_text import read_config
from devices.domain.parse_config import checked_board_config, validate_board_config
from devices.domain.power_request import PowerRequest, parse_request
from devices.domain.power_text import in_json, in_shell, in_text, in_url

REQUESTS = {"on": "http://pdu/3/on", "off": "http://pdu/3/off"}
COMMANDS = {"on": "pdu 3 on", "off": "pdu 3 off"}


def problems(extra: dict[str, str] | None = None, **parts: Any) -> list[str]:
    return validate_board_config({"ssh": {"host": "10.0.0.7"}, "extra": extra or {}} | parts)


@pytest.mark.parametrize(
    "console",
    [
        {"url": "/dev/ttyUSB0"},
        {"url": "/dev/serial/by-id/usb-FTDI_FT232R-if00-port0"},
        {"url": "socket://consoles.lab:4007"},
        {"url": "socket://[fd00::7]:4007"},
        {"url": "rfc2217://10.0.0.3:5001?ign_set_control"},
        {"command": ["console", "-M", "conserver.lab", "board-7"]},
        {"url": "", "command": []},
    ],
)
def test_a_console_is_a_device_a_port_or_a_program(console: dict[str, Any]) -> None:
    assert problems(console=console) == []


@pytest.mark.parametrize(
    ("console", "said"),
    [
        (
            {"url": "ttyUSB0"},
            "console.url: 'ttyUSB0' is no console (a device such as /dev/ttyUSB0, socket://",
        ),
        ({"url": "socket://consoles"}, "console.url: 'socket://consoles' is no console"),
        (
            {"url": "socket://consoles:99999"},
            "console.url: 'socket://consoles:99999' is no console: Port out",
        ),
        ({"url": "telnet://consoles:23"}, "for telnet and others give a command"),
        ({"url": "spy:///dev/ttyUSB0?file=/etc/passwd"}, "is no console"),
        ({"url": "/dev/tty USB0"}, "is no console"),
        ({"command": "telnet consoles 23"}, "console.command: this is a text (a list of the program"),
        ({"command": [" "]}, "console.command: the name of the program is empty"),
        (
            {"url": "/dev/ttyS0", "command": ["telnet"]},
            "console.command: there is a url, too (a console is reached by one of them: remove the other)",
        ),
        ({"line_end": "\\r"}, "console.line_end: '\\\\r' is not known here (one of cr, lf, crlf)"),
        ({"reconnect": -1}, "console.reconnect: -1 is out of range"),
    ],
)
def test_what_is_wrong_with_a_console_is_said_at_its_key(console: dict[str, Any], said: str) -> None:
    assert [one for one in problems(console=console) if said in one], problems(console=console)


@pytest.mark.parametrize(
    "power",
    [
        {},
        {"method": ""},
        {"method": "command", **COMMANDS, "status": "pdu 3 | awk '{print}'"},
        {"method": "http", **REQUESTS},
        {"method": "http", "on": 'PUT https://pdu/3 {"on": true}', "off": 'PUT https://pdu/3 {"on": false}'},
        {"method": "http", **REQUESTS, "credentials": "/etc/labbook/pdu", "headers": {"X-Lab": "7"}},
        {"method": "pdudaemon", "url": "http://pdus:16421", "pdu": "rack-2", "port": "3"},
        {"method": "qmp", "socket": "unix:/run/board.qmp"},
        {"method": "qmp", "socket": "127.0.0.1:4444"},
        {"method": "qmp", "socket": "[::1]:4444"},
    ],
)
def test_a_power_switch_has_what_its_method_needs(power: dict[str, Any]) -> None:
    assert problems(power=power) == []


@pytest.mark.parametrize(
    ("power", "said"),
    [
        (
            {"method": "command", "on": "pdu on"},
            "power.off: this is missing (the command that switches the board off)",
        ),
        (
            {"on": "pdu on"},
            "power.method: this is missing (on is given: one of command, http, pdudaemon, qmp)",
        ),
        ({"socket": "unix:/run/q"}, "power.method: this is missing (socket is given"),
        (
            {"method": "qmp"},
            "power.socket: this is missing (QEMU's monitor: unix:/run/board.qmp or host:port)",
        ),
        (
            {"method": "qmp", "socket": "/run/q"},
            "power.socket: '/run/q' is no monitor (unix:/run/board.qmp or",
        ),
        ({"method": "qmp", "socket": "unix:/" + "x" * 120}, "power.socket: the path has more than 107 bytes"),
        ({"method": "pdudaemon", "url": "http://pdus"}, "power.pdu: this is missing (the name of the power"),
        (
            {"method": "pdudaemon", "url": "http://pdus"},
            "power.port: this is missing (the outlet, as text: '3')",
        ),
        ({"method": "pdudaemon", "url": "pdus:16421"}, "power.url: 'pdus:16421' is no URL of a switch"),
        ({"method": "pdudaemon", "status": "x"}, "power.status: pdudaemon has no request for the state"),
        ({"method": "http", **REQUESTS, "on": "pdu on"}, "power.on: 'pdu' is no verb (one of GET, POST, PUT"),
        (
            {"method": "http", **REQUESTS, "on": "POST ftp://pdu"},
            "power.on: 'ftp://pdu' is no URL of a switch",
        ),
        (
            {"method": "http", **REQUESTS, "on": "http://pdu/3 on"},
            "power.on: GET sends nothing after the URL",
        ),
        ({"method": "http", **REQUESTS, "on": "http://[pdu/"}, "power.on: this is no URL: Invalid IPv6 URL"),
        (
            {"method": "http", **REQUESTS, "off": "http://a:b@pdu/"},
            "power.off: the URL holds a user or a password",
        ),
        (
            {"method": "http", **REQUESTS, "credentials": "secret"},
            "power.credentials: this is no absolute path",
        ),
        (
            {"method": "http", "password": "secret"},
            "power.password: there is no such key (write user:password",
        ),
        ({"method": "relay"}, "power.method: 'relay' is not known here (one of , command, http"),
        ({"method": 3}, "power.method: the number 3 is not known here"),
        ({"method": "pdudaemon", "url": "http://pdus :1"}, "power.url: 'http://pdus :1' is no URL"),
    ],
)
def test_what_is_wrong_with_a_power_switch_is_said_at_its_key(power: dict[str, Any], said: str) -> None:
    assert [one for one in problems(power=power) if said in one], problems(power=power)


@pytest.mark.parametrize(
    ("power", "said"),
    [
        (
            {"method": "command", **COMMANDS, "on": "pdu {hots} on"},
            "power.on: extra has no value for {hots} (did you mean {host}?)",
        ),
        (
            {"method": "command", **COMMANDS, "on": "pdu '{name}'"},
            "power.on: {name} stands inside quotes (write it outside",
        ),
        (
            {"method": "http", **REQUESTS, "on": "http://{pdu}/on"},
            "power.on: extra has no value for {pdu} (known are host, name)",
        ),
        (
            {"method": "qmp", "socket": "unix:/run/{board}.qmp"},
            "power.socket: extra has no value for {board}",
        ),
    ],
)
def test_a_placeholder_that_cannot_be_filled_is_said_at_its_key(power: dict[str, Any], said: str) -> None:
    found = problems({"host": "10.0.0.9", "name": "two words"}, power=power)

    assert [one for one in found if said in one], found


def test_a_placeholder_without_any_value_is_said_too() -> None:
    assert problems(power={"method": "http", "on": "http://{pdu}/on", "off": "http://pdu"}) == [
        "power.on: extra has no value for {pdu} (extra is empty)"
    ]


def test_a_value_has_the_form_its_place_asks_for() -> None:
    values = {"host": "10.0.0.9", "name": 'a"b; $(reboot) c'}

    assert in_shell("pdu {host} '{host}' {name} ${host} {other}", values) == (
        "pdu 10.0.0.9 '10.0.0.9' 'a\"b; $(reboot) c' ${host} {other}"
    )
    assert in_shell("echo \\'{name}", values) == "echo \\''a\"b; $(reboot) c'"
    assert in_url("http://{host}/?x={name}", values) == "http://10.0.0.9/?x=a%22b%3B%20%24%28reboot%29%20c"
    assert in_json('{"name": "{name}"}', values) == '{"name": "a\\"b; $(reboot) c"}'
    assert in_text("{host}: {name}", values) == '10.0.0.9: a"b; $(reboot) c'


def test_a_request_is_a_verb_a_url_and_what_is_sent() -> None:
    assert parse_request("http://pdu/on") == PowerRequest(verb="GET", url="http://pdu/on")
    assert parse_request(' POST  http://pdu {"on": true} ') == PowerRequest(
        verb="POST", url="http://pdu", body='{"on": true}'
    )
    assert not parse_request("POST http://pdu a=b").json


def test_a_board_keeps_what_was_written() -> None:
    raw = {
        "ssh": {"host": "10.0.0.7"},
        "console": {"url": "/dev/ttyUSB0", "line_end": "lf", "reconnect": 0},
        "power": {
            "method": "http",
            **REQUESTS,
            "headers": {"X-Lab": "7"},
            "certificate": "/etc/labbook/pdu.pem",
        },
    }

    config = checked_board_config(raw)

    assert config is not None
    assert (config.console.line_end, config.console.reconnect) == ("lf", 0)
    assert (config.power.headers, config.power.certificate) == ({"X-Lab": "7"}, "/etc/labbook/pdu.pem")


def test_the_examples_of_the_documentation_can_be_used() -> None:
    page = Path(__file__).parents[3] / "docs" / "drivers.md"
    examples = [read_config(text) for text in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)]
    lines = [
        one.config for one in examples if isinstance(one.config.get("console", one.config.get("power")), dict)
    ]
    whole = [one for one in lines if "method" in one.get("power", {"method": ""})]

    assert len(whole) >= 8
    assert [problems(**one) for one in whole] == [[] for _ in whole]
    # The others lie over a type, which has the rest.
    assert [validate_board_config(one, partial=True) for one in lines] == [[] for _ in lines]
