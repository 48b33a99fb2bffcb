"""Webhooks: what happens in the lab, sent to the servers that users name.

A webhook reads the log by position, as the feed does: whatever the position has passed was looked at, and
what was wanted of it has become a message in the same transaction. So nothing is skipped and nothing is
remembered twice, whatever dies when. Messages are sent in their order, one at a time, until they are taken
or given up.

Nothing here is part of the log: these are matters between a user and his servers.
"""
