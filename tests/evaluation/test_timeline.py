import numpy as np
import pytest

from saccade.evaluation.timeline import Timeline


def test_a_short_run_has_a_point_per_step_and_nulls_for_what_is_not_known():
    timeline = Timeline()
    timeline.update(1.0, None, 1.0)
    timeline.update(0.25, 12.5, 0.75)
    timeline.update(0.5, 10.0, None)
    assert timeline.to_dict() == {
        "frames_per_point": 1,
        "executed_fraction": [1.0, 0.25, 0.5],
        "latency_ms": [None, 12.5, 10.0],
        "agreement_with_dense": [1.0, 0.75, None],
    }


def test_what_is_never_known_is_no_list():
    timeline = Timeline()
    assert set(timeline.to_dict().values()) == {1, None}
    for _ in range(5):
        timeline.update(None, 3.0)
    assert timeline.to_dict()["executed_fraction"] is None
    assert timeline.to_dict()["agreement_with_dense"] is None
    assert timeline.to_dict()["latency_ms"] == [3.0] * 5


@pytest.mark.parametrize("steps", [7, 8, 9, 16, 17, 31, 32, 33, 100, 1000])
def test_a_long_run_is_averaged_to_so_many_points_at_most(steps):
    rng = np.random.default_rng(steps)
    values = rng.uniform(0, 1, (steps, 3))
    values[rng.random((steps, 3)) < 0.3] = np.nan
    timeline = Timeline(points=8)
    for row in values:
        timeline.update(*(None if np.isnan(value) else float(value) for value in row))
    found = timeline.to_dict()
    width = found["frames_per_point"]
    points = -(-steps // width)
    assert points <= 8 < 2 * points + 1 or width == 1
    for column, key in enumerate(("executed_fraction", "latency_ms", "agreement_with_dense")):
        for i in range(points):
            known = values[i * width : (i + 1) * width, column]
            known = known[~np.isnan(known)]
            if len(known):
                assert found[key][i] == pytest.approx(known.mean(), abs=1e-6)
            else:
                assert found[key][i] is None
        assert len(found[key]) == points
