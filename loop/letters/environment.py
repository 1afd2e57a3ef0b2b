"""Where templates are read, and the sandbox they run in."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, PrefixLoader
from jinja2.runtime import BlockReference, LoopContext, Macro, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from loop.letters import mjml
from loop.letters.mistakes import near

_PLAIN: Final = (str, int, float, list, tuple, dict)
_OWN: Final = (Macro, BlockReference, LoopContext, Undefined)


def environment_of(folder: Path | None, builtin: Path) -> Environment:
    """Return the environment that reads the operator's folder first and ours second."""
    ours = FileSystemLoader(builtin)
    places: list[BaseLoader] = [FileSystemLoader(folder)] if folder else []
    sandbox = _Sandbox(
        loader=_Loader([*places, ours, PrefixLoader({"builtin": ours})]),
        undefined=_Unknown,
        autoescape=_escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=-1,
        auto_reload=False,
    )
    sandbox.globals.clear()
    sandbox.filters.pop("attr")
    return sandbox


def _escaped(name: str | None) -> bool:
    return name is None or not name.endswith((".txt", ".css"))


class _Loader(BaseLoader):
    """Reads templates; MJML is HTML by the time that Jinja sees it."""

    def __init__(self, places: Sequence[BaseLoader]) -> None:
        self._files = ChoiceLoader(places)

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        """Return the template's text, its path and whether it still stands so."""
        source, path, fresh = self._files.get_source(environment, template)
        if template.endswith(".mjml") and mjml.is_document(source):
            environment.parse(source, template, path)
            parts = {
                name: self._files.get_source(environment, name)[0] for name in mjml.parts(source)
            }
            source = mjml.compiled(source, path or template, parts)
        return source, path, fresh


class _Sandbox(ImmutableSandboxedEnvironment):
    """Templates read words and call nothing but their own macros and blocks."""

    def getattr(self, obj: object, attribute: str) -> object:
        """Return a dictionary's entry; of other words nothing; of Jinja's own what is safe."""
        if isinstance(obj, dict):
            try:
                return obj[attribute]
            except KeyError:
                return self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
        """Return whether a template may look at it: nothing of a word, what is safe of the rest."""
        return not isinstance(obj, _PLAIN) and super().is_safe_attribute(obj, attr, value)

    def is_safe_callable(self, obj: object) -> bool:
        """Return whether a template may call it: its own macros, blocks and loops alone."""
        return isinstance(obj, _OWN) or isinstance(getattr(obj, "__self__", None), LoopContext)


class _Unknown(StrictUndefined):
    """A word that nobody gave. Using it in any way is a mistake, told as `word, did you mean`."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        known = self._undefined_obj if isinstance(self._undefined_obj, dict) else ()
        return f"{self._undefined_name}{near(str(self._undefined_name), known)}"
