"""Docs stay true: every command they show exists with those options, every Python snippet runs, every link leads somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from streams.cli import COMMANDS, main
from tests.conftest import ROOT

DOCS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
COMMAND = re.compile(r"`(greekstream [^`\n]+)`")
BLOCK = re.compile(r"```(?:sh)?\n(.*?)```", re.DOTALL)
BLOCK_COMMAND = re.compile(r"^(greekstream [^#\n]+)", re.MULTILINE)
MAKE = re.compile(r"(?:^|`)make ([a-z]+)", re.MULTILINE)
SNIPPET = re.compile(r"```python\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)|`((?:docs|examples|schemas|pricers|streams|tests)/[\w./-]+)`")


def commands() -> list[tuple[str, str]]:
    found = []
    for path in DOCS:
        text = path.read_text()
        lines = COMMAND.findall(text) + [line for block in BLOCK.findall(text) for line in BLOCK_COMMAND.findall(block)]
        found += [(path.name, line.strip()) for line in lines]
    return found


def context_of(line: str) -> click.Context:
    """Parse a command line with the real commands, without running it."""
    words = shlex.split(line.partition(" | ")[0])[1:]
    group: click.Group = main
    with click.Context(main, info_name="greekstream") as parent:
        while True:
            name, command, words = group.resolve_command(parent, words)
            assert command is not None
            context = command.make_context(name, words, parent=parent)
            rest = [*context._protected_args, *context.args]
            if not isinstance(command, click.Group) or (command.invoke_without_command and not rest):
                return context
            group, parent, words = command, context, rest


@pytest.mark.parametrize(("doc", "line"), commands(), ids=lambda text: text[:60])
def test_every_command_shown_exists_with_those_options(doc: str, line: str) -> None:
    if any(ch in line for ch in "…<>") or line.split()[1].startswith("--"):
        pytest.fail(f"{doc} shows {line!r}: docs show commands that can be typed")
    context_of(line)


def test_the_docs_show_commands() -> None:
    assert len(commands()) > 8


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_says_what_it_does_and_gives_an_example(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    text = (command.help or "") + (command.epilog or "")
    assert "greekstream" in text, f"{name} --help shows no example"


def test_every_make_target_shown_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    shown = {match for path in DOCS for match in MAKE.findall(path.read_text())}
    assert {"demo", "test"} <= shown
    for target in shown:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target} is shown and does not exist"


@pytest.mark.parametrize(
    ("doc", "code"),
    [(p.name, code) for p in DOCS for code in SNIPPET.findall(p.read_text()) if "bootstrap" not in code],
    ids=lambda text: text[:40],
)
def test_every_python_snippet_runs(doc: str, code: str) -> None:
    exec(compile(code, doc, "exec"), {})


def test_every_file_the_docs_name_is_there() -> None:
    missing = []
    for path in DOCS:
        for match in LINK.finditer(path.read_text()):
            target = match.group(1) or match.group(2)
            if target.startswith("http"):
                continue
            base = ROOT if match.group(2) else path.parent
            if not (Path(base) / target).exists():
                missing.append(f"{path.name}: {target}")
    assert not missing
