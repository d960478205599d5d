"""A reader can follow what a file cites: a document of this repository, or a public one, never somebody's notes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.sources import CHECKOUT, text_folders

ADVICE = 'cite an AWS page, "observed" (a recorded answer of AWS) or "ours"'

# Put together from parts, so that this file does not hold them itself.
NOTES = re.compile(
    "|".join(
        (
            r"kms[- ]" + "facts",
            r"\bhouse " + "rules?",
            r"\bproject's " + "notes",
            r"\bthe " + "(?:sheet|brief)" + r"\b",
            r"\bissue " + "#?[0-9]",
            # A standard's appendix is public; one of nothing in particular is a note's.
            r"^(?!.*\b(?:RFC|FIPS|SP 800|ANSI)\b).*\bAppendix " + "[AB]",
        )
    ),
    re.IGNORECASE | re.MULTILINE,
)
URL = re.compile(r"https?://\S+")
PAGE = re.compile(r"[\w./-]*\w\.md\b")


def unfollowable(text: str, folder: Path) -> list[str]:
    """The citations in `text` that lead nowhere: `line: what`. `folder` is the citing file's, in the checkout."""
    text = URL.sub("", text)
    found = [(match.start(), match.group()) for match in NOTES.finditer(text)]
    for match in PAGE.finditer(text):
        page = match.group().removeprefix("/")
        if not (CHECKOUT / page).is_file() and not (CHECKOUT / folder / page).is_file():
            found.append((match.start(), page))
    return [f"{text.count(chr(10), 0, start) + 1}: {what}" for start, what in sorted(found)]


@pytest.mark.parametrize("folder", text_folders())
def test_what_a_file_cites_is_here_or_public(folder):
    texts = {path: (CHECKOUT / path).read_text(encoding="utf-8") for path in text_folders()[folder]}
    found = [f"{path}:{what}" for path, text in texts.items() for what in unfollowable(text, path.parent)]
    assert found == [], ADVICE


@pytest.mark.parametrize(
    "text",
    [
        "Source: kms-" + "facts 9.4",
        "Source: House " + "rule (ours).",
        "by the project's " + "notes",
        "as the " + "sheet says",
        "which the " + "brief wants",
        "see issue " + "2",
        "recorded answers (Appendix " + "A1)",
        "Source: authorization" + ".md 1.2.",
        "the words of design/house" + ".md",
    ],
)
def test_the_scan_finds_a_citation_that_leads_nowhere(text):
    assert [found.partition(":")[0] for found in unfollowable(f"\n{text}\n", Path("tests"))] == ["2"]


@pytest.mark.parametrize(
    "text",
    [
        'Source: KMS Developer Guide, "Key states of AWS KMS keys"; texts observed.',
        "Source: RFC 8032, Appendix B.",
        "see `regionsim/ARCHITECTURE.md`",
        "https://github.com/Shopify/toxiproxy/blob/main/CHANGELOG.md",
        "no issue was found; the sheets of the house",
    ],
)
def test_the_scan_lets_other_citations_be(text):
    assert unfollowable(text, Path("tests")) == []


def test_a_page_may_be_named_from_its_own_folder():
    page = "FIDELITY" + ".md"
    assert unfollowable(page, Path("regionsim")) == []
    assert unfollowable(page, Path("tests")) == [f"1: {page}"]
