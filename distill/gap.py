"""Whether a model's own verifying is better than its own doing: without that, nothing is gained.

Source: Song et al. 2024, Mind the Gap: Examining the Self-Improvement Capabilities of Large
Language Models, arXiv 2412.02674 (catalogue row `generation-verification-gap`): self-improvement
is to generate, verify, filter and distil, and what it can give is the accuracy of what the filter
lets through less the accuracy of what was generated. Measured on runs whose outcome is known and
that nothing is trained on.
"""

from __future__ import annotations

from collections.abc import Iterable

from envs.errors import Refused
from envs.types import Frozen
from memory.intervals import newcombe, wilson
from memory.types import Trajectory

ENOUGH = 20
"""Held-out tasks from which a gap that is not positive says that there is none."""


class Gap(Frozen):
    """A generator and its filter on a labelled hold-out."""

    runs: int
    """Answers or runs, one a task."""
    won: int
    """Those that are right."""
    kept: int
    """Those that the verifier accepts."""
    kept_won: int
    """Of those, the right ones."""

    @property
    def generator(self) -> float | None:
        """Accuracy of what is generated; None without runs."""
        return self.won / self.runs if self.runs else None

    @property
    def filtered(self) -> float | None:
        """Accuracy of what the verifier accepts; None where it accepts nothing."""
        return self.kept_won / self.kept if self.kept else None

    @property
    def difference(self) -> float | None:
        """Filtered less generator; None where one of them is."""
        if self.generator is None or self.filtered is None:
            return None
        return self.filtered - self.generator

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the difference, at this share of accepted runs.

        What is generated is made up of accepted and rejected runs, so the difference is the share
        of the rejected times (accuracy among the accepted less that among the rejected), and that
        is a difference of two independent rates (Newcombe's interval). (-1, 1): nothing is known.
        """
        rejected = self.runs - self.kept
        if not self.kept:
            return -1.0, 1.0
        if not rejected:
            return 0.0, 0.0
        low, high = newcombe((self.kept_won, self.won - self.kept_won), (self.kept, rejected))
        share = rejected / self.runs
        return share * low, share * high

    @property
    def positive(self) -> bool:
        """Whether the interval lies above zero."""
        return self.interval[0] > 0

    def said(self) -> str:
        """In words."""
        if self.generator is None:
            return "no runs with an outcome"
        low, high = wilson(self.won, self.runs)
        told = f"generator {self.won}/{self.runs} ({low:.0%} to {high:.0%})"
        if self.filtered is None or self.difference is None:
            return f"{told}; the verifier accepts none of it"
        from_, to = self.interval
        return (
            f"{told}, after the verifier {self.kept_won}/{self.kept}: "
            f"{self.difference:+.1%} ({from_:+.1%} to {to:+.1%})"
        )


def gap(runs: Iterable[Trajectory]) -> Gap:
    """The gap on runs with a score: the first at each task counts, so that cases are independent.

    Accepted is what the verifier's last verdict accepted; unknown counts as rejected, since such a
    run would not be trained on. Raises `Refused` for train runs: they are no hold-out.
    """
    first: dict[str, Trajectory] = {}
    for run in runs:
        if run.split == "train":
            raise Refused(
                f"run {run.id} is of the train split, and no hold-out",
                repair="measure the gap on val runs: journeyman run ENV --split val --no-learn",
            )
        if run.score is not None and not run.error:
            first.setdefault(run.task_key, run)
    won = [bool(run.score and run.score.passed) for run in first.values()]
    kept = [bool(run.verdicts and run.verdicts[-1].accepted) for run in first.values()]
    both = [a and b for a, b in zip(won, kept, strict=True)]
    return Gap(runs=len(first), won=sum(won), kept=sum(kept), kept_won=sum(both))


def worth(found: Gap, *, env: str, force: bool = False) -> str:
    """What is to be said before a model's own runs in `env` are trained on; empty where it is good.

    Raises `Refused` where enough held-out runs show no gain, unless `force`.
    """
    if found.positive:
        return ""
    play = f"journeyman run {env} --split val -n {ENOUGH} --no-learn"
    if found.runs < ENOUGH:
        known = found.said() if found.runs else "no val runs"
        return f"whether own runs in {env} are worth training on is not known ({known}): {play}"
    told = f"in {env} the verifier lets through no better than what comes: {found.said()}"
    if not force:
        raise Refused(
            f"training on its own runs would gain nothing; {told}",
            repair=f"take a teacher (--from-expert {env}), another verifier, or --force",
        )
    return f"{told}; forced"


def require(found: Gap, *, override: bool = False) -> None:
    """Raises `Refused` unless the gap is positive, or `override`: rows would be no better."""
    if not found.positive and not override:
        raise Refused(
            f"the verifier is not known to be better than the generator: {found.said()}",
            repair="label more held-out runs, take another verifier, or override this",
        )
