"""`analysis ...`: every command is one call that Python and JupyterLab have, too.

pandas, matplotlib and the rest are imported inside the commands, so that `analysis --help` answers at once.
"""

import atexit
import gc
import os
import signal
import sys
from pathlib import Path

import click

from .errors import InputError, IntegrityError, guarded


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
@click.option("--why", metavar="CLAIM", help="How the verdict on one claim follows, as F3D.")
@click.option("--dataset", help="With --why: all rows of this data set, as imagenet-sketch.")
def claims(why, dataset):
    """Combine the claim rows that the notebooks wrote, and print them, or the reasoning behind one claim."""
    from . import claims as claim_table
    from .show import print_claims

    if why is None and dataset is not None:
        raise click.UsageError("--dataset goes with --why")
    if why is None:
        print_claims(claim_table.combine())
    else:
        click.echo(claim_table.why(why, dataset))


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


class _Lists(click.Command):
    """A command whose options with several values take them in a row: `--models a b` is `--models a --models b`."""

    def parse_args(self, ctx, args):
        several = {name for option in self.params if getattr(option, "multiple", False) for name in option.opts}
        spread, last, filled = [], None, False
        for arg in args:
            if arg.startswith("-"):
                name, equal, _ = arg.partition("=")
                last, filled = (name if name in several else None), bool(equal)
            elif filled:
                spread.append(last)
            else:
                filled = last is not None
            spread.append(arg)
        return super().parse_args(ctx, spread)


@cli.command(cls=_Lists)
@click.option("--models", "-m", required=True, multiple=True, help="paper, a family, or names; one or several.")
@click.option(
    "--datasets", "-d", required=True, multiple=True, help="imagenet-val, imagenet-c, tiny-imagenet-c-local, ..."
)
@click.option("--images", type=click.Path(), help="The folder that holds the data sets.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda (all GPUs), cuda:1, ...")
@click.option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), default="fp32", show_default=True)
@click.option("--features", is_flag=True, help="Also keep the input of the classifier, float16.")
@click.option("--decoder", type=click.Choice(["pil", "simplejpeg"]), default="pil", show_default=True)
@click.option("--resize", type=click.Choice(["pil", "torch"]), default="pil", show_default=True)
@click.option(
    "--per-class", type=click.IntRange(min=1), metavar="N", help="Only N images of each class, always the same."
)
@click.option(
    "--allow-bad", type=click.IntRange(min=0), default=0, metavar="N", help="Leave out up to N unreadable images."
)
@click.option("--allow-missing", is_flag=True, help="Take a data set that lacks images.")
@click.option("--jobs", type=click.IntRange(min=0), metavar="N", help="Processes; default: as many as cores.")
@click.option(
    "--engine",
    "workers",
    type=click.Choice(["processes", "ray"]),
    default="processes",
    show_default=True,
    help="Workers: processes of this machine, or Ray's over several (RAY_ADDRESS; needs the tier ray).",
)
@click.option("--batch", type=click.IntRange(min=1), metavar="N", help="Images a batch; default: 32, on a GPU 256.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the corruptions made here.")
def predict(models, datasets, **options):
    """Predict folders of images with many models in one pass; stop and go on at will.

    Predictions go to the store in data/cache/, class counts to data/own/. What is in the store is not computed again.
    """
    from .vision.predict import predict as run
    from .vision.predict import summary

    for line in summary(run(models, datasets, **options)):
        click.echo(line)


