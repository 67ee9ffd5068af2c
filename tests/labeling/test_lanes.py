"""Lanes: whose work a task is."""

from __future__ import annotations

import pytest

from labeling.lanes import lane_of, lanes_open_to, skills_needed


@pytest.mark.parametrize(
    ("skills_by", "expected"),
    [("none", []), ("language", ["de"]), ("category", ["closed qa"]), ("both", ["closed qa", "de"])],
)
def test_what_a_prompt_asks_for(skills_by, expected):
    assert skills_needed(skills_by, language="DE", category=" Closed  QA ") == expected


def test_what_is_not_known_asks_for_nothing():
    assert skills_needed("both", language="", category="  ") == []


def test_the_signs_of_lanes_are_no_part_of_a_skill():
    assert skills_needed("category", language="", category="C++: law") == ["c law"]


@pytest.mark.parametrize(
    ("cohort", "skills", "lane"),
    [
        ("training", [], "training"),
        ("held_out", ["de"], "held_out:de"),
        ("training", ["law", "de"], "training:de+law"),
    ],
)
def test_the_name_of_a_lane(cohort, skills, lane):
    assert lane_of(cohort, skills) == lane


def test_a_labeler_gets_the_lanes_whose_skills_they_have():
    assert lanes_open_to("held_out", []) == ["held_out"]
    assert lanes_open_to("training", ["Law", "de", "fr"]) == [
        "training",
        "training:de",
        "training:fr",
        "training:law",
        "training:de+fr",
        "training:de+law",
        "training:fr+law",
    ]


def test_every_lane_fits_its_column():
    needed = skills_needed("both", language="x" * 20, category="y" * 60)
    assert len(lane_of("held_out", needed)) <= 100
