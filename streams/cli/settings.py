"""``greekstream settings``: what is in force, and from where."""

from __future__ import annotations

import json
import os

import click


@click.command()
@click.option("--json", "is_json", is_flag=True, help="One JSON object: every field with value and source.")
@click.option("--markdown", "is_markdown", is_flag=True, help="All settings with units and reasons: docs/settings.md.")
def command(is_json: bool, is_markdown: bool) -> None:
    """Show every setting in force and where it is from: default, file or environment.  Secrets are masked.

    The output has the form of the settings file (GREEKSTREAM_CONFIG, or --config before the command); what stands at its
    default is commented out.  What no command could read is said on stderr, with exit status 1; so is, as a warning only,
    a GREEKSTREAM_ variable that nothing reads, with the name that may have been meant.

    Example: greekstream settings --json
    """
    from streams import settings_catalogue as catalogue
    from streams import settings_page as page
    from streams.settings import CONFIG

    if is_markdown:
        click.echo(page.markdown(), nl=False)
        return
    found, faults = catalogue.examine()
    unknown = catalogue.unknown_variables()
    if is_json:
        facts = {"config": os.environ.get(CONFIG) or None, "sections": page.as_plain(found)}
        click.echo(json.dumps({**facts, "problems": faults, "unknown_variables": unknown}, default=str))
    else:
        click.echo("\n\n".join(page.shown(section, one) for section, one in found.items()))
    for name, near in unknown.items():
        if any(fault.startswith(f"{name} ") for fault in faults):
            continue
        click.echo(f"warning: nothing reads {name}{f'; did you mean {near}?' if near else ''}", err=True)
    for fault in faults:
        click.echo(f"problem: {fault}", err=True)
    if faults:
        raise SystemExit(1)
