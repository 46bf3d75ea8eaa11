"""How small models are trained in the demo: the recipes of its two corpora."""

from .recipe import BUILT, Recipe, read_recipe

PRESETS: dict[str, Recipe] = {corpus: read_recipe(corpus) for corpus in BUILT}
MINI, TOFU = PRESETS["mini"], PRESETS["tofu"]
