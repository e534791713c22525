"""What the number of a row is: its name and unit, what it stands beside, and which way is better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from lather.auditing.row import Row

__all__ = ["Scale", "number", "p_words", "scale_of"]

_STAYS_BELOW = "prior draws, at most"  # 95 times in 100


@dataclass(frozen=True)
class Scale:
    """How to print and compare the effects of a row.

    Args:
        unit: what the number is, printed beside it.
        beside: what its ``null`` is.
        style: ``"figures"`` for three significant ones, ``"share"`` for per cent, ``"auc"`` for three decimals.
        better: which way two reports are compared where there is no n*; ``None`` where neither is better.
    """

    unit: str = ""
    beside: str = ""
    style: Literal["figures", "share", "auc"] = "figures"
    better: Literal["higher", "lower"] | None = None

    def text(self, value: float | None) -> str:
        """``value`` for people, without its unit.

        Example:
            >>> Scale(style="share").text(0.0125), Scale().text(-1234.5), Scale(style="auc").text(0.7)
            ('1.2%', '−1 230', '0.700')
        """
        if value is None:
            return ""
        if self.style == "figures" or not math.isfinite(value):
            return number(value)
        return f"{100 * value:.1f}%" if self.style == "share" else f"{value:.3f}"

    def beside_text(self, value: float | None) -> str:
        """The null for people, with what it is: ``prior draws, at most 0.56``."""
        return "" if value is None else f"{self.beside} {self.text(value)}".strip()


_SCALES: tuple[tuple[str, Scale], ...] = (
    ("rate", Scale("nats a datum")),
    ("overlap", Scale("of prior draws", "of the training data’s own", "share")),
    ("two_draw", Scale("mean inner product", _STAYS_BELOW)),
    ("three_way", Scale("AUC", _STAYS_BELOW, "auc")),
    ("memorisation", Scale("AUC", "if alike, at most", "auc")),
    ("ladder_*", Scale("squared moments", _STAYS_BELOW, better="lower")),
    ("radius", Scale("largest gap", _STAYS_BELOW, better="lower")),
    ("pair_distance", Scale("squared gap", _STAYS_BELOW, better="lower")),
    ("energy*", Scale("energy distance", _STAYS_BELOW, better="lower")),
    ("mmd_small", Scale("squared MMD", _STAYS_BELOW, better="lower")),
    ("per_axis", Scale("largest gap", _STAYS_BELOW, better="lower")),
    ("per_slice", Scale("largest gap", _STAYS_BELOW, better="lower")),
    ("waves", Scale("Epps–Pulley distance", _STAYS_BELOW, better="lower")),
    ("signal", Scale("largest gap", _STAYS_BELOW, better="lower")),
    ("held*", Scale("standard deviations", "asked, at most", better="lower")),
    ("holes", Scale("of prior draws", "by chance, at most", "share", "lower")),
    ("strays", Scale("of latents", "by chance, at most", "share", "lower")),
    ("crowding", Scale("of latents", "by chance, at most", "share", "lower")),
    ("sbc*", Scale("largest gap", "if calibrated, at most", better="lower")),
    ("blame", Scale("of the whole distance", style="share")),
    ("gap", Scale("Fréchet distance", "by chance, at most", better="lower")),
    ("fidelity_*", Scale("Fréchet distance", "real data, at most", better="lower")),
    ("kid_*", Scale("kernel distance", "real data, at most", better="lower")),
    ("precision*", Scale("precision", "real data, at least", better="higher")),
    ("recall*", Scale("recall", "real data, at least", better="higher")),
    ("density*", Scale("density", "real data, at least", better="higher")),
    ("coverage*", Scale("coverage", "real data, at least", better="higher")),
    ("reconstruction_error", Scale("per value", better="lower")),
    ("effective_rank", Scale("directions", "prior draws")),
    ("two_nn", Scale("dimensions", "prior draws")),
    ("active_units", Scale("dimensions")),
    ("elbo", Scale("nats a datum", better="higher")),
    ("iwae*", Scale("nats a datum", better="higher")),
    ("bits_per_dim*", Scale("bits a value", better="lower")),
)


def scale_of(row: Row) -> Scale:
    """The scale of a row; of one with an unknown key, plain numbers."""
    return next((scale for pattern, scale in _SCALES if fnmatchcase(row.key, pattern)), Scale(beside="beside"))


def number(x: float) -> str:
    """Three figures, a real minus sign, thousands set apart by a narrow space, powers of ten as such.

    Example:
        >>> number(0.0123), number(12345.6), number(-2.0), number(7.26e-06), number(3e12)
        ('0.0123', '12 300', '−2', '7.26·10⁻⁶', '3·10¹²')
    """
    if not math.isfinite(x):
        return "" if math.isnan(x) else "∞" if x > 0 else "−∞"
    if x and not 1e-4 <= abs(x) < 1e9:
        return _power(x, 2)
    if abs(x) >= 1000:
        x = round(x, 2 - math.floor(math.log10(abs(x))))
        return f"{x:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}").replace("-", "−")
    return f"{x:.3g}".replace("-", "−")


def _power(x: float, figures: int) -> str:
    """``x`` as mantissa and power of ten."""
    mantissa, exponent = f"{x:.{figures}e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{'' if mantissa == '1' else mantissa + '·'}10{raised}".replace("-", "−")


def p_words(row: Row) -> tuple[str, str]:
    """The p-value adjusted for the number of tests, and the single one; both empty where there is none.

    Example:
        >>> p_words(Row("x", "x", p=0.0004, p_adjusted=0.004))
        ('0.004', '0.0004')
    """
    if row.p is None:
        return "", ""
    bound = "≤ " if row.p_is_bound else ""
    single = bound + _small(row.p)
    return ("" if row.p_adjusted is None else bound + _small(row.p_adjusted)), single


def _small(p: float) -> str:
    return f"{p:.2g}" if p >= 1e-4 else _power(p, 0)
