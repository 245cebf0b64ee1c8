"""Series in time."""

from training.sources.collection import Collection, DataFile
from training.sources.pip import PipSource


def _from_statsmodels(name: str) -> tuple[PipSource, ...]:
    return (PipSource("statsmodels==0.15.0", {f"{name}.csv": f"statsmodels/datasets/{name}/{name}.csv"}),)


_SUNSPOTS = Collection(
    name="sunspots",
    title="sunspots of 309 years, 1700 to 2008; 22 years, then the next",
    licence="public domain (as the package says)",
    attribution="National Geophysical Data Center (NOAA); by way of statsmodels",
    homepage="https://www.statsmodels.org/stable/datasets/generated/sunspots.html",
    splits={"train": 163, "validation": 31, "calibration": 31, "test": 62},
    files=(DataFile("sunspots.csv", "f67889b1d9002cd5227f0e0ef54e35b419cdd85a31279adef6f73fb41e5c0a9b", 2_944),),
    sources=_from_statsmodels("sunspots"),
)

_ELNINO = Collection(
    name="elnino",
    title="temperature of the sea off Peru in 732 months, 1950 to 2010; 24 months, then the next",
    licence="public domain (as the package says)",
    attribution="National Oceanic and Atmospheric Administration, ERSST.V3B, Nino 1+2; by way of statsmodels",
    homepage="https://www.statsmodels.org/stable/datasets/generated/elnino.html",
    splits={"train": 415, "validation": 73, "calibration": 74, "test": 146},
    files=(DataFile("elnino.csv", "b647be00e0fd264be9764e317e6b963f35030014ecca2b21b204521716e463ad", 5_508),),
    sources=_from_statsmodels("elnino"),
)

_CO2 = Collection(
    name="co2",
    title="carbon dioxide at Mauna Loa in 2,284 weeks, 1958 to 2001; 104 weekly changes, then the next",
    licence="public domain (as the package says)",
    attribution="C. D. Keeling and T. P. Whorf, Scripps Institution of Oceanography, 2004; by way of statsmodels",
    homepage="https://www.statsmodels.org/stable/datasets/generated/co2.html",
    citation="""\
@misc{keeling2004atmospheric,
  author = {Keeling, C. D. and Whorf, T. P.},
  title  = {Atmospheric {CO2} concentrations derived from flask air samples at sites in the {SIO} network},
  year   = {2004},
  howpublished = {Trends: A Compendium of Data on Global Change, Carbon Dioxide Information Analysis Center}
}
""",
    splits={"train": 1_214, "validation": 226, "calibration": 228, "test": 457},
    files=(DataFile("co2.csv", "16695fa2786e53414e5a6b54767a3fdf5de99cfbc68617f69d1362d92776a92f", 33_974),),
    sources=_from_statsmodels("co2"),
)

SERIES = (_SUNSPOTS, _ELNINO, _CO2)
"""Data sets of series in time."""
