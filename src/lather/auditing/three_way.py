"""The three-way test: is a prior draw as much at home among the training posteriors as a held-out datum's latent?

The score of a latent is s(z) = log q_train(z) − log p(z), with q_train the average of the training posteriors. Prior
draws and held-out latents meet the same fixed function, so if their laws agree their scores are exchangeable, whatever
q_train is and however little it covers. No classifier is trained; on MNIST this score separates as well as one does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.auc import compare
from lather.auditing.bubbles import Bubbles
from lather.auditing.row import LEVEL, Row
from lather.priors.base import Prior

__all__ = ["Scores", "memorisation_row", "scores", "three_way_row"]

_MOST = 4_000  # latents of each kind: the density of N bubbles at each of them is most of the cost
_OWN = 1_000
_AMBER, _RED = 0.55, 0.65


@dataclass(frozen=True)
class Scores:
    """What the three kinds of latents score.

    Args:
        held_out, prior, aside: log q_train at held-out latents, prior draws, and latents of training data that were set
            aside, (m,) each.
        own: log q_train at latents of training data that q_train is made of.
        held_out_prior, draws_prior: log p at the first two.
        draws: the prior draws, (m, d).
        rest: how many training data q_train is made of.
        split: whether these are a random half of the latents themselves, because no training data were named.
    """

    held_out: Float[Tensor, "a"]
    prior: Float[Tensor, "b"]
    aside: Float[Tensor, "c"]
    own: Float[Tensor, "e"]
    held_out_prior: Float[Tensor, "a"]
    draws_prior: Float[Tensor, "b"]
    draws: Float[Tensor, "b d"]
    rest: int
    split: bool = False

    @property
    def of_held_out(self) -> Float[Tensor, "a"]:
        """s at held-out latents."""
        return self.held_out - self.held_out_prior

    @property
    def of_prior(self) -> Float[Tensor, "b"]:
        """s at prior draws."""
        return self.prior - self.draws_prior


@torch.no_grad()
def scores(
    z: Float[Tensor, "n d"],
    bubbles: Bubbles,
    prior: Prior,
    *,
    set_aside: bool = True,
    generator: torch.Generator | None = None,
    prior_generator: torch.Generator | None = None,
) -> Scores:
    """Score held-out latents, as many prior draws, and latents of training data set aside, at most 4000 each.

    Up to a quarter of the training data are set aside: their own bubbles take no part in q_train, so that the third
    sample is to the second what held-out data are, but for having been trained on. (Leaving out one bubble at a time
    would use more data, and its scores would depend on each other.)

    Args:
        z: one latent for each held-out datum, in random order.
        bubbles: training posteriors.
        prior: with a density.
        set_aside: whether any are; where nothing is known of training data, there is no third sample.
        generator: source of choice and draws, on the CPU.
        prior_generator: source of prior draws, on the prior's device.
    """
    z = z[:_MOST]
    order = torch.randperm(len(bubbles), generator=generator)
    few = min(len(bubbles) // 4, len(z)) if set_aside else 0
    aside, rest = bubbles.some(order[:few]) if few >= 20 else None, bubbles.some(order[few if few >= 20 else 0 :])
    draws = prior.sample(len(z), generator=prior_generator).detach().cpu().double()
    kinds = [z, draws, z[:0] if aside is None else aside.draw(generator), rest.draw(generator)[:_OWN]]
    held_out, of_draws, of_aside, own = rest.log_density(torch.cat(kinds)).split([len(kind) for kind in kinds])
    log_p = prior.log_prob(torch.cat([z, draws]).to(prior.like)).double().cpu()
    return Scores(held_out, of_draws, of_aside, own, log_p[: len(z)], log_p[len(z) :], draws, len(rest), not set_aside)


def three_way_row(found: Scores) -> Row:
    """Row ``three_way``: AUC of held-out latents against prior draws, and what it proves about their distance."""
    result = compare(found.of_held_out, found.of_prior)
    percent = f"{100 * max(result.auc, 1 - result.auc):.0f} times in 100 (50 would be chance)"
    one, others = ("a latent", "the other latents") if found.split else ("a held-out latent", "the training data")
    pick = f"the {one[2:]}" if result.auc >= 0.5 else "the prior draw"
    certain = f"; the two laws differ in at least {result.variation:.0%} of their mass" if result.variation else ""
    return Row(
        "three_way",
        f"at home among {others}",
        effect=result.auc,
        null=0.5 + result.null,
        z=result.z,
        p=result.p,
        p_is_bound=result.p_is_bound,
        low=result.auc - 1.96 * result.error,
        high=result.auc + 1.96 * result.error,
        n_star=result.n_star,
        details={
            "variation_at_least": result.variation,
            "n": result.n,
            "bubbles": found.rest,
            "split": found.split,
        },
        meaning=f"Of a prior draw and {one}, {pick} lies deeper among {others} {percent}{certain}.",
        all_clear=f"Prior draws lie as deep among {others} as {'new' if found.split else 'held-out'} latents do.",
        remedy="Raise the weight of the matching term, or sample from what fits the latents (lather repair).",
    )


def memorisation_row(found: Scores) -> Row:
    """Row ``memorisation``: do latents of training data lie deeper among those of other training data than new ones do?

    AUC of log q_train, training data set aside against held-out data. Amber and red where it is beyond .55 and .65 for
    certain. It looks at the encoder; a decoder may still remember.
    """
    title = "training data against held-out data"
    if len(found.aside) < 20:
        reason = f"of {found.rest} training posteriors too few can be set aside; 80 are needed"
        return Row("memorisation", title, reason=reason, headline=False)
    result = compare(found.aside, found.held_out)
    low = result.auc - 1.96 * result.error
    told = low > _AMBER
    return Row(
        "memorisation",
        title,
        effect=result.auc,
        null=0.5 + result.null,
        z=result.z,
        p=result.p,
        p_is_bound=result.p_is_bound,
        low=low,
        high=result.auc + 1.96 * result.error,
        verdict="red" if low > _RED else "amber" if told else "green",
        details={"n": result.n, "bubbles": found.rest},
        meaning=f"A training datum's latent lies deeper among the other training latents than a held-out one's in "
        f"{100 * result.auc:.0f} of 100 cases: the encoder treats what it was trained on differently."
        if told
        else "Held-out data are encoded among training data like training data themselves."
        if result.p > LEVEL or result.auc < _AMBER
        else f"Held-out data are encoded nearly like training data (AUC {result.auc:.2f}, where .50 is alike).",
        remedy="Train for fewer epochs, on more data, or with more latent noise." if told else "",
        headline=False,
    )
