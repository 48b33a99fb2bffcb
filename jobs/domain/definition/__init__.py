"""Job definitions: what a user writes, checked completely before anything happens.

`parse` turns text into a plain document that remembers where everything stands; `validate` turns that
into a `Definition`. Both report all problems at once.
"""
