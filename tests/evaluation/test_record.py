"""The record against the contract's schema, and what happens to numbers that are none."""

import json
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch

import saccade
from saccade.errors import OutputError
from saccade.evaluation.record import Record, config_of, name_of_device, save_rows

from .contract import SCHEMA


def empty_record(**values: object) -> Record:
    return Record(
        **{
            "method": "frame",
            "network": "swiftnet-rn18",
            "config": {"compile": False},
            "device": "cpu",
            "device_name": "a processor",
            "threads": 2,
            "precision": "fp32",
            "seed": 3,
            **values,
        }
    )


def no_nan(text: str) -> object:
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def test_a_record_of_nothing_has_every_key_and_no_values(tmp_path):
    empty_record().save(tmp_path / "a.json")
    found = no_nan((tmp_path / "a.json").read_text())
    jsonschema.validate(found, SCHEMA)
    assert found["saccade"] == saccade.__version__
    assert found["torch"] == str(torch.__version__)
    assert found["seed"] == 3
    assert set(found["latency_ms"].values()) == set(found["miss_rate"].values()) == {None}
    assert found["miou"] is found["fps"] is found["iou_per_class"] is None


def test_numbers_that_are_none_become_null_and_tensors_become_numbers(tmp_path):
    record = empty_record(
        miou=float("nan"),
        pixel_accuracy=np.float32(0.5),
        miou_by_distance=[torch.tensor(0.25), float("inf"), None],
        iou_per_class={"car": np.float64("nan")},
        extra={"paths": [Path("a/b")], "nested": {1: (2.0, float("-inf"))}},
    )
    record.save(tmp_path / "deep" / "a.json")
    found = no_nan((tmp_path / "deep" / "a.json").read_text())
    jsonschema.validate(found, SCHEMA)
    assert found["miou"] is None
    assert found["pixel_accuracy"] == 0.5
    assert found["miou_by_distance"] == [0.25, None, None]
    assert found["iou_per_class"] == {"car": None}
    assert found["paths"] == ["a/b"]
    assert found["nested"] == {"1": [2.0, None]}


def test_extra_entries_cannot_hide_others():
    with pytest.raises(ValueError, match="would hide miou"):
        empty_record(extra={"miou": 1.0, "more": 2}).to_dict()


def test_several_records_are_rows(tmp_path):
    save_rows([empty_record(), empty_record(method="other")], tmp_path / "rows.json")
    found = no_nan((tmp_path / "rows.json").read_text())
    assert found["schema"] == 1
    assert [row["method"] for row in found["rows"]] == ["frame", "other"]
    for row in found["rows"]:
        jsonschema.validate(row, SCHEMA)


def test_a_record_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    empty_record(seed=1).save(path)

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"a\.json"):
        empty_record(seed=2).save(path)
    assert json.loads(path.read_text())["seed"] == 1
    assert list(tmp_path.iterdir()) == [path]


def test_configurations_become_plain_values():
    @dataclass(frozen=True)
    class Config:
        target: float = 0.5
        sizes: tuple[int, int] = (3, 4)
        where: Path = Path("x")

    assert config_of(Config()) == {"target": 0.5, "sizes": [3, 4], "where": "x"}


def test_the_processor_has_a_name():
    assert name_of_device(torch.device("cpu")).strip()
