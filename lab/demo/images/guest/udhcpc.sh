#!/bin/sh
# udhcpc -s /etc/udhcpc.sh: take the address, the route and the name servers that were offered.
[ -n "$ip" ] || exit 0
ip addr flush dev "$interface"
ip addr add "$ip/${mask:-24}" dev "$interface"
[ -n "$router" ] && ip route add default via "$router"
: >/etc/resolv.conf
for server in $dns; do echo "nameserver $server" >>/etc/resolv.conf; done
