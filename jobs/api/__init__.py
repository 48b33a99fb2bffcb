"""The REST API, version 1: the same commands and queries as the pages, for programs."""
