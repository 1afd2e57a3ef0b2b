"""Questions to an operator, each with a key, so that a flag can answer it beforehand."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import typer

from loop.cli import say

SECRETS: Final = "secrets"
"""The folder, beside the configuration, that pasted secrets go to."""


class Interview:
    """Asks, unless the answer was given with a flag or the defaults are wanted (`yes`)."""

    def __init__(self, given: Mapping[str, str], *, yes: bool) -> None:
        self.given = dict(given)
        self.secrets: dict[str, str] = {}
        """What is to be written into files in `SECRETS`, by name."""
        self._yes = yes

    def text(
        self, key: str, question: str, default: str, problem: Callable[[str], str] = lambda _: ""
    ) -> str:
        """Return an answer with which `problem` finds nothing wrong."""
        if key in self.given or self._yes:
            answer = self.given.pop(key, default)
            if wrong := problem(answer):
                raise say.fail(f"{key}: {wrong}", say.EXIT_USAGE)
            return answer
        while wrong := problem(answer := self._ask(question, default)):
            say.tell(wrong, "red")
        return answer

    def several(
        self, key: str, question: str, known: Sequence[str], default: Sequence[str]
    ) -> list[str]:
        """Return some of the known words, asked for with commas between them."""

        def problem(answer: str) -> str:
            unknown = [word for word in _words(answer) if word not in known]
            return f"{', '.join(unknown)}: choose from {', '.join(known)}" if unknown else ""

        asked = f"{question} ({', '.join(known)}; commas between, - for none)"
        return _words(self.text(key, asked, ",".join(default), problem))

    def one(self, key: str, question: str, known: Sequence[str], default: str) -> str:
        """Return one of the known words."""

        def problem(answer: str) -> str:
            return "" if answer in known else f"{answer}: choose from {', '.join(known)}"

        return self.text(key, f"{question} ({', '.join(known)})", default, problem)

    def secret(self, connector: str, name: str, meaning: str) -> dict[str, str]:
        """Return the setting that leads to a secret: a file or a variable, never the secret."""
        key = f"{connector}.{name}"
        if f"{key}_file" in self.given:
            return {f"{name}_file": self.given.pop(f"{key}_file")}
        if key in self.given:
            answer = self.given.pop(key)
            if not answer.startswith("${"):
                hint = f"say {key}_file=PATH or {key}='${{NAME}}'"
                raise say.fail(f"{key}: no secrets on the command line; {hint}", say.EXIT_USAGE)
            return {name: answer}
        if self._yes:
            return {}
        say.tell(f"{key}: {meaning}")
        return self._led_to(connector, name, self._ask_hidden())

    def _led_to(self, connector: str, name: str, answer: str) -> dict[str, str]:
        """Return what stands in the file for what was typed."""
        if answer.startswith("$"):
            return {name: f"${{{answer.strip('${}')}}}"}
        if answer.startswith("@"):
            return {f"{name}_file": str(Path(answer[1:]).expanduser())}
        if not answer:
            return {}
        self.secrets[f"{connector}-{name}"] = answer
        return {f"{name}_file": f"{SECRETS}/{connector}-{name}"}

    def _ask(self, question: str, default: str) -> str:
        from rich.prompt import Prompt  # noqa: PLC0415 - quick start-up
        from rich.text import Text  # noqa: PLC0415 - quick start-up

        try:
            answer = Prompt.ask(Text(question), console=say.stderr(), default=default)
        except EOFError as error:
            raise _nobody_there() from error
        return str(answer).strip()

    def _ask_hidden(self) -> str:
        question = "  Paste it, or name a file (@path) or a variable ($NAME); Enter leaves it out"
        try:
            answer = typer.prompt(
                question, default="", hide_input=True, show_default=False, err=True
            )
        except typer.Abort as error:
            raise _nobody_there() from error
        return str(answer).strip()


def _nobody_there() -> typer.Exit:
    return say.fail("Nobody answers. Say --yes, and give the answers as flags.", say.EXIT_USAGE)


def _words(answer: str) -> list[str]:
    return [word.strip() for word in answer.split(",") if word.strip() not in {"", "-"}]
