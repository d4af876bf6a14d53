"""Numbers with their noun."""

from pvt_exp.system.words import are, several


def test_one_and_several() -> None:
    assert [several(n, "run") for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    assert [several(n, "more class", "more classes") for n in (1, 2)] == ["1 more class", "2 more classes"]
    assert [are(n) for n in (0, 1, 2)] == ["are", "is", "are"]
