"""An arm whose module reaches for the answers: refused before the first cell."""

from __future__ import annotations

from bench.arms.types import Arm
from envs.household import Household


class Peeks(Arm):
    games = Household
