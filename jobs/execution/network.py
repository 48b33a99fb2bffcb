"""The group's network: how VMs reach each other and their host, without root anywhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The group's own network: a multicast group on the host's loopback, chosen for the job alone."""

    group: str
    port: int
    prefix: str
    """The first three numbers of the addresses."""

    @classmethod
    def of(cls, handle: str) -> Network:
        """Choose by the job's random handle, so that two jobs on one machine do not meet."""
        digest = hashlib.sha256(handle.encode()).digest()
        a, b, c = (1 + byte % 254 for byte in digest[:3])
        port = 20000 + int.from_bytes(digest[3:5], "big") % 12000
        return cls(group=f"230.{a}.{b}.{c}", port=port, prefix=f"10.{100 + digest[5] % 100}.{digest[6]}")

    def address(self, node: int) -> str:
        return f"{self.prefix}.{node}"

    @property
    def in_proc(self) -> str:
        """The socket's address as /proc/net/udp shows it."""
        return "".join(f"{int(part):02X}" for part in reversed(self.group.split("."))) + f":{self.port:04X}"


USER_NETWORK = "labbook-user-network"
"""Name, in the test overlay, of the script that connects a VM to its host."""
HOST_ADDRESS = "10.0.2.2"
"""Where a VM finds its host: the gateway of QEMU's user network."""


def mac(network: Network, node: int, card: int) -> str:
    """Return the address of a VM's card: 0 in the group's network, 1 in the user network."""
    tail = hashlib.sha256(f"{network.group}:{network.port}".encode()).digest()
    return f"52:54:{card:02x}:{tail[0]:02x}:{tail[1]:02x}:{node:02x}"


def user_network_script(network: Network, node: int) -> str:
    """Return the script that gives a VM's second card the address that QEMU's user network expects.

    It changes nothing where the guest has done so itself (by DHCP), and needs ``ip`` or ``ifconfig``. The
    kernel's tables say what is there: a process for each question would take longer than all the rest.
    """
    return f"""\
for file in /sys/class/net/*/address; do
  {{ read -r address <"$file"; }} && [ "$address" = {mac(network, node, 1)} ] || continue
  card=${{file%/address}}; card=${{card##*/}}
  gateway=
  while read -r name target _; do
    [ "$name" != "$card" ] || exit 0
    [ "$target" != 00000000 ] || gateway=$name
  done </proc/net/route
  if command -v ifconfig >/dev/null && command -v route >/dev/null; then
    ifconfig "$card" 10.0.2.15 netmask 255.255.255.0 up
    [ -n "$gateway" ] || route add default gw {HOST_ADDRESS}
  elif command -v ip >/dev/null; then
    ip link set dev "$card" up && ip addr add 10.0.2.15/24 dev "$card"
    [ -n "$gateway" ] || ip route add default via {HOST_ADDRESS}
  fi
  [ -s /etc/resolv.conf ] || echo "nameserver 10.0.2.3" >/etc/resolv.conf
  exit 0
done 2>/dev/null
exit 0
"""