@cli.command(cls=_Lists)
@click.option("--corpus", multiple=True, help="banking77, 20news, clinc150, hint3-..., csv:TRAIN,TEST, hf:FOLDER.")
@click.option("--classifier", multiple=True, help="tfidf-mlp, sentence-lr, minilm, bert, ...; one or several.")
@click.option("--runs", type=click.IntRange(min=1), default=10, show_default=True, help="Seeds of each classifier.")
@click.option("--first", type=click.IntRange(min=0), default=0, show_default=True, help="Number of the first run.")
@click.option("--noise", multiple=True, help="Also ask noisy test texts: typo, swap, drop, case, words.")
@click.option("--severity", type=click.IntRange(1, 5), multiple=True, default=(1, 3, 5), show_default=True)
@click.option("--device", default="auto", show_default=True, help="cpu or cuda.")
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), help="Of fine-tuning; default: the device's best.")
@click.option("--weights", type=click.Path(), help="Folder of a network to fine-tune, in place of the hub's.")
@click.option("--vectors", type=click.Path(), help="fastText .bin file for vectors-mlp, as cc.en.300.bin.")
@click.option("--path", type=click.Path(), help="Folder of 20 Newsgroups, in place of the published copy.")
@click.option("--text-column", "text", help="Column of the texts of csv: and hf: corpora, where its name is not usual.")
@click.option("--label-column", "label", help="Column of their labels.")
@click.option("--out-of-scope", help="Their label that means: no class.")
@click.option("--store-only", is_flag=True, help="Leave the tables of data/own as they are.")
@click.option("--shipped", is_flag=True, help="All runs whose answers the repository ships, and nothing else.")
def text(corpus, classifier, runs, first, shipped, severity, store_only, **options):
    """Train text classifiers, many seeds of each, and keep what they answer; stop and go on at will.

    Answers go to the store in data/cache/, class counts to data/own/. A finished run is never computed twice.
    """
    from .text import runs as text_runs

    if shipped:
        found = text_runs.run_shipped(device=options["device"])
    elif not corpus or not classifier:
        raise click.UsageError("--corpus and --classifier are needed, or --shipped")
    else:
        numbers = range(first, first + runs)
        found = text_runs.run(corpus, classifier, runs=numbers, severities=severity, into_own=not store_only, **options)
    for one in found:
        click.echo(one.line())


@cli.command(cls=_Lists)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--dataset", "-d", multiple=True, help="imagenet-val, ...; own; one a file. Default: by the item ids.")
@click.option("--labels", type=click.Choice(["original", "real"]), default="original", show_default=True)
@click.option("--name", help="Of the model; default: the name of the first file.")
@click.option(
    "--order",
    type=click.Choice(["id", "text", "folder", "folder-text"]),
    default="id",
    show_default=True,
    help="Of rows without item ids: by id, by id as text, class by class, or class numbers as text.",
)
@click.option("--allow-missing", is_flag=True, help="Take a file that lacks items of its data set.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of random splits and draws.")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), help="Default: build/report/NAME/.")
def report(files, dataset, labels, name, order, allow_missing, seed, output):
    """Look at your own predictions: FILE(s) of one model become tables, a summary here and an HTML page.

    CSV, JSON or Parquet (item id, prediction; confidence, top 5, label if there), timm's results, NumPy arrays, a
    folder of Hugging Face datasets. Several files: the same model on several data sets, the unshifted first.
    """
    from . import paths
    from .reporting import report as run

    made = run(
        list(files),
        dataset=dataset,
        labels=labels,
        name=name,
        order=order,
        allow_missing=allow_missing,
        seed=seed,
    )
    made.show()
    for path in made.write(output or paths.build() / "report" / made.name):
        click.echo(paths.shown(path))


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
@click.option("--inference", is_flag=True, help="Time the inference engine beside a plain loop (minutes) instead.")
@click.option("--text", is_flag=True, help="Time the text classifiers and the embedding of texts (minutes) instead.")
@click.option("--quick", is_flag=True, help="With --inference: one round, printed and not kept.")
def bench(inference, text, quick):
    """Time the measures beside other libraries, in one run; docs/benchmarks.md keeps it."""
    if text:
        from .text.bench import main as run_text

        run_text()
        return
    if inference:
        from .vision.bench import main as run_inference

        run_inference(quick=quick)
        return
    from .bench import main as run

    run()


@cli.command()
@click.option("--repair", is_flag=True, help="Make again what this machine can; damaged files are kept as .bad-<time>.")
def verify(repair):
    """Hold every file against what vouches for it: tables, own tables, stored predictions, figures, published files.

    One line a finding; exit code 4 for a shipped, pinned or stored file, 3 for an own table or figure.
    """
    from . import verify as checking

    report = checking.verify(repair=repair)
    for finding in report.findings:
        click.echo(str(finding))
    if report.code:
        raise (IntegrityError if report.code == 4 else InputError)("verify", report.summary(), "see the lines above")
    click.echo(report.summary())


