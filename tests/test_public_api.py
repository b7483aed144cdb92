import subprocess
import sys

import saccade


def test_the_built_in_world_opens_as_a_source() -> None:
    with saccade.open_video("world:3", size=(36, 48), max_frames=2) as source:
        frames = list(source)
    assert [frame.image.shape for frame in frames] == [(36, 48, 3)] * 2
    assert frames[0].timestamp == 0 < frames[1].timestamp


def test_the_block_engine_is_there_by_its_name_and_loads_torch_only_then() -> None:
    code = (
        "import sys, saccade\n"
        "before = 'torch' in sys.modules\n"
        "saccade.blocks.convert, saccade.blocks.FULL\n"
        "print('blocks' in saccade.__all__, before, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False", "True"]
