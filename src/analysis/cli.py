"""`analysis ...`: every command is one call that Python and JupyterLab have, too.

pandas, matplotlib and the rest are imported inside the commands, so that `analysis --help` answers at once.
"""

import sys
from pathlib import Path

import click

from .errors import guarded


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="analysis")
def cli():
    """Look at classifiers class by class."""


@cli.command()
@click.option("--force", is_flag=True, help="Fetch again what is no longer as pinned; keep the old as .bad-<time>.")
def data(force):
    """Fetch the published files that the tables are made from (or find them in ANALYSIS_MIRROR)."""
    from .sources import fetch

    fetched = fetch.fetch_all(force=force)
    click.echo(f"{len(fetch.sources())} published files are as pinned, {fetched} of them fetched now")


@cli.command()
def tables():
    """Derive every table in data/ again from the published files."""
    from . import derive
    from .paths import shown
    from .sources import authors

    click.echo(f"tables derived into {shown(derive.derive())}")
    if authors.imagenet_path():
        click.echo("ImageNet.pkl of the authors: its class counts are in data/own, for this machine alone")


@cli.command()
def claims():
    """Combine the claim rows that the notebooks wrote, and print them."""
    from . import claims as claim_table
    from .show import print_claims

    print_claims(claim_table.combine())


@cli.command()
@click.option("--write-docs", is_flag=True, help="Also write docs/paper.md.")
@click.option("--summary", is_flag=True, help="Print only how many numbers are equal, differ, or need data.")
def paper(write_docs, summary):
    """Compute every table and figure of the paper again, write figures/tables/paper_items.csv, and print it."""
    from . import paper as items
    from . import paper_page
    from .paths import shown
    from .show import print_items

    found = items.write()
    print_items(found, summary=summary)
    if write_docs:
        click.echo(f"{shown(paper_page.write_docs(found))} written")


@cli.command("class")
@click.argument("which")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Also write the figure to this PDF or PNG file.")
def class_(which, output):
    """One ImageNet class over all networks and data sets: a name ("laptop"), a wnid or an id."""
    from .explore import show_class
    from .show import print_class

    view = show_class(which)
    print_class(view)
    if output:
        from .figures import write_figure

        write_figure(view.figure, output)


@cli.command()
@click.argument("name", required=False)
@click.option("--style", type=click.Path(exists=True, path_type=Path), help="A journal's .mplstyle file.")
@click.option("--width", type=click.FloatRange(min=0.5, max=50), help="Width in inches; the height follows.")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), help="Folder to write to.")
def figures(name, style, width, output):
    """Draw all figures, or the one called NAME, again from the drawn points, without running a notebook."""
    from .figures import redraw
    from .paths import shown

    for path in redraw(name, style=style, width=width, into=output):
        click.echo(shown(path))


@cli.command()
def readme():
    """Write the claims table and the figure of the README from the last run."""
    from .readme import write

    write()


@cli.command()
def bench():
    """Time the measures beside other libraries, in one run."""
    from .bench import main as run

    run()


def main():
    """Entry point of `analysis`."""
    sys.exit(guarded(lambda: cli(prog_name="analysis", standalone_mode=False)))


if __name__ == "__main__":
    main()
