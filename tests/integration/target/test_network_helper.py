"""lava-network and lava-echo-ipv4, on the loopback interface of this machine."""

from __future__ import annotations

from jobs.domain import overlay
from jobs.domain.events import MessageSent
from tests.integration.target.lab_side import Lab, definition


def test_addresses_are_told_collected_and_looked_up(lab: Lab) -> None:
    for name in ("host", "server", "client"):
        lab.start(
            name,
            definition(
                "lava-network broadcast lo",
                "lava-network collect lo",
                'echo "address=$(lava-network query client ipv4) mask=$(lava-network query client netmask)."',
                'echo "nothing=$(lava-network query client colour)."',
                "lava-network hosts $SCRATCH/hosts",
                "lava-network alias-hosts $SCRATCH/aliases",
                'echo "echo=$(lava-echo-ipv4 lo)."',
            ),
        )
    lab.run()
    sent = {fact.node: fact.data for fact in lab.facts if isinstance(fact, MessageSent)}
    assert all(data["ipv4"] == "127.0.0.1" and data["netmask"] == "255.0.0.0" for data in sent.values()), sent
    for name, node in lab.nodes.items():
        assert "address=127.0.0.1 mask=255.0.0.0." in node.text
        assert "nothing=." in node.text
        assert "echo=127.0.0.1." in node.text
        hosts = (lab.folder / name / "hosts").read_text().splitlines()
        assert [line.split("\t")[0] for line in hosts] == ["127.0.0.1"] * 3
        aliases = (lab.folder / name / "aliases").read_text().splitlines()
        assert [line.split("\t")[2] for line in aliases] == ["host01", "server01", "client01"]


def test_misuse_is_answered_with_words_and_a_status(lab: Lab) -> None:
    node = lab.start(
        "client",
        definition(
            "for words in '' broadcast 'broadcast nosuch0' 'dance lo' 'query client ipv4' 'hosts /tmp/x'; do",
            "lava-network $words && echo WRONG || echo right; done",
            "lava-echo-ipv4 nosuch0 && echo WRONG || echo right",
            "lava-echo-ipv4 && echo WRONG || echo right",
        ),
    )
    lab.run()
    assert "WRONG" not in node.text.replace("echo WRONG", "")
    assert node.text.count("right\n") == 8


def test_a_vm_gets_the_names_of_its_group_and_a_host_is_left_alone(lab: Lab) -> None:
    names = {"server": "10.0.9.2", "client": "10.0.9.3"}
    for name in ("host", "server"):
        etc = lab.folder / name / "etc"
        etc.mkdir(parents=True)
        (etc / "hosts").write_text("127.0.0.1 localhost\n192.0.2.1 mine\n")
        network = overlay.GroupNetwork(mac="52:54:00:00:00:01", address="10.0.9.2", prefix=24, names=names)
        lab.start(name, definition("true"), env={"LAVA_ETC": str(etc)}, network=network)
    lab.run()
    assert (lab.folder / "host/etc/hosts").read_text() == "127.0.0.1 localhost\n192.0.2.1 mine\n"
    assert (lab.folder / "server/etc/hosts").read_text() == (
        "127.0.0.1 localhost\n192.0.2.1 mine\n"
        "# lava group begin\n10.0.9.2\tserver\n10.0.9.3\tclient\n# lava group end\n"
    )
    assert "no network card has the address 52:54:00:00:00:01" in lab.nodes["server"].text
    lab.nodes.clear()
    lab.start("server", definition("true"), env={"LAVA_ETC": str(lab.folder / "server/etc")}, network=network)
    lab.run()
    assert (lab.folder / "server/etc/hosts").read_text().count("lava group begin") == 1
