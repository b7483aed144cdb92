"""``saccade list``: what there is, by name."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

Kind = Literal["networks", "methods", "policies", "datasets", "weights"]


def command(kind: Annotated[Kind, Parameter(help="What to list.")], /) -> None:
    """Print one table with the names that options and commands take."""
    match kind:
        case "networks":
            _networks()
        case "methods":
            _methods()
        case "policies":
            _policies()
        case "datasets":
            _datasets()
        case "weights":
            _weights()


def _networks() -> None:
    from saccade.cli.tables import print_rows
    from saccade.networks import list_networks, list_weights
    from saccade.networks.registry import registered

    shipped = {entry.name for entry in list_weights()}
    rows = []
    for name in list_networks():
        entry = registered(name)
        weights = entry.default_weights if entry.default_weights in shipped else None
        rows.append((name, weights or "none", _first_line(entry.build.__doc__)))
    print_rows("networks", ("name", "weights", "what it is"), rows)
    _flows(shipped)
    print("\nYour own: --network package.module:callable or path/to/file.py:callable")


def _flows(shipped: set[str]) -> None:
    from saccade.cli.tables import print_rows
    from saccade.networks.flow.registry import TORCHVISION, list_flows, registered_flow

    rows = []
    for name in list_flows():
        entry = registered_flow(name)
        weights = entry.default_weights if entry.default_weights in {*shipped, TORCHVISION} else None
        rows.append((name, weights or "none", entry.summary))
    print_rows("optical flow", ("name", "weights", "what it is"), rows)


def _methods() -> None:
    from saccade.cli.tables import print_rows
    from saccade.methods.registry import list_methods, registered_method

    entries = [registered_method(name) for name in list_methods()]
    print_rows("methods", ("name", "what it does"), [(entry.name, entry.summary) for entry in entries])
    print("\nTheir settings: saccade run --help")


def _policies() -> None:
    from saccade.cli.tables import print_rows
    from saccade.policies.registry import image_policy_summaries, policy_summaries

    columns = ("name", "what it does")
    print_rows("policies of blockcopy: which blocks are executed", columns, list(policy_summaries().items()))
    images = list(image_policy_summaries().items())
    print_rows("policies of segblocks: which blocks get full resolution", columns, images)
    print("\nUse one with: saccade run SOURCE --method blockcopy --policy NAME")


def _datasets() -> None:
    from saccade.cli.tables import print_rows
    from saccade.datasets import DATASETS

    print_rows("data sets", ("name", "what it is"), list(DATASETS.items()))
    print("\nUse one with: saccade eval NAME --root DIR")


def _weights() -> None:
    from saccade.cli.tables import print_rows
    from saccade.networks import list_weights
    from saccade.networks.weights import weights_info
    from saccade.policies.trained import SHIPPED

    weights = [*list_weights(), weights_info(SHIPPED)]
    rows = [
        (
            entry.name,
            entry.network,
            entry.class_set or "any",
            ", ".join(f"{name} {value}" for name, value in entry.scores.items()),
            f"{entry.size / 1e6:.1f} MB",
        )
        for entry in weights
    ]
    print_rows("weights", ("name", "network", "classes", "measured", "size"), rows, numbers=("size",))


def _first_line(docstring: str | None) -> str:
    return docstring.strip().splitlines()[0] if docstring else ""
