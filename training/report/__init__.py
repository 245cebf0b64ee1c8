"""What a run looked like, for people: one page and one picture in its folder."""

from training.report.report import PICTURE, REPORT, Report, try_to_report, write_report

__all__ = ["PICTURE", "REPORT", "Report", "try_to_report", "write_report"]
