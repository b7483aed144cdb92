"""The JSON schema of one measurement, written from the project's contract and not from the code."""

NUMBER = {"type": ["number", "null"]}
SHARE = {"type": ["number", "null"], "minimum": 0, "maximum": 1}


def _of(kind: dict, *keys: str) -> dict:
    return {
        "type": "object",
        "properties": dict.fromkeys(keys, kind),
        "required": list(keys),
        "additionalProperties": False,
    }


_PROPERTIES = {
    "schema": {"const": 1},
    "saccade": {"type": "string"},
    "torch": {"type": "string"},
    "device": {"type": "string"},
    "device_name": {"type": "string", "minLength": 1},
    "threads": {"type": "integer", "minimum": 1},
    "precision": {"enum": ["fp32", "bf16", "fp16"]},
    "seed": {"type": "integer"},
    "method": {"type": "string"},
    "network": {"type": "string"},
    "config": {"type": "object"},
    "streams": {"type": "integer", "minimum": 1},
    "frames": {"type": "integer", "minimum": 0},
    "height": {"type": ["integer", "null"]},
    "width": {"type": ["integer", "null"]},
    "latency_ms": _of(NUMBER, "mean", "p50", "p95", "max", "keyframe_p50", "other_p50"),
    "fps": NUMBER,
    "fps_with_io": NUMBER,
    "gmacs": _of(NUMBER, "mean", "dense", "network", "policy", "policy_training", "flow", "halo"),
    "executed_fraction": SHARE,
    "executed_fraction_without_first": SHARE,
    "dense_eager_ms": NUMBER,
    "dense_best_ms": NUMBER,
    "speedup_vs_dense_eager": NUMBER,
    "speedup_vs_dense_best": NUMBER,
    "realised": NUMBER,
    "agreement_with_dense": SHARE,
    "miou": SHARE,
    "miou_min": SHARE,
    "miou_by_distance": {"type": ["array", "null"], "items": SHARE},
    "iou_per_class": {"type": ["object", "null"], "additionalProperties": SHARE},
    "pixel_accuracy": SHARE,
    "temporal_consistency": SHARE,
    "miss_rate": _of(SHARE, "reasonable", "small", "heavy", "all"),
    "ap50": SHARE,
}

SCHEMA = {"type": "object", "properties": _PROPERTIES, "required": list(_PROPERTIES)}
