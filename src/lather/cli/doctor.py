"""``lather doctor``: what is installed, what it runs on, which data it finds."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from lather.cli.tables import JSON

__all__ = ["doctor"]

_CORE = ("torch", "numpy", "scipy", "scikit-learn", "safetensors", "lightning-fabric", "cyclopts", "rich", "matplotlib")
_OPTIONAL = {
    "pyarrow": "parquet",
    "h5py": "h5ad",
    "huggingface_hub": "hub",
    "tensorboard": "tensorboard",
    "numba": "fast",
    "zuko": "flows",
    "onnxruntime": "onnx",
    "ray": "ray",
    "optuna": "optuna",
}


def doctor(*, check: Path | None = None, as_json: JSON = False) -> None:
    """Say what this installation has: versions, optional parts, devices, and which named datasets are found.

    Parameters
    ----------
    check
        Instead, verify this run directory: read every file in it and compare checksums. Exit status 1 where something
        is damaged.
    """
    if check is not None:
        return _check(check, as_json=as_json)
    import torch

    from lather import __version__
    from lather.data import available

    facts: dict[str, Any] = {
        "lather": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _CORE},
        "extras": {name: _version(name) for name in _OPTIONAL},
        "devices": {
            "cpu": {"cores": os.cpu_count(), "torch threads": torch.get_num_threads()},
            "cuda": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
            "mps": torch.backends.mps.is_available(),
        },
        "LATHER_DATA": os.environ.get("LATHER_DATA"),
        "data": [
            {"name": row.name, "description": row.description, "found": row.found, "where": row.where}
            for row in available()
        ],
    }
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    _print(facts)


def _check(path: Path, *, as_json: bool) -> None:
    from dataclasses import asdict

    from rich.console import Console
    from rich.text import Text

    from lather.pipeline.check import check_run

    parts = check_run(path)
    bad = [part.name for part in parts if part.state == "bad"]
    if as_json:
        print(json.dumps({"run": str(path), "sound": not bad, "parts": [asdict(part) for part in parts]}, indent=2))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for part in parts:
            colour = {"ok": "green", "missing": "yellow", "bad": "bold red"}[part.state]
            console.print(Text.assemble((f"{part.state:<8}", colour), f"{part.name:<20} {part.words}"))
        console.print(Text(f"{path} is {'damaged: ' + ', '.join(bad) if bad else 'sound'}"))
    if bad:
        sys.exit(1)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _print(facts: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]lather {facts['lather']}[/]  Python {facts['python']}  {facts['platform']}")
    console.print("packages  " + "  ".join(f"{k} {v or 'MISSING'}" for k, v in facts["packages"].items()))
    for name, version in facts["extras"].items():
        state = version or f"not installed: pip install 'lather\\[{_OPTIONAL[name]}]'"
        console.print(f"extra     {name}: {state}")
    devices = facts["devices"]
    console.print(f"cpu       {devices['cpu']['cores']} cores, {devices['cpu']['torch threads']} torch threads")
    console.print(f"gpu       {', '.join(devices['cuda']) or ('Apple (mps)' if devices['mps'] else 'none')}")
    console.print(f"data      LATHER_DATA={facts['LATHER_DATA'] or 'not set'}")
    for row in facts["data"]:
        mark = "[green]found[/]  " if row["found"] else "[yellow]missing[/]"
        console.print(f"  {mark} {row['name']:<14} {row['where']}", markup=True)
