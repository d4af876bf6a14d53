"""What is said of a calibration whose process fails."""

from pathlib import Path

import pytest

from pvt_exp.cost import calibration

ENDS = {"kill -9 $$": "ended by SIGKILL", "echo 'RuntimeError: no' >&2; exit 1": "RuntimeError: no", "exit 1": "failed"}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("how", ENDS)
def test_a_calibration_that_does_not_end_well_is_told(
    how: str, ranks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others, which would wait for it, are ended."""
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nif grep -q '\"rank\": {ranks - 1}'; then {how}; fi\nsleep 600\n")
    script.chmod(0o755)
    monkeypatch.setattr(calibration.sys, "executable", str(script))
    with pytest.raises(ValueError, match=ENDS[how]):
        calibration._answered({}, {"PATH": "/usr/bin:/bin"}, ranks)


@pytest.mark.parametrize("text", ['{"run": {}, "throughput": {"step_s": 0.5}}', '{"run": {}}', "[]", "{"])
def test_a_file_with_other_fields_counts_as_absent(text: str, tmp_path: Path) -> None:
    (tmp_path / "calibrations").mkdir()
    (tmp_path / "calibrations/0123.json").write_text(text)
    assert calibration._all(tmp_path) == []
