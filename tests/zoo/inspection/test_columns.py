from zoo.inspection.columns import lay_out


def test_columns_are_aligned() -> None:
    assert lay_out([["a", "1", "x"], ["bcd", "22", "y"]], right=[1]) == ["a     1  x", "bcd  22  y"]


def test_without_a_terminal_a_row_is_a_line_however_long() -> None:
    assert lay_out([["a", "word " * 100 + "end"]]) == ["a  " + "word " * 100 + "end"]


def test_the_last_column_is_wrapped_to_the_terminal() -> None:
    lines = lay_out([["name", "some words that do not fit into one line of forty"]], width=40)

    assert lines == ["name  some words that do not fit into", "      one line of forty"]


def test_on_a_narrow_terminal_the_last_column_goes_under_its_row() -> None:
    lines = lay_out([["a_rather_long_name", "and its meaning is longer still"]], width=40)

    assert lines == ["a_rather_long_name", "    and its meaning is longer still"]


def test_empty_columns_and_trailing_spaces_are_left_out() -> None:
    assert lay_out([["a", "", "b", ""], ["aa", "", "", ""]]) == ["a   b", "aa"]


def test_no_rows_are_no_lines() -> None:
    assert lay_out([]) == []
