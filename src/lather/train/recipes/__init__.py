"""Recipes: a paper is a few lines of algebra, with its name and its citation.

Every recipe takes the weight of its regulariser; the default is chosen so that held-out latents come close to the
prior, and grows with the number of values in a sample (``p.numbers``), because the distortion it is weighed against
is a sum over them. ``paper=True`` takes the values that the paper or its code used instead.
"""

from lather.train.recipes import plain, variational, priors, matching, adversarial  # noqa: F401, I001  they register themselves, in this order
from lather.train.recipes.recipe import RECIPES, Design, Problem, Recipe, find_recipe

__all__ = ["RECIPES", "Design", "Problem", "Recipe", "find_recipe"]
