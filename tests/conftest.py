"""Shared by all tests: run-time checks of shapes, the place of the real data, a seeded generator."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

_hook = install_import_hook("lather", "typechecking.check")
_hook.__enter__()

import torch  # noqa: E402

if os.environ.get("PYTEST_XDIST_WORKER"):
    torch.set_num_threads(1)  # one core for each worker; more threads would wait for each other

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder that holds ``mnist/`` and ``cifar10/``: $LATHER_DATA, else ../shared/data."""
    root = Path(os.environ.get("LATHER_DATA") or REPOSITORY.parent / "shared" / "data")
    if not root.is_dir():
        pytest.skip(f"real data not found: set LATHER_DATA to the folder that holds mnist/ and cifar10/ (tried {root})")
    return root


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Simulated null distributions go to a folder that the session's workers share, not to the user's cache."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATHER_CACHE", str(root / "lather-cache"))
        yield


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(20)


@pytest.fixture(scope="module")
def few_draws() -> Iterator[None]:
    """Nulls of 99 draws instead of 999, for tests of what is done with a report rather than of its p-values."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lather.divergences.null._DRAWS", 99)
        yield


@pytest.fixture(scope="module")
def no_pictures() -> Iterator[None]:
    """Pages of reports without pictures, which take most of the time, for tests that look at something else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lather.auditing.page.drawn", lambda report: [])
        yield
