"""The benchmark of optical flow, on files written here."""

import importlib
import json
import struct
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module("flow")
    sys.modules.pop("flow", None)


@pytest.fixture
def data(tmp_path):
    """Two grey frames; FlyingChairs says (3, 4) everywhere, KITTI (-8, 0.5) where it says anything."""
    frame = np.full((40, 60, 3), 128, np.uint8)
    for name in ("a-img0", "a-img1", "k_10", "k_11"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), frame)
    chairs = np.broadcast_to(np.float32([3, 4]), (40, 60, 2))
    (tmp_path / "a-gt.flo").write_bytes(struct.pack("<fii", 202021.25, 60, 40) + chairs.tobytes())
    for kind, known in (("occ", 40), ("noc", 20)):
        image = np.zeros((40, 60, 3), np.uint16)
        image[:known] = (1, 2**15 + 32, 2**15 - 8 * 64)  # valid, v, u
        cv2.imwrite(str(tmp_path / f"k_{kind}_10.png"), image)
    return tmp_path


def test_ground_truth_is_read_as_it_was_written(benchmark, data):
    flow, known = benchmark.read_flo(data / "a-gt.flo")
    assert (flow == (3, 4)).all()
    assert known.all()
    flow, known = benchmark.read_kitti(data / "k_noc_10.png")
    assert (flow[:20] == (-8, 0.5)).all()
    assert known[:20].all()
    assert not known[20:].any()
    with pytest.raises(SystemExit, match="not KITTI's flow"):
        benchmark.read_kitti(data / "k_10.png")


def test_zero_flow_is_off_by_the_motion(benchmark, data, monkeypatch, capsys):
    out = data / "out.json"
    monkeypatch.setattr(sys, "argv", ["flow.py", str(data), "--flows", "zero,dis", "-o", str(out)])
    benchmark.main()
    rows = {(row["flow"], row["data"], row["part"]): row for row in json.loads(out.read_text())["rows"]}
    assert len(rows) == 6
    assert rows["zero", "flyingchairs", "all"]["epe"] == pytest.approx(5)
    assert rows["zero", "flyingchairs", "all"]["outliers"] == 1
    assert rows["zero", "flyingchairs", "all"]["gmacs"] == 0
    for part in ("all", "visible"):
        assert rows["zero", "kitti", part]["epe"] == pytest.approx(64.25**0.5)
    assert rows["dis", "kitti", "all"]["epe"] == pytest.approx(64.25**0.5, rel=1e-3)  # nothing to see moves
    assert rows["dis", "kitti", "all"]["gmacs"] > 0
    assert "EPE   5.00" in capsys.readouterr().out


def test_a_folder_without_pairs_is_refused(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["flow.py", str(tmp_path)])
    with pytest.raises(SystemExit, match="neither FlyingChairs"):
        benchmark.main()
