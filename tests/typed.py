"""The table of `tests/verbs.py`: what is typed, from top to bottom in one folder, and what must come of it."""

import csv
import importlib.util
import io
import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from tests.verbs import Said, typed

FIGURES = 0 if importlib.util.find_spec("matplotlib") else 2
"""The exit status of what draws: matplotlib is an extra."""


BEST = tuple(
    f"{name}.seeds-0.best.{kind}"
    for name, kind in (("table", "csv"), *(("table", kind) for kind in ("md", "html", "tex")), ("tabular", "tex"))
)
"""What `report --best` of one seed writes."""


def placement(said: Said, run: str, number: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((said.attempt(run, number) / "placement.yaml").read_text())
    return found


def rows(said: Said) -> list[str]:
    return [each["name"] for each in said.json["variants"]]


# ---------------------------------------------------------------- what trains

# Without `--gpus none` this machine would be asked for two GPUs.
TWO_GPUS = {"CUDA_VISIBLE_DEVICES": "0,1"}


@typed(
    "sweep sweep.yaml epochs=1 --store runs --seeds 0 --data shapes=data --gpus none --slots 2 --memory-gb 40 --workers 0 "
    "--threads 1 --micro-batch 4 --keep last --checkpoint-minutes 5 --wandb disabled --retry failed --smoke --out tables",
    *("overrides", "--store", "--seeds", "--data", "--gpus", "--slots", "--memory-gb", "--workers", "--micro-batch"),
    *("--keep", "--checkpoint-minutes", "--wandb", "--retry", "--smoke", "--out", "--threads"),
    **TWO_GPUS,
)
def _(said: Said) -> None:
    assert "one step of each of 2 architectures first" in said.out
    assert "3 variants x 1 seed = 3 runs, 0 known already, 3 to train; at once: 2 on the CPU" in said.out
    assert "all 3 runs are done" in said.out
    placed = placement(said, said.names["deeper"])
    due = {"gpus": [], "workers": 0, "micro_batch": 4, "keep": "last", "checkpoint_minutes": 5.0, "memory_gb": 40.0}
    due |= {"threads": 1}
    assert {name: placed[name] for name in due} == due
    assert placed["tracking"]["mode"] == "disabled"
    assert placed["data"] == str(said.folder / "data")
    assert list(said.attempt(said.names["deeper"]).glob("checkpoints/*.ckpt"))
    assert not list(said.attempt(said.names["deeper"]).glob("wandb"))
    ends = yaml.safe_load((said.attempt(said.names["run"], 2) / "end.json").read_text())
    assert ends["state"] == "done", "the first had failed, and --retry tried it again"
    table = (said.folder / "tables/sweep/table.with-epochs-1.seeds-0.md").read_text()
    assert "| deeper" in table
    assert "Made by `pvt-exp report sweep.yaml epochs=1 --seeds 0 --out tables`." in table, "not how it was trained"


@typed("sweep sweep.yaml --seeds 0 --only deeper --store runs --latex fit", "--only", "--latex")
def _(said: Said) -> None:
    assert "the run is done" in said.out
    table = said.folder / "reports/out/sweep/table.only-deeper.seeds-0.tex"
    assert "It measures itself (--latex fit)" in table.read_text()
    assert not table.with_name("table.tex").exists()
    assert "deepest" not in said.out


@typed("sweep sweep.yaml --seeds 0 --store fresh --no-smoke --gpus-per-run 2 --slots 1", "--no-smoke", "--gpus-per-run")
def _(said: Said) -> None:
    assert "architectures first" not in said.out
    assert "1 on the CPU, 2 processes each" in said.out
    made = [yaml.safe_load(path.read_text()) for path in said.folder.glob("fresh/*/result.json")]
    assert [each["provenance"]["ranks"] for each in made] == [2, 2, 2]


@typed("sweep sweep.yaml --seeds 0 --json", "--json")
def _(said: Said) -> None:
    assert said.json["sweep"] == "sweep"
    assert {row["runs"][0]["state"] for row in said.json["variants"]} == {"done"}


@typed(
    "run base.yaml optim.lr=1e-3 --store runs --data shapes=data --gpus none --slots 1 --memory-gb 40 --gpus-per-run 1 "
    "--workers 1 --threads 3 --micro-batch 4 --keep none --checkpoint-minutes 7 --wandb offline --retry failed",
    *("overrides", "--store", "--data", "--gpus", "--slots", "--memory-gb", "--workers", "--micro-batch"),
    *("--keep", "--checkpoint-minutes", "--wandb", "--retry", "--gpus-per-run", "--threads"),
    **TWO_GPUS,
)
def _(said: Said) -> None:
    assert "base: the run is done" in said.out
    assert re.search(r"top1 [\d.]+ ", said.out)
    assert f"; all settings: pvt-exp runs show {said.names['single']}\n" in said.out
    assert "warmup_epochs" not in said.out, "the settings are in runs show"
    assert len(said.out.splitlines()) < 20
    placed = placement(said, said.names["single"], 2)
    due = {
        "gpus": [],
        "ranks": 1,
        "threads": 3,
        "workers": 1,
        "micro_batch": 4,
        "keep": "none",
        "checkpoint_minutes": 7.0,
    }
    due["memory_gb"] = 40.0
    assert {name: placed[name] for name in due} == due
    assert not list(said.attempt(said.names["single"], 2).glob("checkpoints/*.ckpt"))
    assert list(said.attempt(said.names["single"], 2).glob("wandb/offline-run-*"))


@typed("sweep tuned.yaml --gpus none --json", **TWO_GPUS)
def _(said: Said) -> None:
    (tuned,) = said.json["tunings"]
    (trial,) = tuned["tried"]
    assert (trial["state"], trial["values"], trial["score"]) == ("done", tuned["chosen"], tuned["best"])
    assert [row["runs"][0]["state"] for row in said.json["variants"]] == ["done"]


@typed("run second.yaml --gpus none --json", status=1, **TWO_GPUS)
def _(said: Said) -> None:
    assert (said.json["state"], said.json["attempts"]) == ("pending", 0)
    assert f"waits for {said.names['first']}, which diverged" in said.err


@typed("run base.yaml optim.lr=1e-3 --json", "--json")
def _(said: Said) -> None:
    assert (said.json["id"], said.json["state"]) == (said.names["single"], "done")
    assert said.json["settings"]["optim"]["lr"] == 1e-3


@typed(
    "wandb run sweep.yaml optim.lr=3e-3 run={of_wandb} --store runs --seeds 0 --data shapes=data --gpus none --workers 1 "
    "--threads 3 --micro-batch 4 --keep none --retry failed --json",
    *(
        "--store",
        "--seeds",
        "--data",
        "--gpus",
        "--workers",
        "--threads",
        "--micro-batch",
        "--keep",
        "--retry",
        "--json",
    ),
    WANDB_MODE="offline",
    **TWO_GPUS,
)
def _(said: Said) -> None:
    assert "1 to train" in said.err
    assert (said.json["id"], said.json["state"]) == (said.names["of_wandb"], "done")
    placed = placement(said, said.names["of_wandb"], 2)
    due = {"gpus": [], "workers": 1, "threads": 3, "micro_batch": 4, "keep": "none", "data": str(said.folder / "data")}
    assert {name: placed[name] for name in due} == due
    assert "done" in (said.attempt(said.names["of_wandb"], 2) / "end.json").read_text()


# ---------------------------------------------------------------- what uses what was trained


@typed("predict {run} photos --store runs --out found --gpus none", "--store", "--out", "--gpus", **TWO_GPUS)
def _(said: Said) -> None:
    told = yaml.safe_load((said.folder / "found/predictions.json").read_text())
    assert told["run"] == said.names["run"]
    assert [Path(each["file_name"]).name for each in told["images"]] == ["blue.jpg", "red.png"]
    assert all((said.folder / "found" / each["picture"]).is_file() for each in told["images"])


@typed("predict {run} photos --score 0.1", "--score", status=2)
def _(said: Said) -> None:
    assert "--score 0.1: is for objects, and classification finds none" in said.err, "test_predict.py has those that do"


@typed("predict {run} photos/red.png broken.png --json", "--json", status=1)
def _(said: Said) -> None:
    assert said.json["run"] == said.names["run"]
    assert [each["file_name"] for each in said.json["images"]] == ["photos/red.png"]
    assert [each["file_name"] for each in said.json["unread"]] == ["broken.png"]


@typed(
    "evaluate {run} --store runs --data shapes=data --gpus none --workers 1 --threads 2 --json",
    *("--store", "--data", "--gpus", "--workers", "--threads", "--json"),
    **TWO_GPUS,
)
def _(said: Said) -> None:
    result = yaml.safe_load((said.folder / "runs" / said.names["run"] / "result.json").read_text())
    assert said.json["run"] == said.names["run"]
    assert said.json["metrics"]["top1"] == result["metrics"]["top1"]
    assert said.json["data"]["folder"] == str(said.folder / "data")
    assert {name: said.json[name] for name in ("gpus", "workers", "threads")} == {
        "gpus": [],
        "workers": 1,
        "threads": 2,
    }
    assert result["provenance"]["hardware"]["threads"] == 1, "so many it has by itself"


@typed("evaluate base.yaml dataset.val_images=8 --weights {weights} --json", "overrides", "--weights")
def _(said: Said) -> None:
    assert (said.json["run"], said.json["weights"]) == (None, said.names["weights"])
    assert said.json["data"]["images"] == 8, "the file says 16"
    assert said.json["match"]["matched"]
    assert not said.json["match"]["missing"]


@typed("evaluate base.yaml task.num_classes=1000 --weights none.pth", status=2)
def _(said: Said) -> None:
    assert "--weights none.pth: no such file" in said.err


# ---------------------------------------------------------------- what looks


@typed("--version", "--version")
def _(said: Said) -> None:
    assert re.fullmatch(r"pvt-exp \d+\.\d+\.\d+\n", said.out)


@typed("plan sweep.yaml optim.lr=5e-3 --store runs --seeds 3,5 --only deeper --json")
def _(said: Said) -> None:
    assert rows(said) == ["depth deeper"]


@typed("plan sweep.yaml --store runs --seeds 0,7 --only deeper --json", "--store", "--seeds", "--only", "--json")
def _(said: Said) -> None:
    assert rows(said) == ["depth deeper"]
    assert [run["state"] for run in said.json["variants"][0]["runs"]] == ["done", "pending"]
    assert said.json["seeds"] == [0, 7]


@typed("plan sweep.yaml optim.lr=5e-3 --json", "overrides")
def _(said: Said) -> None:
    assert said.json["states"] == {"pending": 6}


@typed("plan rich.yaml --json")
def _(said: Said) -> None:
    assert said.json["merged_rows"] == [{"name": "depth deep again", "into": "depth deep"}]
    assert said.json["removed_rows"] == ["rate huge"]
    told = {row["name"]: row for row in said.json["variants"]}
    assert told["depth deep"]["matched"]["field"] == "backbone.embed_dims"
    assert "no backbone.embed_dims" in told["model other"]["unmatched"]
    assert [each["key"] for each in told["base"]["published"]] == ["v1/table2/PVT-Tiny"]


@typed("plan stages.yaml --json")
def _(said: Said) -> None:
    (group,) = said.json["pretrainings"]
    assert [(run["id"], run["state"]) for run in group["runs"]] == [(said.names["first"], "diverged")]
    assert said.json["variants"][0]["runs"][0]["pretraining"] == said.names["first"]


@typed("plan many.yaml --all", "--all")
def _(said: Said) -> None:
    assert "c45" in said.out
    assert "more variants" not in said.out


@typed("plan pets.yaml --json")
def _(said: Said) -> None:
    assert said.json["states"] == {"done": 1}, "where the data lie is not known"


@typed("plan pets.yaml --data pets=pets --json", "--data")
def _(said: Said) -> None:
    assert said.json["states"] == {"stale": 1}, "those are other data than it was trained on"
    line, *_ = said.json["data"][0]["left_out"]["train"]
    assert (line["what"], line["number"], line["examples"]) == ("files ending in .heic", 1, ["train/cat/b.heic"])


@typed("plan sweep.yaml --cost --json", "--cost")
def _(said: Said) -> None:
    costs = {row["name"]: row["params"] for row in said.json["costs"]}
    assert costs["base"] < costs["depth deeper"] < costs["depth deepest"]
    assert said.json["hours"] is None


@typed(
    "plan sweep.yaml --only deeper --calibrate --gpus none --slots 3 --gpus-per-run 2 --workers 1 --threads 3 "
    "--micro-batch 4 --data shapes=data --json",
    *("--calibrate", "--gpus", "--slots", "--gpus-per-run", "--workers", "--threads", "--micro-batch"),
    **TWO_GPUS,
)
def _(said: Said) -> None:
    (row,) = said.json["costs"]
    assert row["throughput"]["step_s"] > 0
    assert row["run_h"] > 0
    due = {"workers": 1, "threads": 3, "micro_batch": 4}
    assert {name: row["throughput"][name] for name in due} == due
    assert said.json["device"]["slots"] == 3
    assert said.json["device"]["name"].startswith("2 x ")
    assert said.json["device"]["name"].endswith(", 3 threads")
    assert said.json["hours"]["left"] == 1


@typed("status")
def _(said: Said) -> None:
    counts = dict(line.strip().split(": ") for line in said.out.splitlines())
    assert (counts["sweep"], counts["earlier"], counts["second"]) == ("3 done", "3 done, 1 failed", "1 diverged")
    assert (counts["base optim.lr=1e-3"], counts["sweep optim.lr=3e-3"]) == ("1 done", "1 done")


@typed(
    "status sweep.yaml --store runs --seeds 0 --only deeper --json", "sweep", "--store", "--seeds", "--only", "--json"
)
def _(said: Said) -> None:
    assert rows(said) == ["depth deeper"]
    (run,) = said.json["variants"][0]["runs"]
    assert (run["state"], run["attempts"]) == ("done", 1)
    assert run["metrics"]["top1"] >= 0


@typed("status sweep.yaml optim.lr=5e-3", "overrides")
def _(said: Said) -> None:
    assert said.out == "sweep: 6 runs: 6 pending\n"


@typed("status --store nowhere", "--store")
def _(said: Said) -> None:
    assert said.out == "nowhere: 0 runs\n"


@typed("runs list --store runs --json", "--store", "--json")
def _(said: Said) -> None:
    told = {run["id"]: run for run in said.json["runs"]}
    assert told[said.names["run"]]["attempts"] == 2
    assert told[said.names["run"]]["sweeps"] == ["earlier", "sweep"]


@typed("runs list --json", how="running")
def _(said: Said) -> None:
    (run,) = [run for run in said.json["runs"] if run["state"] == "running"]
    assert run["id"] == said.names["failed"]
    assert (run["progress"]["epoch"], run["progress"]["fraction"]) == (1, 1.0)


@typed("runs list")
def _(said: Said) -> None:
    assert re.search(rf"{said.names['run']} +done +\w.*, seed \d +top1 [\d.]+ .*earlier, sweep", said.out)
    assert re.search(rf"{said.names['deeper']} +done +depth deeper, seed \d +top1", said.out)
    done = [line for line in said.out.splitlines() if " done " in line]
    assert len({line.index("top1") for line in done}) == 1, "columns are aligned"


@typed("runs show {deeper} --store runs --json", "--store", "--json")
def _(said: Said) -> None:
    assert said.json["settings"]["backbone"]["depths"] == [2, 1, 1, 1]
    assert (said.json["attempts"], [end["state"] for end in said.json["ends"]]) == (1, ["done"])


@typed("runs show {first} --json")
def _(said: Said) -> None:
    (end,) = said.json["ends"]
    assert (end["state"], end["lr"]) == ("diverged", 1e30)
    assert said.json["result"] is None


@typed("runs show {deeper}")
def _(said: Said) -> None:
    assert f"{said.names['deeper']}  done  in sweep" in said.out
    assert "depths: [2, 1, 1, 1]" in said.out
    assert said.out.index("depths: [2, 1, 1, 1]") < said.out.index("top1"), "the result is what stands at the end"


@typed("why {pending} --store runs", "--store")
def _(said: Said) -> None:
    assert f"{said.names['pending']} is pending (of " in said.out
    assert "it has not begun, and no process trains its sweep now; to train it: pvt-exp sweep" in said.out


@typed("why {failed} --store runs")
def _(said: Said) -> None:
    assert f"{said.names['failed']} is failed (of earlier)" in said.out
    assert "--retry failed" in said.out


@typed("why {failed} --json", "--json")
def _(said: Said) -> None:
    assert (said.json["id"], said.json["state"], said.json["sweeps"]) == (said.names["failed"], "failed", ["earlier"])
    assert said.json["attempts"][0]["reason"] == "RuntimeError: the disk was away"
    assert "--retry failed" in said.json["do"]


@typed("models --json", "--json")
def _(said: Said) -> None:
    params = {each["preset"]: round(each["params"] / 1e6, 1) for each in said.json if each["kind"] == "pvt"}
    assert len(params) == 11
    assert (params["pvt_tiny"], params["pvt_v2_b0"], params["pvt_v2_b5"]) == (13.2, 3.7, 82.0), "as the papers print"


@typed("models")
def _(said: Said) -> None:
    assert re.search(r"pvt +pvt_v2_b2_li +22\.55 +3\.89", said.out)


@typed("published v1/table2 --json", "beginning", "--json")
def _(said: Said) -> None:
    assert said.json
    assert all(each["key"].startswith("v1/table2") for each in said.json)
    assert {each["key"]: each["metrics"]["top1"] for each in said.json}["v1/table2/PVT-Small"] == 79.8


@typed("published")
def _(said: Said) -> None:
    assert "v2/table" in said.out
    assert "v1/table2/PVT-Small" in said.out


@typed(
    "init project --task classification --data animals=pets --name first",
    *("folder", "--task", "--data", "--name"),
)
def _(said: Said) -> None:
    run = yaml.safe_load((said.folder / "project/experiments/first.yaml").read_text())
    assert run["dataset"] == {"kind": "image_folder", "name": "animals"}
    assert run["task"]["num_classes"] == 2
    assert yaml.safe_load((said.folder / "project/site.yaml").read_text()) == {
        "data": {"animals": str(said.folder / "pets")}
    }
    assert "new: project/sweeps/first.yaml" in said.out
    assert "next: cd project && pvt-exp plan sweeps/first.yaml --cost" in said.out


@typed("init project --task classification --data animals=pets --name first", status=2)
def _(said: Said) -> None:
    assert "project/experiments/first.yaml is there already, and nothing was written" in said.err


@typed("init other --data pets=pets --data data=data", status=2)
def _(said: Said) -> None:
    assert "--data data=data: a study begins with one data set" in said.err
    assert not (said.folder / "other").exists()


@typed("init other --json", "--json")
def _(said: Said) -> None:
    assert said.json["task"] == "classification"
    assert said.json["dataset"]["kind"] == "shapes"
    assert all((said.folder / "other" / path).is_file() for path in said.json["new"])
    assert "sweeps/shapes.yaml" in said.json["new"]


@typed("schema --out schemas", "--out")
def _(said: Said) -> None:
    there = {path.name: path for path in (said.folder / "schemas").iterdir()}
    assert {"run.json", "sweep.json", "report.json"} <= set(there)
    assert "backbone" in yaml.safe_load(there["run.json"].read_text())["properties"]
    assert "schemas/run.json\n" in said.out


@typed("schema --out schemas --json", "--json")
def _(said: Said) -> None:
    assert sorted(said.json["files"]) == [
        f"schemas/{path.name}" for path in sorted((said.folder / "schemas").iterdir())
    ]


@typed("dashboard sweep.yaml optim.lr=5e-3 --storage sqlite:///empty.db", "overrides")
def _(said: Said) -> None:
    assert "0 trials in the study sweep" in said.out


@typed(
    "dashboard sweep.yaml --store runs --seeds 0 --only deeper --storage sqlite:///studies.db",
    *("--store", "--seeds", "--only", "--storage"),
)
def _(said: Said) -> None:
    assert "1 trial in the study sweep" in said.out
    assert (said.folder / "studies.db").stat().st_size


@typed("dashboard sweep.yaml --seeds 0 --storage sqlite:///studies.db --json", "--json")
def _(said: Said) -> None:
    assert (said.json["studies"], said.json["storage"]) == (["sweep"], "sqlite:///studies.db")
    assert said.json["address"] is None


@typed("dashboard sweep.yaml --host 127.0.0.2 --port 0", "--host", "--port", how="page")
def _(said: Said) -> None:
    found = re.search(r"at http://127\.0\.0\.2:(\d+)/dashboard", said.out)
    assert found is not None, "the host is 127.0.0.1 by itself"
    assert found[1] != "8080"
    assert "sweep" in said.names["page"]


@typed("dashboard sweep.yaml --port 0 --json", how="page")
def _(said: Said) -> None:
    assert (said.json["sweep"], said.json["storage"]) == ("sweep", None)
    assert said.json["address"].startswith("http://127.0.0.1:")
    assert "sweep" in said.names["page"]


# ---------------------------------------------------------------- tables


@typed("report sweep.yaml --store runs --seeds 0 --out papers", "--store", "--seeds", "--out")
def _(said: Said) -> None:
    text = (said.folder / "papers/sweep/table.seeds-0.csv").read_text()
    cells = {row["variant"]: row for row in csv.DictReader(io.StringIO(text))}
    assert set(cells) == {"base", "deeper", "deepest"}
    result = yaml.safe_load((said.folder / "runs" / said.names["deeper"] / "result.json").read_text())
    assert float(cells["deeper"]["top1"]) == result["metrics"]["top1"]
    assert cells["deeper"]["runs"] == said.names["deeper"]
    assert "papers/sweep/table.seeds-0.tex" in said.out
    assert "\\begin{tabular}" in (said.folder / "papers/sweep/tabular.seeds-0.tex").read_text()
    shutil.copytree(said.folder / "papers", said.folder / "papers before")


@typed("report sweep.yaml --seeds 0 --out fit --latex fit", "--latex")
def _(said: Said) -> None:
    assert "It measures itself (--latex fit)" in (said.folder / "fit/sweep/table.seeds-0.tex").read_text()


@typed("report sweep.yaml --seeds 0 --out fit --check")
def _(said: Said) -> None:
    assert "fit/sweep: equal to what runs gives" in said.out


@typed("report sweep.yaml --seeds 0 --out papers --check", "--check")
def _(said: Said) -> None:
    assert "papers/sweep: equal to what runs gives" in said.out


@typed("report sweep.yaml --only deeper --seeds 0 --out papers --json", "--only", "--json")
def _(said: Said) -> None:
    (group,) = said.json["groups"]
    assert [run["run"] for row in group["rows"] for run in row["runs"]] == [said.names["deeper"]]
    assert "deepest" in (said.folder / "papers/sweep/table.seeds-0.csv").read_text(), "which is as it was"


@typed("report sweep.yaml --seeds 0 --best --out papers", "--best")
def _(said: Said) -> None:
    assert "at each run's best epoch, which is optimistic" in " ".join(said.out.split())
    folder = said.folder / "papers/sweep"
    made = {path.name for path in folder.glob("*.best*")}
    assert made == set(BEST)
    assert {line.rpartition("/")[2] for line in said.out.splitlines() if line.startswith("papers/")} == made
    cells = {row["variant"]: row for row in csv.DictReader(io.StringIO((folder / BEST[0]).read_text()))}
    result = yaml.safe_load((said.folder / "runs" / said.names["deeper"] / "result.json").read_text())
    assert float(cells["deeper"]["top1"]) == result["best"]["metrics"]["top1"]
    for name in BEST[1:4]:
        assert "which is optimistic" in " ".join((folder / name).read_text().split())
    for path in (said.folder / "papers before/sweep").iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes(), "the paper's table is as it was"


@typed("report pets.yaml --data pets=pets --out elsewhere", "--data", status=1)
def _(said: Said) -> None:
    assert "1 stale" in said.err, "those are other data than it was trained on"


@typed("report sweep.yaml optim.lr=5e-3 --out elsewhere", "overrides", status=1)
def _(said: Said) -> None:
    assert "6 pending" in said.err


@typed("report sweep.yaml --seeds 0 --out papers --figures", "--figures", status=FIGURES)
def _(said: Said) -> None:
    if said.status:
        assert "--figures needs matplotlib: pip install 'pvt-exp[figures]'" in said.err
        return
    assert all((said.folder / f"papers/sweep/{name}.seeds-0.png").stat().st_size for name in ("curves", "cost"))


@typed("report page.yaml --out papers")
def _(said: Said) -> None:
    assert "Two tables" in (said.folder / "papers/page/index.html").read_text()


@typed("report compared.yaml --out papers --json")
def _(said: Said) -> None:
    kinds = [[column["kind"] for column in table["columns"]] for table in said.json["tables"]]
    assert "deviation" in kinds[0]
    assert {"interval", "difference"} <= set(kinds[1])


@typed("report sweep.yaml --out papers --seeds 0 --check --json")
def _(said: Said) -> None:
    assert said.json["equal"]


@typed("report sweep.yaml optim.lr=5e-3 --out papers/page --check --json", status=1)
def _(said: Said) -> None:
    (table,) = said.json["tables"]
    assert table["not_asked"][said.names["deeper"]] == 0
    told = [each for each in table["differences"] if (each["row"], each["column"]) == ("deeper", "runs")]
    assert [said.names["deeper"] in each["committed"] for each in told] == [True]


# ---------------------------------------------------------------- what keeps order


@typed("stop sweep --store driven", "--store", how="driven")
def _(said: Said) -> None:
    assert "asked process" in said.out
    assert "sweep is stopped; the same command continues it" in said.out


@typed("stop sweep.yaml --store driven --json", "--json", how="driven")
def _(said: Said) -> None:
    assert (said.json["sweep"], said.json["stopped"]) == ("sweep", True)
    assert [each["stopped"] for each in said.json["drivers"]] == [True]


@typed("clean sweep.yaml --store runs", "named", "--store")
def _(said: Said) -> None:
    assert f"runs/{said.names['failed']}" in said.out
    assert f"runs/{said.names['run']}" not in said.out
    assert (said.folder / "runs" / said.names["failed"]).exists()


@typed("clean sweep.yaml --json", "--json")
def _(said: Said) -> None:
    assert f"runs/{said.names['failed']}" in [each["path"] for each in said.json["folders"]]
    assert not said.json["removed"]


# ---------------------------------------------------------------- W&B


@typed("wandb sync --dry-run --store runs", "--dry-run", "--store")
def _(said: Said) -> None:
    for run in (said.names["single"], said.names["of_wandb"]):
        assert re.search(rf"^{run}: .*offline-run-", said.out, re.MULTILINE)
    assert said.out.endswith("\n2 runs to upload\n")


@typed("wandb sync --dry-run --json", "--json")
def _(said: Said) -> None:
    told = {run["name"]: run for run in said.json["runs"]}
    assert set(told) == {said.names["single"], said.names["of_wandb"]}
    assert [run["uploaded"] for run in told.values()] == [False, False]
    assert all((said.folder / part).is_dir() for run in told.values() for part in run["parts"])
    assert "2 runs to upload" in said.err


@typed("wandb sync --limit 1 --json", "--limit", status=1, how="lost server")
def _(said: Said) -> None:
    assert all(run["reason"].startswith("not done after 1 s") for run in said.json["runs"]), "it would be 900"
    assert "0 of 2 runs are uploaded" in said.err


@typed("wandb sync --at-once 1", "--at-once", how="server")
def _(said: Said) -> None:
    assert "\n2 of 2 runs are uploaded\n" in said.out
    assert said.names["at once"] == "1", "it would be 2"


@typed(
    "wandb sweep sweep.yaml optim.lr=6e-3 --store runs --seeds 4 --only deeper --data shapes=data --gpus none --workers 1 "
    "--threads 3 --micro-batch 4 --keep none --retry failed --print",
    *("overrides", "--store", "--seeds", "--only", "--data", "--gpus", "--workers", "--micro-batch", "--keep"),
    *("--retry", "--print", "--threads"),
)
def _(said: Said) -> None:
    told = yaml.safe_load(said.out)
    assert len(told["parameters"]["run"]["values"]) == 1
    command = " ".join(told["command"])
    for words in ("optim.lr=6e-3", "--store runs", "--seeds 4", "--data shapes=data", "--gpus none", "--workers 1"):
        assert words in command
    for words in ("--threads 3", "--micro-batch 4", "--keep none", "--retry failed"):
        assert words in command


@typed("wandb sweep sweep.yaml --seeds 4 --out yaml", "--out", how="server")
def _(said: Said) -> None:
    assert "yaml/sweep/wandb_sweep.yaml: 3 of 3 runs" in said.out
    assert "wandb agent" in said.out
    assert len(yaml.safe_load(said.names["registered"])["parameters"]["run"]["values"]) == 3


@typed("wandb sweep sweep.yaml --seeds 4 --out yaml --json", "--json", how="server")
def _(said: Said) -> None:
    assert said.json["configuration"]["parameters"]["run"]["values"] == [f"runs/{run}" for run in said.json["left"]]
    assert (said.json["runs"], len(said.json["left"])) == (3, 3)
    assert said.json["file"] == "yaml/sweep/wandb_sweep.yaml"
    assert re.fullmatch(r"wandb agent \S+", said.json["agent"])


@typed("wandb sweep sweep.yaml --seeds 0 --json")
def _(said: Said) -> None:
    assert (said.json["left"], said.json["configuration"]) == ([], None)
    assert "there is nothing to register" in said.err


# ---------------------------------------------------------------- last, as it replaces and removes


@typed(
    "retrain {deeper} --store runs --data shapes=data --gpus none --slots 1 --memory-gb 40 --gpus-per-run 1 --workers 1 "
    "--threads 2 --micro-batch 8 --keep none --checkpoint-minutes 7 --wandb disabled --json",
    *("run_ids", "--json", "--store", "--data", "--gpus", "--slots", "--memory-gb", "--workers", "--micro-batch"),
    *("--keep", "--checkpoint-minutes", "--wandb", "--gpus-per-run", "--threads"),
    **TWO_GPUS,
)
def _(said: Said) -> None:
    assert "sweep: the run is done" in said.err
    run = said.names["deeper"]
    (told,) = said.json["runs"]
    assert (told["id"], told["state"], len(told["set_aside"])) == (run, "done", 1)
    assert len(list((said.folder / "runs" / run).glob("result.set-aside-*.json"))) == 1
    newest = max(int(path.name) for path in (said.folder / "runs" / run / "attempts").iterdir())
    placed = placement(said, run, newest)
    due = {"gpus": [], "ranks": 1, "workers": 1, "micro_batch": 8, "keep": "none", "checkpoint_minutes": 7.0}
    due["threads"] = 2
    assert {name: placed[name] for name in due} == due
    assert placed["memory_gb"] == 40.0
    assert placed["tracking"]["mode"] == "disabled"
    assert placed["data"] == str(said.folder / "data")
    made = yaml.safe_load((said.folder / "runs" / run / "result.json").read_text())
    assert made["provenance"]["attempt"] == newest


@typed("runs remove {deeper} --store runs --yes", "run_ids", "--store", "--yes")
def _(said: Said) -> None:
    assert f"runs/{said.names['deeper']}" in said.out
    assert "MB: removed" in said.out
    assert not (said.folder / "runs" / said.names["deeper"]).exists()
    assert (said.folder / "runs" / said.names["run"]).exists()


@typed("runs remove {single} --yes --json", "--json")
def _(said: Said) -> None:
    (told,) = said.json["runs"]
    assert (told["path"], told["state"], told["removed"]) == (f"runs/{said.names['single']}", "done", True)
    assert said.json["removed"]
    assert "MB: removed" in said.err
    assert not (said.folder / "runs" / said.names["single"]).exists()


@typed("run base.yaml optim.lr=7e-3")
def _(said: Said) -> None:
    assert "done" in said.out


@typed("clean sweep.yaml --remove --json", "--remove")
def _(said: Said) -> None:
    kept = {tuple(change for use in each["uses"] for change in use["changes"]): each for each in said.json["finished"]}
    assert (said.folder / kept[("optim.lr=7e-3",)]["path"] / "result.json").exists()
    assert not (said.folder / "runs" / said.names["failed"]).exists()


@typed("clean sweep.yaml --remove --finished --json", "--finished")
def _(said: Said) -> None:
    assert said.json["finished"]
    assert not any((said.folder / gone["path"]).exists() for gone in said.json["finished"])
    assert (said.folder / "runs" / said.names["run"]).exists()
