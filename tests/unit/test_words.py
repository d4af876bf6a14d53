"""Numbers with their noun, and lists of words."""

from pvt_exp.system.words import are, several, some


def test_one_and_several() -> None:
    assert [several(n, "run") for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    assert [several(n, "more class", "more classes") for n in (1, 2)] == ["1 more class", "2 more classes"]
    assert [are(n) for n in (0, 1, 2)] == ["are", "is", "are"]


def test_the_first_few_and_how_many_more() -> None:
    assert [some("abc"[:n], most=2) for n in range(4)] == ["", "a", "a, b", "a, b and 1 more"]
    assert some(range(7), by="; ") == "0; 1; 2; 3; 4; and 2 more"
