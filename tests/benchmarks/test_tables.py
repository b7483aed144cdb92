"""Tables of README and docs are those of the committed results."""

import importlib
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    yield importlib.import_module("tables")
    for name in ("tables", "block_results", "machine"):
        sys.modules.pop(name, None)


@pytest.fixture
def results(tmp_path):
    """One machine: frame by frame and BlockCopy on a clip, and how well a target is met."""
    folder = tmp_path / "a-machine"
    folder.mkdir()
    common = {
        "network": "net", "weights": "w", "height": 360, "width": 480, "precision": "fp32", "frames": 101,
        "device": "cpu", "device_name": "a processor", "threads": 2, "miou_min": None, "fps_with_io": 9.5,
        "peak_memory_mb": 512.3,
    }  # fmt: skip
    frame = common | {
        "method": "frame", "config": {}, "executed_fraction_without_first": None, "gmacs": {"mean": 17.0},
        "latency_ms": {"mean": 80.0, "p95": 90.0}, "speedup_vs_dense_best": 0.75, "realised": 0.75,
        "agreement_with_dense": 1.0, "miou": 0.6814,
    }  # fmt: skip
    block = common | {
        "method": "blockcopy", "config": {"target": 0.25}, "executed_fraction_without_first": 0.25,
        "gmacs": {"mean": 4.5}, "latency_ms": {"mean": 30.04, "p95": 101.0}, "speedup_vs_dense_best": 2.0,
        "realised": 0.53, "agreement_with_dense": 0.975, "miou": 0.6494,
    }  # fmt: skip
    bench = {"schema": 1, "rows": [frame, block]}
    (folder / "bench_camvid.json").write_text(json.dumps(bench))
    share = {"clip": "plaza", "frames": 299, "target": 0.25, "share": 0.2496}
    (folder / "shares.json").write_text(json.dumps({"rows": [share]}))
    return tmp_path


def test_tables_in_the_pages_are_those_of_the_results(tables):
    pages = {page.relative_to(ROOT): page.read_text() for page in tables.pages()}
    marked = [name for text in pages.values() for name in re.findall(r"^<!-- table ([\w-]+)", text, re.M)]
    assert {"blocks", "policies", "clips"} <= set(marked)
    for page, text in pages.items():
        assert tables.renewed(text) == text, f"{page} differs: run python benchmarks/tables.py"


def test_a_table_has_a_line_for_each_row_with_its_figures(tables, results):
    lines = tables.clips(results).splitlines()
    assert lines[0] == "### camvid, net, 360x480, fp32, 101 frames, on a processor, 2 threads"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert cells[0][-3:] == ["equal pixels", "mIoU", "lowest"]
    assert cells[2] == [
        *("frame", "", "17.0", "80.0", "90.0", "0.75x", "0.75", "9.5", "512", "100 %", "0.681", ""),
    ]
    assert cells[3] == [
        *("blockcopy", "25.0 %", "4.5", "30.0", "101", "2.00x", "0.53", "9.5", "512", "97.5 %", "0.649", ""),
    ]


def test_blocks_at_half_resolution_are_told_from_those_in_full(tables, results):
    path = results / "a-machine" / "bench_camvid.json"
    bench = json.loads(path.read_text())
    bench["rows"][1] |= {"method": "segblocks", "executed_fraction": 1.0, "low_fraction": 0.625}
    bench["rows"][1]["executed_fraction_without_first"] = 1.0
    path.write_text(json.dumps(bench))
    assert "| segblocks | 37.5 % full, 62.5 % half | 4.5 |" in tables.clips(results)


