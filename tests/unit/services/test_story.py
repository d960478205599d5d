"""Services from Python: a story in virtual time, its errors, and the one that the README tells."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import regionsim
from regionsim.names.mistakes import ConfigError
from regionsim.services.story import StoryWorld

README = Path(__file__).parents[3] / "README.md"


def test_the_story_of_the_readme_is_true(tmp_path: Path) -> None:
    (code,) = re.findall(
        r"<!-- example: a story -->\n```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    )
    (tmp_path / "story.py").write_text(code, encoding="utf-8")
    runpy.run_path(str(tmp_path / "story.py"))


def test_a_story_has_two_regions_other_people_and_an_end() -> None:
    async def story(world: StoryWorld) -> str:
        key = (await world.kms("CreateKey", at="eu-west-1"))["KeyMetadata"]["KeyId"]
        await world.ask("ssm", "PutParameter", at="eu-west-1", Name="p", Value="v", KeyId=key)
        denied = await world.ask("ssm", "GetParameter", at="eu-west-1", by="guest", Name="p")
        assert denied.error == "AccessDeniedException"
        with pytest.raises(regionsim.KmsRefusal, match="DisableKey: AccessDeniedException") as refused:
            await world.kms("DisableKey", at="eu-west-1", by="guest", KeyId=key)
        assert refused.value.code == "AccessDeniedException"
        before = world.seconds
        await world.wait(hours=1, minutes=1, seconds=1)
        assert round(world.seconds - before) == 3_661
        with pytest.raises(KeyError):
            await world.ask("s4", "GetObject")
        return "over"

    assert regionsim.run_story(story, regions=["us-east-1", "eu-west-1"]) == "over"


def test_the_same_seed_plays_the_same_story() -> None:
    async def story(world: StoryWorld) -> tuple[str, float]:
        key = (await world.kms("CreateKey"))["KeyMetadata"]["KeyId"]
        return key, world.seconds

    assert (
        regionsim.run_story(story, seed=5) == regionsim.run_story(story, seed=5) != regionsim.run_story(story, seed=6)
    )


def test_a_region_that_is_none_and_a_fault_that_is_none() -> None:
    async def story(world: StoryWorld) -> None:
        with world.fault("region_out", region="us-east-1"):
            pass

    with pytest.raises(ConfigError, match="us-east-9"):
        regionsim.run_story(story, regions=["us-east-9"])
    with pytest.raises(regionsim.RegionsimError, match="region_out"):
        regionsim.run_story(story)
