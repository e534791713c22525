"""Audits of more latents than memory holds: files in pieces, pieces to processes, sums merged."""

from __future__ import annotations

from lather.streaming.files import audit_files

__all__ = ["audit_files"]
