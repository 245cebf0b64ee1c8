"""What a run looked like, for people: one page and one picture in its folder."""

from typing import TYPE_CHECKING

from zoo.lazy import lazy_names

if TYPE_CHECKING:
    from training.report.report import PICTURE, REPORT, Report, try_to_report, write_report

# `zoo --help` imports this package for its command.
__getattr__ = lazy_names(
    __name__, {"training.report.report": ("PICTURE", "REPORT", "Report", "try_to_report", "write_report")}
)

__all__ = ["PICTURE", "REPORT", "Report", "try_to_report", "write_report"]