def test_key_frame_methods_are_compared_with_the_dense_network_over_the_same_frames(tables, tmp_path):
    (tmp_path / "a-machine").mkdir()
    dense = {"method": "frame", "config": {}, "gmacs": {"mean": 8.0, "dense": 8.0}, "miou": 0.68}
    dense |= {"protocol": "clip"}
    curve = {"protocol": "gsvnet-avg", "miou_by_distance": [0.679, 0.67, 0.664], "miou_min": 0.664}
    rows = {
        "keyframes_camvid_val_frame": dense | {"miou_min": 0.68},
        "keyframes_camvid_val_accel": dense
        | {"method": "accel", "config": {"interval": 5, "fuse": "update"}, "miou": 0.65}
        | {"protocol": "gsvnet-avg", "miou_by_distance": [0.68, 0.64], "miou_min": 0.64},
        "keyframes_camvid_val_gsvnet": dense
        | {"method": "gsvnet", "config": {"interval": 3, "correction": "none"}, "miou": 0.671}
        | curve,
        "keyframes_camvid_val_gsvnet_adaptive": dense
        | {"method": "gsvnet", "config": {"interval": 3, "schedule": "adaptive"}, "miou": 0.67}
        | {"miou_by_distance": [0.69, 0.6], "miou_min": 0.6},
        "keyframes_camvid_val_tdnet": dense
        | {"method": "tdnet", "gmacs": {"mean": 6.0, "dense": 5.0}, "miou": 0.6, "miou_min": None},
    }
    for name, row in rows.items():
        (tmp_path / "a-machine" / f"{name}.json").write_text(json.dumps(row))
    assert tables.keyframes_camvid(tmp_path).splitlines()[2:] == [
        "| frame | 100 % | 0.680 | 0.680 |  |  |",
        "| accel 5 update alone | 100 % | 0.650 | 0.640 | 0.0300 | 0.0400 |",
        "| gsvnet 3 without correction | 100 % | 0.671 | 0.664 | 0.0080 | 0.0150 |",
        "| gsvnet 3 adaptive, one pass | 100 % | 0.670 | 0.600 | 0.0100 |  |",
        "| tdnet | 75.0 % | 0.600 |  | 0.0800 |  |",
    ]


def test_flows_of_deep_feature_flow_are_named_by_their_files_the_best_first(tables, tmp_path):
    (tmp_path / "a-machine").mkdir()
    row = {"gmacs": {"mean": 2.0, "dense": 8.0, "flow": 0.1}, "miou": 0.65, "miou_min": 0.6}
    (tmp_path / "a-machine" / "dff_flow_camvid_val_light.json").write_text(json.dumps(row))
    better = row | {"gmacs": {"mean": 4.0, "dense": 8.0, "flow": 0.5}, "miou": 0.67}
    (tmp_path / "a-machine" / "dff_flow_camvid_val_dff-street.json").write_text(json.dumps(better))
    assert tables.dff_flow(tmp_path).splitlines()[2:] == [
        "| dff-street | 50.0 % | 6.2 % | 0.670 | 0.600 |",
        "| light | 25.0 % | 1.2 % | 0.650 | 0.600 |",
    ]


def test_optical_flow_has_its_errors_by_data(tables, tmp_path):
    (tmp_path / "a-machine").mkdir()
    row = {"flow": "dis", "data": "kitti", "part": "all", "epe": 3.256, "outliers": 0.2, "gmacs": 0.0123}
    other = row | {"ms": 4.2, "data": "flyingchairs", "epe": 2.0}
    (tmp_path / "a-machine" / "flow.json").write_text(json.dumps({"rows": [row | {"ms": 5.0}, other]}))
    assert tables.flow(tmp_path).splitlines()[2:] == [
        "| flyingchairs, all pixels | dis | 2.00 | 20.0 % | 0.012 | 4.2 |",
        "| kitti, all pixels | dis | 3.26 | 20.0 % | 0.012 | 5.0 |",
    ]


def test_policies_have_means_over_their_seeds_and_how_far_these_are_apart(tables, tmp_path):
    (tmp_path / "a-machine").mkdir()
    row = {"clip": "plaza", "policy": "online", "frames": 200, "executed": [0.14, 0.16], "miou": []}
    row["agreement"] = [0.95, 0.956]
    (tmp_path / "a-machine" / "policies.json").write_text(json.dumps({"rows": [row]}))
    line = tables.policies(tmp_path).splitlines()[-1]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["plaza", "200", "online", "15.0 %", "0.953 (0.006 apart)", ""]


def test_a_table_of_a_detector_has_its_boxes(tables, results):
    path = results / "a-machine" / "bench_camvid.json"
    bench = json.loads(path.read_text())
    for row, f1 in zip(bench["rows"], (1.0, 0.9631), strict=True):
        row |= {"agreement_with_dense": None, "miou": None, "f1_with_dense": f1}
    path.write_text(json.dumps(bench))
    lines = tables.clips(results).splitlines()
    assert lines[2].endswith("| MB | F1 of boxes |")
    assert [line.split("|")[-2].strip() for line in lines[4:6]] == ["1.000", "0.963"]


