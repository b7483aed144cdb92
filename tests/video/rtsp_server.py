"""An RTSP server that shows one colour; run by test_rtsp.py with the system's Python, which has GStreamer.

    python3 rtsp_server.py PORT COLOUR

Prints "ready" when it listens, and serves until it is killed.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PIPELINE = (
    "( videotestsrc is-live=true pattern={colour} ! video/x-raw,width=96,height=64,framerate=25/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5 ! rtph264pay name=pay0 pt=96 )"
)


def main() -> None:
    port, colour = sys.argv[1:]
    Gst.init(None)
    missing = [
        name for name in ("videotestsrc", "x264enc", "rtph264pay") if not Gst.ElementFactory.find(name)
    ]
    if missing:
        raise SystemExit(f"GStreamer lacks {', '.join(missing)}")
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE.format(colour=colour))
    factory.set_shared(True)
    server.get_mount_points().add_factory("/street", factory)
    if not server.attach(None):
        raise SystemExit(f"cannot listen on port {port}")
    print("ready", flush=True)
    GLib.MainLoop().run()


main()
