"""What a model's likelihood says of held-out data, as rows of a report."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from lather.auditing.fidelity import TITLES
from lather.auditing.row import Row
from lather.errors import DataError

__all__ = ["LIKELIHOOD_KEYS", "bits_row", "bounds_row", "elbo_row"]

LIKELIHOOD_KEYS = ("elbo", "iwae", "bits_per_dim")


def elbo_row(elbo: float, *, likelihood: bool = True) -> Row:
    """Evidence lower bound in nats per datum, or the same sum with a cross entropy that is no likelihood."""
    if not likelihood:
        return Row(
            "elbo",
            "cross-entropy bound",
            effect=elbo,
            meaning=f"Cross entropy and KL come to {-elbo:.1f} nats a datum. The data are not binary, so this bounds "
            "no likelihood; binarise them, or use a Gaussian likelihood, for one that does.",
            details={"likelihood": False},
        )
    return Row(
        "elbo",
        TITLES["elbo"],
        effect=elbo,
        meaning=f"Held-out data have a log likelihood of at least {elbo:.1f} nats each on average (higher is better; "
        "comparable only between models of the same likelihood).",
        details={"likelihood": True},
    )


def bounds_row(bounds: Mapping[int, float], *, likelihood: bool = True) -> Row:
    """Importance-weighted bounds L_K on log p(x) at growing K, in nats per datum.

    E L_1 is the ELBO and E L_K never falls with K: the gain from K = 1 to the last is a lower bound on the mean
    KL(q(z|x) ‖ p(z|x)), by which the encoder's posterior misses the decoder's. Bounds taken from nested groups of the
    same draws do not fall either; if those given do, the row says that their noise is larger than their growth.

    Args:
        bounds: K → L_K; K = 1 is among them.
        likelihood: ``False`` for a cross entropy of data that are not binary, where the gain still means the same.

    Raises:
        DataError: no bound at K = 1, or none beyond.
    """
    draws = sorted(bounds)
    if len(draws) < 2 or draws[0] != 1:
        raise DataError(
            f"importance-weighted bounds are needed at K = 1 and at least one larger K, got K = {draws}; give "
            "bounds={1: …, 8: …, 64: …}"
        )
    values = [float(bounds[k]) for k in draws]
    gain, last = values[-1] - values[0], values[-1] - values[-2]
    rises = all(low <= high for low, high in pairwise(values))
    what = "log likelihood" if likelihood else "bound of cross entropies (no likelihood)"
    meaning = (
        f"With {draws[-1]} draws a datum, weighed by importance, the {what} is at least {values[-1]:.1f} nats, "
        f"{gain:.1f} more than the ELBO: by so much at least the encoder's posteriors miss the decoder's. "
    )
    if not rises:
        meaning += "The bounds fall somewhere although they can only rise, so their noise hides the gain."
    elif last > 0.1:
        meaning += (
            f"The last step, from {draws[-2]} to {draws[-1]} draws, still added {last:.2g}; the true value is higher."
        )
    else:
        meaning += f"The last step, from {draws[-2]} to {draws[-1]} draws, added only {last:.2g}."
    return Row(
        "iwae",
        TITLES["iwae"] if likelihood else "cross-entropy bound with more and more draws",
        effect=values[-1],
        meaning=meaning,
        details={
            "likelihood": likelihood,
            "gain": gain,
            "last_step": last,
            "rises": rises,
            "table": {
                "columns": ["draws", "bound in nats"],
                "rows": [[k, v] for k, v in zip(draws, values, strict=True)],
            },
        },
    )


def bits_row(bits: float, how: str) -> Row:
    """Bits per dimension: how long a lossless code of held-out data made from the model would be, at most.

    Args:
        bits: −log₂ P(x) / D per datum, bounded from above, of *discrete* data x with D numbers each.
        how: where the number comes from, as an end of a sentence.
    """
    return Row(
        "bits_per_dim",
        TITLES["bits_per_dim"],
        effect=bits,
        meaning=f"A lossless code made from the model takes at most {bits:.3g} bits for each number of a held-out "
        f"datum (lower is better), {how}.",
        details={"how": how},
    )
