"""The geometry of line charts, worked by hand."""

import pytest

from training.charts import HEIGHT, WIDTH, Series, figure, line_chart, ticks

# The plot is 336 wide (380 less 44 for labels) and 122 high, from y = 8 to y = 130.


def test_the_plot_leaves_room_for_its_labels():
    chart = line_chart("Loss", [Series("Training", [(0, 0.0), (1, 1.0)])])
    assert (WIDTH, HEIGHT) == (380, 150)
    assert (chart.plot_width, chart.plot_top, chart.plot_bottom) == (336, 8, 130)


def test_points_lie_where_the_scales_put_them():
    chart = line_chart("Loss", [Series("Training", [(0, 0.0), (5, 5.0), (10, 10.0)])])
    assert [(tick.at, tick.label) for tick in chart.y_ticks] == [
        (130, "0"), (105.6, "2"), (81.2, "4"), (56.8, "6"), (32.4, "8"), (8, "10"),
    ]  # fmt: skip
    assert chart.lines[0].path == "M0 130 L168 69 L336 8"
    assert chart.now is None
    assert [(tick.at, tick.label) for tick in chart.x_ticks] == [(0, "0"), (336, "10")]


def test_the_x_axis_reaches_to_the_planned_end_and_marks_now():
    chart = line_chart("Loss", [Series("Training", [(0, 0.0), (5, 10.0)])], planned=20)
    assert chart.lines[0].path == "M0 130 L84 8"
    assert chart.now == 84
    assert [(tick.at, tick.label) for tick in chart.x_ticks] == [(0, "0"), (84, "5"), (336, "20")]
    assert chart.caption == "10.0 now"


def test_a_label_for_now_gives_way_to_the_ends():
    chart = line_chart("Loss", [Series("Training", [(0, 0.0), (19, 1.0)])], planned=20)
    assert [tick.label for tick in chart.x_ticks] == ["0", "20"]


def test_a_missing_value_is_a_gap():
    chart = line_chart("Loss", [Series("Training", [(0, 0.0), (1, None), (2, 10.0), (4, 0.0)])])
    assert chart.lines[0].path == "M0 130 M168 8 L336 130"


def test_held_out_values_are_marks_on_the_same_scales():
    training = Series("Training", [(1, 2.0), (2, 1.0)])
    held_out = Series("Validation", [(0, 3.0), (2, 1.0)], dots=True)
    chart = line_chart("Loss", [training, held_out])
    assert (chart.y_ticks[0].label, chart.y_ticks[-1].label) == ("1.0", "3.0")
    assert chart.lines[1].marks == ((0, 8), (336, 130))
    assert chart.lines[1].path == ""
    assert chart.label == (
        "Loss. Training: 2 at step 1, 1 at step 2, between 1 and 2. "
        "Validation: 3 at step 0, 1 at step 2, between 1 and 3."
    )


def test_a_single_value_is_a_mark_with_room_around_it():
    chart = line_chart("Loss", [Series("Training", [(1, 5.0)])])
    assert chart.lines[0].marks == ((336, 69),)
    assert (chart.y_ticks[0].label, chart.y_ticks[-1].label) == ("4.5", "5.5")


def test_nothing_to_show_is_no_chart():
    assert line_chart("Loss", []) is None
    assert line_chart("Loss", [Series("Training", [(0, None)])]) is None


def test_many_points_become_means_of_neighbours():
    # 480 points: two by two. The first pair is (0, 0) and (1, 2): its mean lies at step 0.5 with value 1.
    chart = line_chart("Loss", [Series("Training", [(x, 2.0 * (x % 2)) for x in range(480)])])
    moves = chart.lines[0].path.split()
    assert len(moves) == 2 * 240
    assert (chart.y_ticks[0].label, chart.y_ticks[-1].label) == ("0.0", "2.0")
    assert moves[1] == "69"  # value 1 of 0 to 2 is the middle


@pytest.mark.parametrize(
    ("low", "high", "levels"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (0.13, 0.92, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-0.2, 1.2, [-0.5, 0, 0.5, 1.0, 1.5]),
        (1234, 1240, [1234, 1236, 1238, 1240]),
        (3, 3, [2.6, 2.8, 3.0, 3.2, 3.4]),
        (0, 0, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_levels_are_round_and_enclose_the_values(low, high, levels):
    assert ticks(low, high) == pytest.approx(levels)


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (0.0, None, "0"), (1.9234, None, "1.92"), (12.34, None, "12.3"), (1234.5, None, "1,234"),
        (9.65e-6, None, "9.7e-06"), (0.5, 0.5, "0.5"), (2000, 500, "2,000"), (-0.2, 0.2, "-0.2"),
    ],
)  # fmt: skip
def test_figures(value, step, text):
    assert figure(value, step) == text