@cli.group()
def cache():
    """List, check and tidy the stored predictions."""


@cache.command("ls")
def cache_ls():
    """One line an entry: what was predicted, how right it was, what it takes on disk."""
    from rich.table import Table

    from . import store
    from .show import console

    table = Table(box=None, pad_edge=False)
    for column in ("model", "dataset", "precision", "items", "top-1", "features", "size", "made"):
        table.add_column(column, overflow="fold")
    for entry in store.entries():
        kept = "yes" if entry.safetensors and entry.path.with_suffix(".safetensors").exists() else ""
        top1 = f"{entry.top1:.4f}" if entry.n_labelled else ""
        size = f"{entry.bytes / 1e6:.1f} MB"
        table.add_row(entry.model, entry.dataset, entry.precision, str(entry.n_items), top1, kept, size, entry.made)
    console().print(table)


@cache.command("show")
@click.option("--model", required=True)
@click.option("--dataset", required=True)
@click.option("--precision", help="fp32, bf16, ...; without it the newest entry of any.")
def cache_show(model, dataset, precision):
    """Predictions of one model as CSV: item_id, label, pred, confidence, top5 (best first, a space between)."""
    from . import store

    entry = store.find(model=model, dataset=dataset, precision=precision)
    _to_stdout(store.as_csv(entry.table()))


@cache.command("verify")
def cache_verify():
    """Hash and read every entry and part again; set aside what is damaged (exit code 4)."""
    from . import store

    problems = store.verify()
    click.echo(f"{len(store.entries())} entries are whole, {len(problems)} files set aside")
    if problems:
        raise IntegrityError("store", f"{len(problems)} files were damaged", "run again what made them")


@cache.command("gc")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--bad", is_flag=True, help="Also remove what was set aside as damaged.")
def cache_gc(dry_run, bad):
    """Remove what nothing needs: leftovers of killed runs and parts of finished ones, when older than an hour."""
    from . import store
    from .paths import shown

    removed = store.gc(dry_run=dry_run, bad=bad)
    for item in removed:
        click.echo(f"{shown(item.path)}: {item.why}, {item.bytes} bytes")
    total = sum(item.bytes for item in removed)
    click.echo(f"{len(removed)} files, {total} bytes {'would be ' if dry_run else ''}removed")


def _to_stdout(text: str) -> None:
    """Write to a pipe that may close early (`| head`), without a word then."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at its end, which must not meet the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@cli.command("check-images")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--dataset", "datasets", multiple=True, help="Which set it is, as imagenet-val; else it is recognised.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes that decode; default one a core.")
@click.option("--quick", is_flag=True, help="Only names and counts: decode no image.")
def check_images(folder, datasets, jobs, quick):
    """Look whether a FOLDER of images is whole: what is missing, extra, of another class, or unreadable."""
    from .vision import checking

    checking.main(folder, datasets=datasets, quick=quick, jobs=jobs, say=click.echo)


@cli.command(hidden=True)
@click.argument("family")
@click.option("--seconds", type=float, required=True, help="What computing them took, all processes together.")
def ship(family, seconds):
    """Write our own runs from the store into data/predictions, from where `analysis tables` derives the rest."""
    from .paths import shown
    from .ship import ship_runs

    click.echo(f"{shown(ship_runs(family, seconds=seconds))} written; now: analysis tables")


def main():
    """Entry point of `analysis`."""
    atexit.register(gc.freeze)  # the collection at the end would walk through all of torch: a second
    signal.signal(signal.SIGTERM, _terminated)  # so that everything is cleaned up as after Ctrl-C
    sys.exit(guarded(_run))


def _terminated(*_):
    raise SystemExit(143)


def _run():
    try:
        return cli(prog_name="analysis", standalone_mode=False)
    except click.Abort:  # what click makes of Ctrl-C
        raise KeyboardInterrupt from None
    except SystemExit as end:
        print("terminated", file=sys.stderr)
        return end.code


if __name__ == "__main__":
    main()
