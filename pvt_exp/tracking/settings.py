"""W&B's mode, project and entity, from the command line, the environment and `site.yaml`."""

import os

from pvt_exp.config import ConfigError
from pvt_exp.config.placement import Site, Tracking
from pvt_exp.tracking import server

FORBIDDEN = frozenset("/\\#?%:")
"""In the name of a project of W&B's."""


def chosen(mode: str | None, site: Site) -> Tracking:
    """W&B's settings here: ``--wandb``, ``$WANDB_MODE``, `site.yaml`, else online with an API key and offline without.

    Raises:
        ConfigError: for a mode that does not exist.
    """
    settings = site.wandb or Tracking()
    fixed = site.wandb.mode if site.wandb and "mode" in site.wandb.model_fields_set else None
    chosen = mode or os.environ.get("WANDB_MODE") or fixed or ("offline" if server.api_key() is None else "online")
    if chosen not in ("online", "offline", "disabled"):
        raise ConfigError(f"{'--wandb' if mode else 'WANDB_MODE'} {chosen}: one of online, offline, disabled")
    where = {} if chosen == "disabled" else _project(settings, os.environ.get("WANDB_PROJECT"))
    return settings.model_copy(update={"mode": chosen, **where})


def _project(settings: Tracking, named: str | None) -> dict[str, str | None]:
    """W&B's project and entity, of ``PROJECT`` or ``ENTITY/PROJECT``."""
    project = named or settings.project
    entity, slash, rest = project.partition("/")
    found: dict[str, str | None] = (
        {"entity": entity, "project": rest} if slash else {"entity": settings.entity, "project": project}
    )
    if not found["project"] or (slash and not entity) or FORBIDDEN.intersection(found["project"]):
        where = "WANDB_PROJECT" if named else "site.yaml: wandb.project:"
        raise ConfigError(
            f"{where} {project}: write PROJECT or ENTITY/PROJECT, without any of {' '.join(sorted(FORBIDDEN))}"
        )
    return found
