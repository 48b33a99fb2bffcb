"""The pure heart of the event-sourced house: events, aggregates, codec, ports, deadlines, errors.

Nothing here knows Django, a socket, the clock or chance.
"""
