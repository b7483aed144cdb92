"""Writes numbered frames until it is killed; run by test_video_writer.py."""

import sys
from pathlib import Path

import numpy as np

from saccade.video.video_writer import VideoWriter

writer = VideoWriter(Path(sys.argv[1]), fps=20, size=(48, 96))
for number in range(64):
    bits = np.array([230 if number >> (5 - bit) & 1 else 20 for bit in range(6)], np.uint8)
    image = np.broadcast_to(np.repeat(bits, 16)[None, :, None], (48, 96, 3))
    writer.write(np.ascontiguousarray(image))
    print(number, flush=True)
print("all handed over", flush=True)
sys.stdin.read()  # never closed properly
