"""The rows of a bench as a page for people."""

from saccade.evaluation.report.page import report, write_report
from saccade.evaluation.report.strips import Strip, StripFrame, StripRecorder

__all__ = ["Strip", "StripFrame", "StripRecorder", "report", "write_report"]
