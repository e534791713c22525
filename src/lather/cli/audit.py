"""``lather audit``: do latents follow their prior? From any model, or from a run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from lather.cli.tables import JSON
from lather.errors import ConfigError

if TYPE_CHECKING:
    from lather.auditing import Report

__all__ = ["audit"]


def audit(
    path: str,
    other: Path | None = None,
    /,
    *,
    mean: Annotated[str | None, Parameter(group="Latents")] = None,
    std: Annotated[str | None, Parameter(group="Latents")] = None,
    logvar: Annotated[str | None, Parameter(group="Latents")] = None,
    held_out: Annotated[str | None, Parameter(group="Latents")] = None,
    labels: Annotated[str | None, Parameter(name=["--labels", "--label"], group="Latents")] = None,
    key: Annotated[str | None, Parameter(group="Latents")] = None,
    columns: Annotated[str | None, Parameter(group="Latents")] = None,
    prior: str | None = None,
    decoder: Path | None = None,
    data: str | None = None,
    workers: Annotated[int | None, Parameter(group="Large files")] = None,
    engine: Annotated[Literal["local", "ray"], Parameter(group="Large files")] = "local",
    address: Annotated[str | None, Parameter(group="Large files")] = None,
    spec: int | None = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    out: Path | None = None,
    seed: int = 0,
    quiet: Annotated[bool, Parameter(negative="")] = False,
    as_json: JSON = False,
) -> None:
    """Measure whether latents follow the prior, where not, and what it costs.

    PATH is a file of latents of any model (.npy, .npz, .safetensors, .parquet, .csv, .tsv, .h5ad), or the directory of
    a run, which is then measured on its test data. Give latents of data that the model was not trained on. Names tell
    what arrays are: z; mean or mu; std or sigma; logvar or log_var; labels. In a table, columns z_0, z_1, ... are one
    array; a table without such names is z as a whole.

    Latents that do not fit into memory: a pattern in quotes ('latents/*.parquet'), a directory of files, a URL
    (s3://..., of Parquet files), or any .npy, .safetensors or .parquet file with --workers. They are read once, in
    pieces; tests that look at pairs see a random 20 000 of them.

    With two paths, the audits are compared; each may also be a report that was saved (a directory with report.json),
    and a run that was measured is compared as it was then.

    Parameters
    ----------
    path
        File of latents, run directory, or saved report.
    other
        A second one, to compare with.
    mean
        Means of Gaussian posteriors: array or column of PATH, or another file. One draw of each is then audited, unless
        PATH holds z, too.
    std
        Their standard deviations, likewise. Without --mean, what PATH holds are the means.
    logvar
        Instead of --std, their log-variances.
    held_out
        Latents of held-out data: a file, or a share such as 0.2 of those in PATH to set aside at random. Those of PATH
        are then training data, which held-out latents and prior draws are compared with.
    labels
        Classes, for the map: array or column of PATH (of obs in an .h5ad), or another file.
    key
        Array, matrix or columns of PATH that are z, such as emb or obsm/X_pca.
    columns
        Columns of a table that are z, separated by commas.
    prior
        What latents should follow; `lather priors` lists them (default: normal; for a run, its own).
    decoder
        What makes data of latents: a run directory or an .onnx file (extra: onnx).
    data
        The data that the audited latents are of, in the same order: a file, or a name such as mnist for its test set.
        For a run: where its data are now.
    workers
        Processes that read large files, each one piece at a time.
    engine
        Where they run: on this machine, or on a Ray cluster that sees the same files (extra: ray).
    address
        Of the Ray cluster (default: one on this machine).
    spec
        Exit with status 1 unless it takes at least so many samples to tell the latents from the prior (n*). Where no
        test shows a difference the status is 0, with a warning if fewer latents than that were tested.
    strict
        With --spec: status 1 also where too few latents were tested to settle it.
    out
        Directory to write report.json, report.npz and report.html to, or an .html file for the page alone.
    seed
        Of every random choice; the same seed gives the same report.
    quiet
        No progress, no card; only what went wrong, and the answer to --spec.
    """
    from lather.auditing.acceptance import accept
    from lather.auditing.card import print_card
    from lather.jobs.engines import check_engine

    settings = {
        **{"mean": mean, "std": std, "logvar": logvar, "held_out": _share(held_out), "labels": labels, "key": key},
        **{"columns": columns.split(",") if columns else None, "prior": prior, "decoder": decoder, "data": data},
    }
    asked = {name: value for name, value in settings.items() if value is not None}
    large = _is_large(path) or workers is not None or engine != "local"
    check_engine(engine, address, workers)
    if strict and spec is None:
        raise ConfigError("--strict is about --spec; give the number of samples, such as --spec 10000")
    if other is not None:
        if spec is not None:
            raise ConfigError("--spec is for one audit; check each of the two by itself")
        from lather.cli.compare_audits import compare

        names = _names(Path(path), other)
        if large:
            raise ConfigError("two audits are compared from files in memory; audit each with --out, and compare those")
        pair = [_report(each, asked, seed, quiet=quiet, saved=True) for each in (Path(path), other)]
        return compare(pair, names, out=out, as_json=as_json, quiet=quiet)

    if large:
        how = {"workers": workers, "engine": engine, "address": address}
        report = _large(path, asked, how, seed, quiet=quiet)
    else:
        report = _report(Path(path), asked, seed, quiet=quiet, saved=False)
    acceptance = None if spec is None else accept(report, spec)
    written = _write(report, out)
    if as_json:
        answer = {} if acceptance is None else {"spec": acceptance.to_dict()}
        print(json.dumps({**report.to_dict(), **answer}, indent=2, ensure_ascii=False, allow_nan=False))
    elif not quiet:
        print_card(report)
        if written is not None:
            print(f"\nreport: {written}")
    if acceptance is not None:
        if not as_json:
            print(acceptance.sentence)
        if not acceptance.met or (strict and not acceptance.settled):
            sys.exit(1)


def _is_large(path: str) -> bool:
    """Whether what is named is to be read in pieces: a pattern, a URL, or a directory that is no run and no report."""
    import glob

    if "://" in path or (glob.has_magic(path) and not Path(path).exists()):
        return True
    known = ("config.json", "report.json", "latents.safetensors")
    return Path(path).is_dir() and not any((Path(path) / name).exists() for name in known)


def _large(path: str, asked: dict[str, Any], how: dict[str, Any], seed: int, *, quiet: bool) -> Report:
    """An audit of files in pieces."""
    from lather.streaming import audit_files

    unknown = sorted(set(asked) - {"prior", "key"})
    if unknown:
        given = ", ".join("--" + name.replace("_", "-") for name in unknown)
        raise ConfigError(f"{given}: latents that are read in pieces are compared with --prior alone; leave it out")
    how["workers"] = 1 if how["workers"] is None else how["workers"]
    return audit_files(path, **asked, **how, seed=seed, progress=not quiet)


def _report(path: Path, asked: dict[str, Any], seed: int, *, quiet: bool, saved: bool) -> Report:
    """The report saved at ``path`` or, unless there is one, an audit of the latents or the run there.

    Args:
        path: file or directory.
        asked: arguments of :func:`lather.audit` that were given.
        seed: likewise.
        quiet: show no progress.
        saved: whether a run that was measured counts as a saved report.
    """
    from lather.auditing import Report
    from lather.errors import DataError
    from lather.pipeline.audit import audit

    folder = path.parent if path.name == "report.json" else path
    run = (folder / "config.json").is_file() and path.name != "report.json"
    if (folder / "report.json").is_file() and (saved or not run):
        if asked or seed:
            given = ", ".join("--" + name.replace("_", "-") for name in (*asked, *(["seed"] if seed else [])))
            raise ConfigError(
                f"{given}: {folder / 'report.json'} is a finished report; give the latents to measure again"
            )
        return Report.load(folder)
    if not path.exists():
        raise DataError(f"{path} does not exist; give a file of latents, a run directory, or a saved report")
    with _status(f"measuring {path}", quiet):
        return audit(path, **asked, seed=seed)


def _status(text: str, quiet: bool) -> Any:
    """A line that moves while work is done, on a terminal's standard error only."""
    from contextlib import nullcontext

    from rich.console import Console

    return nullcontext() if quiet else Console(stderr=True).status(text)


def _write(report: Report, out: Path | None) -> Path | None:
    """The page that was written, if any was asked for."""
    if out is None:
        return None
    if out.suffix.lower() not in (".html", ".htm"):
        report.save(out)
        return out / "report.html"
    from lather.auditing.page import render
    from lather.files import atomically

    out.parent.mkdir(parents=True, exist_ok=True)
    with atomically(out) as temporary:
        temporary.write_text(render(report), encoding="utf-8")
    return out


def _share(text: str | None) -> float | str | None:
    """A share written as text is a number, any other text a path."""
    try:
        return text if text is None else float(text)
    except ValueError:
        return text


def _names(first: Path, second: Path) -> list[str]:
    """Short names that differ: the last parts of the paths, or as much of them as it takes.

    Example:
        >>> _names(Path("runs/a"), Path("runs/b")), _names(Path("a/z.npy"), Path("b/z.npy"))
        (['a', 'b'], ['a/z.npy', 'b/z.npy'])
    """
    parts = [path.parent.parts if path.name == "report.json" else path.parts for path in (first, second)]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-count:]) for part in parts]
        if names[0] != names[1]:
            return names
    return [f"{first} (1)", f"{second} (2)"]