def test_scores_of_a_detector_are_ordered_by_target(tables, results):
    folder = results / "a-machine"
    found = {"frame": ({}, 0.91, 27.5), "0.15": ({"target": 0.15}, 0.89, 4.4)}
    for name, (config, ap50, mean) in (found | {"0.3": ({"target": 0.3}, 0.905, 8.8)}).items():
        row = {
            "config": config, "ap50": ap50, "ap": 0.5, "gmacs": {"mean": mean, "dense": 27.5},
            "miss_rate": {"reasonable": 0.123},
        }  # fmt: skip
        (folder / f"detection_pets_{name}.json").write_text(json.dumps(row))
    lines = tables.detection_pets(results).splitlines()
    assert lines[2:] == [
        "| frame by frame | 0.910 | 0.500 | 12.3 % | 27.5 | 100 % |",
        "| target 0.3 | 0.905 | 0.500 | 12.3 % | 8.8 | 32.0 % |",
        "| target 0.15 | 0.890 | 0.500 | 12.3 % | 4.4 | 16.0 % |",
    ]


def test_boxes_that_are_left_behind_have_a_line_for_each_clip_and_target(tables, results):
    row = {
        "clip": "plaza", "target": 0.3, "frames": 795, "f1": 0.9712, "ghosts": 12, "oldest_ghost": 2,
        "share_of_gmacs": 0.3213,
    }  # fmt: skip
    (results / "a-machine" / "ghosts.json").write_text(json.dumps({"rows": [row]}))
    assert tables.ghosts(results).splitlines()[-1] == "| plaza | 795 | 0.3 | 32.1 % | 0.971 | 12 | 2 |"


def test_only_what_is_between_the_marks_is_written(tables, results):
    page = "above\n<!-- table shares -->\nold\n<!-- end of table -->\nbelow\n"
    new = tables.renewed(page, results)
    assert new.startswith("above\n<!-- table shares -->\n\n| ")
    assert "| plaza | 299 | 25.0 |\n\n<!-- end of table -->\nbelow\n" in new
    assert "old" not in new
    assert tables.renewed(new, results) == new


def test_marks_that_mean_nothing_are_refused(tables, results):
    with pytest.raises(ValueError, match="no table 'nope'"):
        tables.renewed("<!-- table nope -->\n<!-- end of table -->", results)
    with pytest.raises(ValueError, match="no <!-- end of table -->"):
        tables.renewed("<!-- table clips -->\n", results)


def test_ways_to_wait_have_the_shortest_and_the_longest_time(tables, tmp_path):
    (tmp_path / "a-machine").mkdir()
    row = {"others": 2, "spin_ms": [300.4, 90.6, 120.0], "sleep_ms": [80.0, 85.2, 81.0]}
    (tmp_path / "a-machine" / "busy.json").write_text(json.dumps({"rows": [row]}))
    assert tables.busy(tmp_path).splitlines()[-1] == "| 2 | 91 to 300 | 80 to 85 |"


def test_kinds_of_batch_norm_are_compared_by_the_logs_of_their_training(tables, tmp_path):
    folder = tmp_path / "a-machine" / "training"
    folder.mkdir(parents=True)
    logs = {"frozen-0": ("0.661", "0.6684", "0.6637"), "own-1": ("0.6", "", "0.65")}
    for name, scores in logs.items():
        lines = [f"{epoch},0.0003,{0.5 - 0.1 * epoch},{score},240.0" for epoch, score in enumerate(scores, 1)]
        text = "\n".join(("epoch,learning_rate,loss,validation_miou,seconds", *lines))
        (folder / f"segblocks-statistics-{name}.csv").write_text(text + "\n")
    assert tables.batch_norm(tmp_path).splitlines()[2:] == [
        "| frozen | 0 | 3 | 0.200 | 0.664 | 0.668 |",
        "| own | 1 | 3 | 0.200 | 0.650 | 0.650 |",
    ]


def test_segblocks_is_compared_with_both_parts_of_its_baseline(tables, tmp_path):
    (tmp_path / "a-machine").mkdir()
    row = {
        "method": "frame",
        "config": {},
        "gmacs": {"mean": 8.0, "dense": 8.0},
        "weights": "net",
        "miou": 0.68,
    }
    rows = {
        "frame": row,
        "baseline": row | {"weights": "runs/net-baseline/weights.safetensors", "miou": 0.66},
        "baseline_further": row | {"weights": "runs/net-baseline-further/weights.safetensors", "miou": 0.67},
        "trained": row
        | {"method": "segblocks", "config": {"policy": "auto"}, "gmacs": {"mean": 4.0, "dense": 8.0}},
    }
    for name, row in rows.items():
        (tmp_path / "a-machine" / f"segblocks_camvid_val_{name}.json").write_text(json.dumps(row))
    assert tables.segblocks_camvid(tmp_path).splitlines()[2:] == [
        "| frame by frame | 100 % | 0.680 |",
        "| trained | 50.0 % | 0.680 |",
        "| frame by frame, trained without blocks, both parts | 100 % | 0.670 |",
        "| frame by frame, trained without blocks, first part | 100 % | 0.660 |",
    ]
