"""`zoo report`."""

import argparse

_EPILOG = """\
examples:
  zoo report runs/digits_cnn                         of the newest run of digits_cnn
  zoo report runs/digits_cnn/20260101T120000Z-1a2b3c4d
"""


def report_command(parser: argparse.ArgumentParser) -> None:
    """Write the report of a run again: report.html and report.png in its folder."""
    parser.description = (
        "Write report.html and report.png into a run's folder: curves, what the model gets wrong, layers, data, config."
    )
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", metavar="RUN", help="a run's folder, or that of a recipe's runs for the newest")
    parser.set_defaults(run=_report)


def _report(arguments: argparse.Namespace) -> int:
    from zoo.tensorflow_noise import silence_tensorflow

    silence_tensorflow()
    from training.report import write_report

    report = write_report(arguments.folder)
    for note in report.notes:
        print(f"note       {note}")
    print(f"report     {report.page}")
    print(f"picture    {report.picture}")
    return 0
