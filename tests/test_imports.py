"""Imports go one way, and importing Lather is quick and changes nothing."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lather

SOURCE = Path(lather.__file__).parent

#: what each package may import; the foundation may be imported by all
FOUNDATION = {"absent", "compiled", "vectors", "errors", "spec", "files", "__init__"}
ALL = {"priors", "divergences", "models", "data", "samplers", "train", "auditing", "holding"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "absent": {"errors"},
    "compiled": set(),
    "vectors": set(),
    "spec": {"errors", "absent"},
    "files": {"errors"},
    "priors": set(),
    "data": set(),
    "divergences": {"priors"},
    "samplers": {"priors"},
    "models": {"priors", "divergences"},
    "auditing": {"priors", "divergences"},
    "train": {"priors", "divergences", "models", "data", "samplers"},
    "holding": {"priors", "divergences", "models", "train", "auditing"},
    "pipeline": ALL,
    "repairing": {*ALL, "pipeline"},
    "jobs": {*ALL, "pipeline"},
    "streaming": {*ALL, "pipeline", "jobs"},
    "comparing": {*ALL, "pipeline", "jobs"},
    "studies": {*ALL, "pipeline", "repairing", "jobs"},
    "cli": {*ALL, "pipeline", "repairing", "jobs", "streaming", "comparing", "studies"},
    "__init__": {*ALL, "pipeline", "repairing", "jobs", "streaming", "comparing", "studies"},
}


def packages() -> list[str]:
    return sorted(
        p.stem if p.is_file() else p.name for p in SOURCE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()
    )


def imports(path: Path) -> set[str]:
    """Packages of Lather that a file imports, at the top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [
                f"{node.module}.{alias.name}" if node.module == "lather" else node.module or "" for alias in node.names
            ]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("lather.")}
    return {name for name in found if name != "__version__"}


@pytest.mark.parametrize("package", packages())
def test_each_package_imports_only_what_lies_before_it(package: str) -> None:
    assert package in ALLOWED, f"say in this table what {package} may import"
    path = SOURCE / package
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    for file in files:
        extra = imports(file) - ALLOWED[package] - FOUNDATION - {package}
        assert not extra, f"{file.relative_to(SOURCE)} imports {sorted(extra)}"


def test_the_check_notices_a_forbidden_import(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("def f():\n    from lather.train import fit\n    import lather.cli.app\n")
    assert imports(file) == {"train", "cli"}


def test_only_train_knows_about_processes() -> None:
    for file in SOURCE.rglob("*.py"):
        if "torch.distributed as" in file.read_text() or "torch.distributed.nn" in file.read_text():
            assert file.relative_to(SOURCE).parts[0] in ("train", "cli"), file


def test_nothing_unpickles() -> None:
    for file in SOURCE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        found = re.search(
            r"pickle\.load|import pickle|torch\.load\(|joblib\.load|allow_pickle=True|(?<![.\w])(eval|exec)\(", text
        )
        assert found is None, f"{file.relative_to(SOURCE)} contains {found.group()}"


CLEAN = """
import sys, torch, random, os, warnings, logging, time
before = (torch.get_rng_state().tolist(), random.getstate(), dict(os.environ), list(warnings.filters),
          torch.get_default_dtype(), torch.distributions.Distribution._validate_args, list(logging.root.handlers))
start = time.perf_counter()
import lather
took = time.perf_counter() - start
after = (torch.get_rng_state().tolist(), random.getstate(), dict(os.environ), list(warnings.filters),
         torch.get_default_dtype(), torch.distributions.Distribution._validate_args, list(logging.root.handlers))
assert before == after
heavy = {"scipy", "sklearn", "matplotlib", "PIL", "rich", "lightning_fabric", "jinja2", "pyarrow", "h5py", "cyclopts"}
heavy |= {"zuko"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


def test_importing_lather_changes_nothing_and_brings_nothing_heavy() -> None:
    result = subprocess.run([sys.executable, "-c", CLEAN], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_public_names_are_what_they_say() -> None:
    assert lather.__all__ == sorted(lather.__all__, key=lather.__all__.index)
    assert len(set(lather.__all__)) == len(lather.__all__)
    for name in lather.__all__:
        assert getattr(lather, name) is not None
    public = {
        n
        for module in ("priors", "divergences", "samplers", "models")
        for n in importlib.import_module(f"lather.{module}").__all__
    }
    assert public <= set(lather.__all__)
    assert set(lather.__all__) <= set(dir(lather))
    with pytest.raises(AttributeError, match="no attribute 'Foo'"):
        lather.Foo  # noqa: B018


@pytest.mark.parametrize(
    "package", ["priors", "divergences", "samplers", "models", "auditing", "data", "train", "jobs", "comparing"]
)
def test_every_package_lists_its_names(package: str) -> None:
    module = importlib.import_module(f"lather.{package}")
    for name in module.__all__:
        assert hasattr(module, name), name
