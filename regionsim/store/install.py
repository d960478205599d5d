"""What a Region's file holds before the Region boots for the first time."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from regionsim.store import queries
from regionsim.store.database import FileSettings, open_database
from regionsim.store.schema import migrate
from regionsim.store.values import Commit


def install(path: Path, *, region: str, commit: Commit) -> None:
    """Write one commit into the file of `region`, which nobody has open, and close it.

    Errors: ConfigError for a file that is not this Region's; AssertionError when it has one of the keys already.
    """
    settings = FileSettings(path=path, region=region, is_durable=True, keeps_log=False)
    with closing(open_database(settings)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        migrate(raw, region=region)
        queries.apply_commit(raw, commit)
        raw.execute("COMMIT")
