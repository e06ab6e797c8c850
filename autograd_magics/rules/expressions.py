"""Pieces of code for the fix of a finding."""

from __future__ import annotations

import ast

from ..graph import Graph

PRIMARIES = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)
"""What a method can be called on as it stands."""


def operand(graph: Graph, tensor: int) -> str:
    """A tensor's name or expression, in parentheses where `.item()` could not be written behind it."""
    label = graph.label(tensor)
    try:
        tree = ast.parse(label.strip(), mode="eval").body
    except (SyntaxError, ValueError):  # `add(…)`: no more than a hint
        return label
    return label if isinstance(tree, PRIMARIES) else f"({label})"
