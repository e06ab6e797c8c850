"""Kinds of settings that refuse a bad value in one line."""

# mypy: allow-untyped-calls, disable-error-code="misc,type-arg"
# (what traitlets says about its types differs from release to release)

from __future__ import annotations

from typing import Any

from traitlets import Enum, Int, TraitError, Unicode

from .. import options, settings
from ..texts import choose, text


class OneLine:
    """Makes a trait refuse a bad value in one line that says what was expected."""

    name: str

    def error(self, obj: Any, value: Any, error: Any = None, info: str | None = None) -> None:
        lang = obj.words if obj is not None else "en"
        expected = options.expected(self.name, lang)
        raise TraitError(text("magic.bad_setting", lang, name=self.name, given=repr(value), expected=expected))


class Choice(OneLine, Enum):
    """One of several words."""


class Policy(Choice):
    """How values are noted; True and False are understood too."""

    def validate(self, obj: Any, value: Any) -> Any:
        return super().validate(obj, settings.values_policy(value) if isinstance(value, bool) else value)


class Count(OneLine, Int):
    """A whole number of 1 or more."""

    def validate(self, obj: Any, value: Any) -> Any:
        return value if type(value) is int and value > 0 else self.error(obj, value)


class Language(OneLine, Unicode):
    """Code of a language; empty for the machine's."""

    def validate(self, obj: Any, value: Any) -> Any:
        try:
            return choose(value) if value else ""
        except (ValueError, AttributeError):
            return self.error(obj, value)
