"""What Tab offers on a line of one of the two magics."""

# mypy: allow-untyped-decorators, allow-untyped-calls

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .. import check, expressions, options

if TYPE_CHECKING:
    from .magic import AutogradMagics

IDENTIFIER = "autograd_magics"
HOOK = "complete_command"
"""IPython's hook for the words after a command."""
KEYS = (f"%{options.MAGIC}", f"%%{options.MAGIC}")


def completer(magics: AutogradMagics) -> Callable[[Any, Any], list[str]]:
    """A function for IPython's hook, over the user's names as they are when Tab is pressed."""
    names = magics.shell.user_ns
    offers: Mapping[str, Callable[[], Iterable[str]]] = {
        "explain": codes,
        "show": lambda: tensors(names),
        "grads": lambda: leaves(names),
        "check": lambda: check.names(magics.reports),
    }

    def complete(_shell: Any, event: Any) -> list[str]:
        return options.complete(event.text_until_cursor, offers)

    return complete


def install(magics: AutogradMagics) -> None:
    """Let Tab ask us: by a matcher, which keeps Python's names out of the way, or by the hook that IPython 7 has."""
    function = completer(magics)
    matcher = _matcher(function)
    if matcher is not None:
        magics.shell.Completer.custom_matchers.append(matcher)
        return
    for key in KEYS:
        magics.shell.set_hook(HOOK, function, str_key=key)


def remove(shell: Any) -> None:
    """Take it away again: IPython has no call for that."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [matcher for matcher in matchers if getattr(matcher, "matcher_identifier", "") != IDENTIFIER]
    for key in KEYS:
        shell.strdispatchers[HOOK].strs.pop(key, None)


def _matcher(function: Callable[[Any, Any], list[str]]) -> Any:
    """The same for IPython's completer since 8.6, None where it is older."""
    try:
        from IPython.core.completer import SimpleCompletion, context_matcher
    except ImportError:
        return None

    @context_matcher(identifier=IDENTIFIER)
    def options_of_autograd(context: Any) -> dict[str, Any]:
        found = function(None, context)
        return {"completions": [SimpleCompletion(text=word, type="param") for word in found], "suppress": bool(found)}

    return options_of_autograd


def codes() -> tuple[str, ...]:
    """The codes of all findings."""
    from ..rules import rules

    return tuple(rule.code for rule in rules())


def tensors(names: Mapping[str, Any]) -> list[str]:
    """Variables that hold tensors."""
    return _named(names, expressions.is_tensor)


def modules(names: Mapping[str, Any]) -> list[str]:
    """Variables that hold modules."""
    return _named(names, expressions.is_module)


def _named(names: Mapping[str, Any], fits: Callable[[Any], bool]) -> list[str]:
    """The user's variables whose value fits; IPython's own begin with an underscore."""
    return [name for name, value in list(names.items()) if not name.startswith("_") and fits(value)]


def leaves(names: Mapping[str, Any]) -> list[str]:
    """The user's leaves and parameters; nothing where torch was not imported yet."""
    if "torch" not in sys.modules:
        return []
    from ..recorder.stories import leaves as found

    return list(found(names))
