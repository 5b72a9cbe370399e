"""Episodes on pages, kept as strips of pictures: one before the first action, one after each."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from envs.errors import Missing, UserError, clip
from envs.types import Action, Env, Episode, Score, Split, Step, Task, ToolSpec

if TYPE_CHECKING:
    from PIL import Image

FRAMES_MOST = 30
"""Pictures of a strip at most: the first ones."""
WIDE_MOST = 340
"""Pixels that a picture is wide at most; larger ones are made smaller."""
MARGIN = 4
"""Pixels that are left around what stands on pages."""
CAPTION, GAP = 30, 6
"""Pixels of the words under a picture, and between pictures."""
CARD = (220, 160)
"""Pixels of what stands for a picture that could not be taken."""


@runtime_checkable
class Shows(Protocol):
    """An episode that can be looked at."""

    def shot(self) -> bytes:
        """What stands there as a PNG; empty where no picture can be taken."""
        ...


class Frame(NamedTuple):
    """One picture of a strip."""

    png: bytes
    """What stood there; empty: no picture could be taken."""
    said: str
    """The action that led to it; empty: none."""
    told: str = ""
    """What was observed, to be read where there is no picture."""


Keep = Callable[[Task, Sequence[Frame]], None]


class Filmed:
    """An environment whose episodes leave `FOLDER/TASK.png` behind when they are closed.

    Raises `UserError` when a task is opened that can't be looked at.
    """

    def __init__(self, env: Env, *, folder: Path) -> None:
        self.name = env.name
        self.left: list[Path] = []
        """The strips that were written, in order."""
        self._env = env
        self._folder = folder

    def tasks(self, split: Split) -> Sequence[Task]:
        """Those of the environment."""
        return self._env.tasks(split)

    def open(self, task: Task, *, seed: int | None = None) -> Episode:
        """Begins an attempt, and takes the first picture."""
        episode = self._env.open(task, seed=seed)
        if not isinstance(episode, Shows):
            episode.close()
            raise UserError(
                f"{self.name} has no pages to show", repair="leave --show out, or run miniwob"
            )
        return FilmedEpisode(episode, keep=self._keep)

    def close(self) -> None:
        """Closes the environment."""
        self._env.close()

    def _keep(self, task: Task, frames: Sequence[Frame]) -> None:
        name = re.sub(r"[^\w.-]+", "-", task.id)
        path, number = self._folder / f"{name}.png", 1
        while path.exists():
            number += 1
            path = self._folder / f"{name}-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(strip(frames))
        self.left.append(path)


class FilmedEpisode:
    """An episode that is looked at after each action."""

    def __init__(self, episode: Episode, *, keep: Keep) -> None:
        self.task = episode.task
        self.first = episode.first
        self._episode = episode
        self._keep = keep
        self._frames: list[Frame] = []
        self._look("", episode.first.observation)

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """Those of the episode."""
        return self._episode.tools

    def step(self, action: Action) -> Step:
        """Does it, then looks."""
        step = self._episode.step(action)
        self._look(action.text or str(action.tool), step.observation)
        return step

    def score(self) -> Score | None:
        """The episode's."""
        return self._episode.score()

    def close(self) -> None:
        """Closes the episode, and writes the strip."""
        self._episode.close()
        frames, self._frames = self._frames, []
        if frames:
            self._keep(self.task, frames)

    def _look(self, said: str, told: str) -> None:
        if len(self._frames) < FRAMES_MOST and isinstance(self._episode, Shows):
            self._frames.append(Frame(self._episode.shot(), said, told))


def strip(frames: Sequence[Frame]) -> bytes:
    """Pictures side by side with the action that led to each under it, as a PNG.

    Raises `Missing` without Pillow.
    """
    try:
        from PIL import Image, ImageChops, ImageDraw
    except ImportError as error:
        raise Missing("strips need the package pillow", repair="pip install pillow") from error
    pictures = [
        (Image.open(io.BytesIO(one.png)).convert("RGB") if one.png else _card(one.told), one.said)
        for one in frames
    ]
    boxes = []
    for picture, _ in pictures:
        plain = Image.new("RGB", picture.size, picture.getpixel(_corner(picture.size)))
        boxes.append(ImageChops.difference(picture, plain).getbbox())
    pictures = [(_cropped(one, boxes, size=pictures[0][0].size), said) for one, said in pictures]
    for picture, _ in pictures:
        picture.thumbnail((WIDE_MOST, WIDE_MOST * 4))
    width = sum(picture.width + GAP for picture, _ in pictures) + GAP
    height = max(picture.height for picture, _ in pictures) + CAPTION + GAP
    sheet = Image.new("RGB", (width, height), "white")
    pen, left = ImageDraw.Draw(sheet), GAP
    for number, (picture, said) in enumerate(pictures):
        sheet.paste(picture, (left, GAP))
        words = f"{number}. {said}" if said else "at first"
        room = max(picture.width // 6, 8)
        pen.text((left, GAP + picture.height + 2), clip(words, most=room), fill="black")
        left += picture.width + GAP
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _card(told: str) -> Image.Image:
    """What was observed, to be read: a page that asks something can't be photographed."""
    from PIL import Image, ImageDraw

    lines = [part for line in told.splitlines()[1:] if line.strip() for part in wrap(line, 34)]
    card = Image.new("RGB", CARD, "#eee")
    text = "\n".join(lines[: (CARD[1] - 2 * GAP) // 15])
    ImageDraw.Draw(card).multiline_text((GAP, GAP), text, fill="black")
    return card


def _corner(size: tuple[int, int]) -> tuple[int, int]:
    """The pixel at the lower right, where pages show nothing but their ground."""
    return size[0] - 1, size[1] - 1


def _cropped(
    picture: Image.Image,
    boxes: Sequence[tuple[int, int, int, int] | None],
    *,
    size: tuple[int, int],
) -> Image.Image:
    """The part in which something stands in any of the pictures, the same part of all of them."""
    found = [box for box in boxes if box]
    if picture.size != size or not found:
        return picture
    left, top = (max(0, min(box[n] for box in found) - MARGIN) for n in (0, 1))
    right, low = (
        min(most, max(box[n] for box in found) + MARGIN) for n, most in ((2, size[0]), (3, size[1]))
    )
    return picture.crop((left, top, right, low))
