"""Every launcher keeps its contract: three runs, one ends well, one fails, one is killed; each is reported right."""

import pytest

from pvt_exp.testing import LauncherContract
from tests.examples import ours, smallest


class TestEveryLauncher(LauncherContract):
    @pytest.fixture(params=ours("launchers"), autouse=True)
    def example(self, request: pytest.FixtureRequest) -> None:
        self.settings = smallest("launchers", request.param)
