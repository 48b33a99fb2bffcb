"""Reading YAML that strangers wrote: nodes with their lines, texts as they are written, problems in words.

Size, depth and number of nodes are bounded, so that no text takes more than about a second to read.
"""

from __future__ import annotations

import yaml

MAX_TEXT = 256 * 1024
"""Characters."""
MAX_DEPTH = 30
"""Levels of nesting."""
MAX_NODES = 5000

NULL = "tag:yaml.org,2002:null"
MERGE = "tag:yaml.org,2002:merge"


class NotYaml(Exception):
    """The text cannot be read; the message says why and, where known, in which line."""


class _Limited(yaml.SafeLoader):
    """Composes nodes until there are too many or they are too deep."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = self._count = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        self._count += 1
        if self._depth > MAX_DEPTH:
            raise NotYaml(f"this is nested too deeply: at most {MAX_DEPTH} levels are allowed")
        if self._count > MAX_NODES:
            raise NotYaml(f"this has too many parts: at most {MAX_NODES} are allowed")
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def compose(text: str) -> yaml.Node | None:
    """Return the tree of `text`, None if it is empty. Raises `NotYaml`."""
    if len(text) > MAX_TEXT:
        raise NotYaml(f"it has {len(text)} characters; at most {MAX_TEXT} are allowed")
    try:
        # Not yaml.compose(): its disposal of a loader needs one that could be made.
        node: yaml.Node | None = _Limited(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise NotYaml(f"{line}this is not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise NotYaml(f"this is not YAML: {str(error).splitlines()[0]}") from error
    return node


class Nodes:
    """Takes values out of nodes, and collects what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def problem(self, node: yaml.Node, path: str, message: str) -> None:
        self.problems.append(f"line {node.start_mark.line + 1}: {path}: {message}")

    def mapping(self, node: yaml.Node | None, path: str) -> dict[str, yaml.Node]:
        """Return the values by key; merge keys (``<<``) are followed one level."""
        if node is None or node.tag == NULL:
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.problem(node, path, "must be a mapping of keys to values")
            return {}
        found: dict[str, yaml.Node] = {}
        merged: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if key.tag == MERGE and isinstance(value, yaml.MappingNode):
                merged |= {k.value: v for k, v in value.value if isinstance(k, yaml.ScalarNode)}
            elif not isinstance(key, yaml.ScalarNode):
                self.problem(key, path, "a key must be plain text")
            elif key.value in found:
                self.problem(key, path, f"the key {key.value!r} is there twice")
            else:
                found[key.value] = value
        return merged | found

    def text(self, node: yaml.Node | None, path: str) -> str:
        """Return a scalar as it is written; empty for none."""
        if node is None or node.tag == NULL:
            return ""
        if not isinstance(node, yaml.ScalarNode):
            self.problem(node, path, "must be text")
            return ""
        return str(node.value)

    def texts(self, node: yaml.Node | None, path: str) -> tuple[str, ...]:
        """Return a list of texts; a single text counts as a list of one."""
        if node is None or node.tag == NULL:
            return ()
        if isinstance(node, yaml.SequenceNode):
            return tuple(self.text(item, f"{path}[{index}]") for index, item in enumerate(node.value))
        text = self.text(node, path)
        return (text,) if text else ()

    def steps(self, node: yaml.Node | None, path: str) -> tuple[str, ...]:
        """Return a list of shell lines."""
        if node is None or node.tag == NULL:
            return ()
        if not isinstance(node, yaml.SequenceNode):
            self.problem(node, path, "must be a list of shell lines")
            return ()
        steps = []
        for index, item in enumerate(node.value):
            if isinstance(item, yaml.ScalarNode):
                if item.tag != NULL:
                    steps.append(str(item.value))
            else:
                kind = "mapping" if isinstance(item, yaml.MappingNode) else "list"
                message = f"a step must be text, but YAML reads a {kind} here: put the step in quotes"
                self.problem(item, f"{path}[{index}]", message)
        return tuple(steps)
