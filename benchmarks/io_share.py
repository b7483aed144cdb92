"""What share of ``saccade run`` at 2048x1024 is not the network: decoding, resizing, colouring, encoding.

Renders a clip of the built-in world, encodes it as H.264, and runs the default network over it with an
overlay video as output, as a user would. Decoding and encoding run in the background, so beside the share
of the loop's wall time the processor time of each part, run alone, is given: that is what they take away
from the network on a machine whose cores are all busy.

    python benchmarks/io_share.py [--frames 20]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from machine import results_folder

import saccade
from saccade.evaluation.sinks import OverlaySink
from saccade.evaluation.stream import process
from saccade.methods.placement import choose_placement
from saccade.networks.registry import network_info
from saccade.video.overlay import draw_overlay
from saccade.video.video_writer import VideoWriter

SIZE = (1024, 2048)


def processor_ms(work: Callable[[], object], frames: int) -> float:
    """Processor time per frame of all threads, in milliseconds."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1000 / frames


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--frames", type=int, default=20)
    frames = arguments.parse_args().frames
    network = saccade.load_network("swiftnet-rn18")
    placement = choose_placement(network, size=SIZE)
    method = saccade.wrap(placement.apply(network), saccade.FrameConfig())
    classes = network_info(network).class_set
    assert classes is not None

    with tempfile.TemporaryDirectory() as folder:
        clip, out = Path(folder) / "clip.mp4", Path(folder) / "out.mp4"
        with VideoWriter(clip, 17, SIZE) as writer:
            for frame in saccade.open_video("world:0", size=SIZE, max_frames=frames):
                writer.write(frame.image)

        source = saccade.open_video(clip)
        record = process(method, [source], [OverlaySink(out, [source], classes)])

        images = [frame.image for frame in saccade.open_video(clip)]
        answers = [method.step(frame.tensor).prediction for frame in saccade.open_video(clip, max_frames=3)]
        labels = [answer.labels()[0].numpy() for answer in answers]

        def colour() -> None:
            for image, ids in zip(images, labels, strict=False):
                draw_overlay(image, ids, classes)

        def encode() -> None:
            with VideoWriter(out, 17, SIZE) as writer:
                for image in images:
                    writer.write(image)

        parts = {
            "decode": processor_ms(lambda: list(saccade.open_video(clip)), frames),
            "labels": processor_ms(lambda: [a.labels() for a in answers], len(answers)),
            "colour": processor_ms(
                lambda: [draw_overlay(i, m, classes) for i, m in zip(images, labels, strict=False)],
                len(labels),
            ),
            "encode": processor_ms(encode, frames),
        }

    record.extra["sources"] = ["world:0, encoded as H.264"]
    loop = record.extra["loop_ms"]
    total = sum(loop.values())
    record.extra["share_of_wall_time_beside_step"] = 1 - loop["step"] / total
    record.extra["processor_ms_per_frame"] = parts
    record.extra["share_of_processor_time"] = sum(parts.values()) / (
        torch.get_num_threads() * loop["step"] + sum(parts.values())
    )
    path = results_folder(placement.device) / "io_share.json"
    record.save(path)
    print(f"{record.extra['share_of_wall_time_beside_step']:.1%} of the wall time is not the network; {path}")


if __name__ == "__main__":
    main()
