"""A multi-Region AWS Key Management Service that you can break.

    import regionsim

    result = regionsim.run("scenarios/primary-outage.yaml", seed=7)
    assert result.verdict == "ok"

Names are imported when they are first used, so that `import regionsim` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from regionsim.endpoint.background import ServedWorld, serve
    from regionsim.hsm.algorithms.enclaves import Enclave, EnclavePlatform
    from regionsim.names.mistakes import ConfigError, RegionsimError
    from regionsim.scenario.errors import ScenarioError
    from regionsim.scenario.results import RunResult, Verdict
    from regionsim.scenario.run import run
    from regionsim.services.story import KmsRefusal, StoryWorld, run_story

__version__ = "0.1.0"

__all__ = [
    "ConfigError",
    "Enclave",
    "EnclavePlatform",
    "KmsRefusal",
    "RegionsimError",
    "RunResult",
    "ScenarioError",
    "ServedWorld",
    "StoryWorld",
    "Verdict",
    "__version__",
    "run",
    "run_story",
    "serve",
]

_HOMES = {
    "ConfigError": "regionsim.names.mistakes",
    "Enclave": "regionsim.hsm.algorithms.enclaves",
    "EnclavePlatform": "regionsim.hsm.algorithms.enclaves",
    "KmsRefusal": "regionsim.services.story",
    "RegionsimError": "regionsim.names.mistakes",
    "RunResult": "regionsim.scenario.results",
    "ScenarioError": "regionsim.scenario.errors",
    "ServedWorld": "regionsim.endpoint.background",
    "StoryWorld": "regionsim.services.story",
    "Verdict": "regionsim.scenario.results",
    "run": "regionsim.scenario.run",
    "run_story": "regionsim.services.story",
    "serve": "regionsim.endpoint.background",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'regionsim' has no attribute '{name}'")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
