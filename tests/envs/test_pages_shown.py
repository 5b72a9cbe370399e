"""Strips of pictures: one before the first action, one after each."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from envs.errors import UserError
from envs.pages_shown import Filmed, Frame, strip
from envs.toy import Toy, ToyEpisode
from envs.types import Action, Episode, Split, Task


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 50), colour).save(buffer, "PNG")
    return buffer.getvalue()


class Seen(ToyEpisode):
    """A toy with a face."""

    def shot(self) -> bytes:
        return png("red")


class SeenToy:
    name = "toy"

    def tasks(self, split: Split) -> Sequence[Task]:
        return Toy().tasks(split)

    def open(self, task: Task, *, seed: int | None = None) -> Episode:
        return Seen(task, homes=dict.fromkeys(("spoon", "key"), "red"), seed=seed or 0)

    def close(self) -> None:
        """Nothing to free."""


def test_an_episode_leaves_a_strip_and_never_writes_over_one(tmp_path: Path) -> None:
    filmed = Filmed(SeenToy(), folder=tmp_path / "shows")
    task = filmed.tasks("train")[0]
    for _ in range(2):
        episode = filmed.open(task)
        episode.step(Action(text="open red drawer"))
        episode.close()
        episode.close()
    assert [path.name for path in filmed.left] == [
        "train-0-" + task.tags[1] + end for end in (".png", "-2.png")
    ]
    with Image.open(filmed.left[0]) as sheet:
        assert sheet.width == 2 * 40 + 3 * 6


def test_what_has_no_page_is_refused(tmp_path: Path) -> None:
    toy = Toy()
    with pytest.raises(UserError, match="toy has no pages to show"):
        Filmed(toy, folder=tmp_path).open(toy.tasks("train")[0])


def test_where_no_picture_can_be_taken_what_was_observed_can_be_read() -> None:
    told = 'click button "x": done\n\ndialog "Really?"\n  button "OK"'
    frames = [Frame(png("red"), ""), Frame(b"", 'click button "x"', told)]
    with Image.open(io.BytesIO(strip(frames))) as sheet:
        assert sheet.height == 160 + 36
        card = sheet.convert("L").crop((sheet.width - 6 - 220, 6, sheet.width - 6, 166))
        assert sum(card.histogram()[:60]) > 50, "words stand on it"
        assert card.histogram()[238] > 0.8 * 220 * 160, "the ground is light"


def spotted(box: tuple[int, int, int, int]) -> bytes:
    """A grey picture of 300 x 200 with one box in it."""
    buffer = io.BytesIO()
    picture = Image.new("RGB", (300, 200), "grey")
    picture.paste("white", box)
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def test_the_ground_around_pages_is_left_out_of_all_pictures_alike() -> None:
    frames = [
        Frame(spotted((10, 10, 60, 50)), ""),
        Frame(spotted((20, 20, 110, 90)), "click"),
    ]
    with Image.open(io.BytesIO(strip(frames))) as sheet:
        assert sheet.size == (2 * 108 + 3 * 6, 88 + 30 + 6)
