"""Labbook: the lab's notebook."""
