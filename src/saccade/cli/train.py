"""``saccade train``: train a network by a recipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def command(
    recipe: Annotated[Path, Parameter(metavar="RECIPE.yaml", help="What to train, on what, how.")],
    /,
    *,
    changes: Annotated[
        tuple[str, ...],
        Parameter(
            "--set",
            metavar="KEY=VALUE",
            negative="",
            show_default="none",
            consume_multiple=True,
            help="Change settings of the recipe: --set lr=0.001 stages.0.epochs=5",
        ),
    ] = (),
    resume: Annotated[
        bool,
        Parameter(negative="", show_default="no", help="Go on where the last run of this recipe stopped."),
    ] = False,
) -> None:
    """Train, with a progress bar; checkpoint, log and weights go to the recipe's folder."""
    from saccade.cli.progress import StepProgress
    from saccade.cli.tables import print_facts
    from saccade.training import load_recipe, train

    config = load_recipe(recipe, changes)
    first = os.environ.get("RANK", "0") == "0"  # torchrun starts one process per device; the first one speaks
    try:
        with StepProgress("loading the data", "steps", shown=first) as progress:
            weights = train(config, resume=resume, report=progress.report)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; finished epochs are kept in {config.folder}, --resume goes on from there"
        ) from None
    if not first:
        return
    print_facts(
        f"{config.name} is trained",
        {
            "weights": str(weights),
            "log": str(config.folder / "log.csv"),
            "look at it": f"saccade run world --weights {weights} -o out/trained.mp4",
        },
    )
