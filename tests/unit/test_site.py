"""Where data lie on this machine, and whom W&B tells."""

from pathlib import Path

import pytest

from pvt_exp.config import ConfigError
from pvt_exp.config.placement import Site, Tracking
from pvt_exp.datasets.image_folder import Settings
from pvt_exp.datasets.shapes import Settings as Shapes
from pvt_exp.drive import session
from pvt_exp.plan import site
from pvt_exp.tracking import settings


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PVT_EXP_DATA", "PVT_EXP_SITE", "WANDB_MODE", "WANDB_API_KEY", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)


def test_a_flag_before_the_environment_before_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos, here = Settings(name="photos"), Site(data={"photos": str(tmp_path / "site")})
    assert site.locate(photos, {}, Site()) is None
    assert site.locate(photos, {}, here) == tmp_path / "site"
    (tmp_path / "data" / "photos").mkdir(parents=True)
    monkeypatch.setenv("PVT_EXP_DATA", str(tmp_path / "data"))
    assert site.locate(photos, {}, here) == tmp_path / "data" / "photos"
    assert site.locate(photos, {"photos": str(tmp_path / "flag")}, here) == tmp_path / "flag"


def test_a_parent_folder_that_lacks_the_data_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert site.no_folder("photos") == (
        "data set photos: no folder is given; use --data photos=PATH, $PVT_EXP_DATA or site.yaml"
    )
    monkeypatch.setenv("PVT_EXP_DATA", "/nowhere")
    assert "no folder is given, and $PVT_EXP_DATA (/nowhere) has none of that name; use" in site.no_folder("photos")


def test_a_store_inside_a_data_set_is_told(tmp_path: Path) -> None:
    photos = {"photos": tmp_path / "photos"}
    assert session._about_place(tmp_path / "runs", photos) == []
    assert session._about_place(tmp_path / "photos of mine", photos) == []
    for inside in (tmp_path / "photos", tmp_path / "photos/out/runs"):
        (line,) = session._about_place(inside, photos)
        assert line == f"note: the store {inside} is inside the folder of the data set photos"


def test_two_folders_of_one_data_set_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with pytest.raises(ConfigError, match="--data photos=b: photos stands there twice, and the first is at a"):
        site.places(["photos=a", "photos=b"])
    assert site.places(["photos=a", "photos=a", "pets=b"]) == {"photos": "a", "pets": "b"}


def test_what_is_made_has_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert site.locate(Shapes(), {}, Site()) == tmp_path / "data" / "shapes"
    monkeypatch.setenv("PVT_EXP_DATA", str(tmp_path / "elsewhere"))
    assert site.locate(Shapes(), {}, Site()) == tmp_path / "elsewhere" / "shapes"


def test_the_sites_file(tmp_path: Path) -> None:
    assert site.load() == Site()
    (tmp_path / "site.yaml").write_text("data: {photos: /data/photos}\nwandb: {mode: disabled, project: mine}\n")
    assert site.load().data == {"photos": "/data/photos"}
    assert settings.chosen(None, site.load()).mode == "disabled"
    (tmp_path / "site.yaml").write_text("dat: {}\n")
    with pytest.raises(ConfigError, match="did you mean data"):
        site.load()


@pytest.mark.parametrize("path", ["a\\0b", "\\ud800"])
def test_what_can_be_no_path_is_told(tmp_path: Path, path: str) -> None:
    (tmp_path / "site.yaml").write_text(f'data:\n  photos: "{path}"\n')
    with pytest.raises(ConfigError) as told:
        site.load()
    (line,) = told.value.problems
    assert line.startswith("site.yaml:"), line
    assert "site.yaml:2: a character that no text has: " in line


def test_a_sites_file_that_is_a_link_to_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").symlink_to("gone/site.yaml")
    with pytest.raises(ConfigError, match=r"site\.yaml: no such file; it is a link to gone/site\.yaml"):
        site.load()


def test_w_and_b_is_offline_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.chosen(None, Site()).mode == "offline"
    assert settings.chosen("online", Site()).mode == "online"
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    assert settings.chosen(None, Site()).mode == "online"
    assert settings.chosen(None, Site(wandb=Tracking(project="mine"))) == Tracking(mode="online", project="mine")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert settings.chosen(None, Site()).mode == "disabled"
    with pytest.raises(ConfigError, match="one of online, offline, disabled"):
        settings.chosen("of", Site())


@pytest.mark.parametrize(
    ("named", "written", "entity", "project"),
    [
        (None, Tracking(), None, "pvt-exp"),
        ("team/ablations", Tracking(), "team", "ablations"),
        ("ablations", Tracking(entity="team"), "team", "ablations"),
        ("other/ablations", Tracking(entity="team", project="x"), "other", "ablations"),
        (None, Tracking(project="team/ablations"), "team", "ablations"),
    ],
)
def test_a_project_of_w_and_b_with_a_slash_is_of_an_entity(
    monkeypatch: pytest.MonkeyPatch, named: str | None, written: Tracking, entity: str | None, project: str
) -> None:
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    if named:
        monkeypatch.setenv("WANDB_PROJECT", named)
    found = settings.chosen("offline", Site(wandb=written))
    assert (found.entity, found.project) == (entity, project)


@pytest.mark.parametrize("wrong", ["a/b/c", "/a", "a/", "what?", "50%"])
def test_a_project_that_w_and_b_would_refuse(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("WANDB_PROJECT", wrong)
    with pytest.raises(ConfigError, match="write PROJECT or ENTITY/PROJECT"):
        settings.chosen("online", Site())
    assert settings.chosen("disabled", Site()).mode == "disabled"
