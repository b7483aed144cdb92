from pathlib import Path

import pytest
import yaml

from saccade.errors import ConfigError
from saccade.training.recipe import DataConfig, LossConfig, StageConfig, TrainConfig, as_tree, load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"

RECIPE = """
name: tiny
network: swiftnet-rn18
class_set: camvid
data:
  - {dataset: camvid, root: there}
stages:
  - {epochs: 2, crop: [32, 48]}
lr: 1e-3
loss: {kind: ohem}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def test_fields_become_dataclasses_with_defaults_for_the_rest(recipe: Path) -> None:
    assert load_recipe(recipe) == TrainConfig(
        name="tiny",
        network="swiftnet-rn18",
        class_set="camvid",
        data=(DataConfig("camvid", "there"),),
        stages=(StageConfig(2, (32, 48)),),
        lr=0.001,
        loss=LossConfig(kind="ohem"),
    )


@pytest.mark.parametrize(
    "overrides", [["stages.0.epochs=5", "loss.lovasz=1"], {"stages.0.epochs": "5", "loss.lovasz": "1"}]
)
def test_overrides_reach_into_lists_and_mappings(recipe: Path, overrides: object) -> None:
    config = load_recipe(recipe, overrides)  # type: ignore[arg-type]
    assert config.stages[0].epochs == 5
    assert config.loss == LossConfig(kind="ohem", lovasz=1.0)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lr=[1", "is not YAML"),
        ("lr=fast", "recipe.lr must be float, not 'fast'"),
        ("epochs=3", "does not know epochs"),
        ("loss.kind=focal", "one of cross_entropy, ohem, bootstrapped"),
        ("stages.0.crop=[8]", "must have 2 values"),
        ("stages.0.crop=[0, 8]", "must be positive"),
        ("stages.0.scale=[2, 1]", "smallest, largest"),
        ("stages.7.epochs=1", "has nothing at 'stages.7.epochs'"),
        ("cache=1", "recipe.cache must be bool"),
        ("seed=true", "recipe.seed must be int"),
        ("seed", "key=value"),
        ("lr=0", "lr must be above 0"),
        ("data=[]", "at least one entry"),
    ],
)
def test_mistakes_are_named(recipe: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(recipe, [override])
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "name: only"])
def test_files_that_are_no_recipe(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="recipe"):
        load_recipe(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read recipe .*none\.yaml"):
        load_recipe(tmp_path / "none.yaml")


def test_written_recipe_reads_back_the_same(recipe: Path, tmp_path: Path) -> None:
    config = load_recipe(recipe)
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(as_tree(config)))
    assert load_recipe(again) == config


@pytest.mark.parametrize(
    "path", sorted(Path(__file__).parents[2].glob("recipes/**/*.yaml")), ids=lambda p: p.stem
)
def test_shipped_recipes_are_valid(path: Path) -> None:
    assert load_recipe(path).stages
