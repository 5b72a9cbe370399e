"""Whether a verifier that says 80 % is right in 80 of 100 cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import brier_score_loss

from bench.lab.types import Row
from envs.errors import UserError
from envs.types import Frozen
from memory.intervals import wilson

BINS = 10
"""Bins of equal width, unless asked otherwise."""


class Bin(Frozen):
    """Forecasts of about the same size."""

    start: float
    """From here, included."""
    end: float
    """To here, left out (but for 1)."""
    count: int
    """Forecasts in it."""
    forecast: float | None
    """Mean forecast; None for none."""
    rate: float | None
    """Share that came true."""
    low: float
    """Lower end of Wilson's 95 % interval of that share."""
    high: float
    """Upper end of it."""


class Calibration(Frozen):
    """Forecasts against what happened."""

    n: int
    """Forecasts."""
    silent: int
    """Rows without a verdict; they are in no other figure."""
    brier: float | None
    """Mean squared error (Brier 1950), 0 is best; None for no forecasts, as all that follow."""
    reliability: float | None
    """Part of it due to wrong levels of the bins, 0 is best."""
    resolution: float | None
    """Part saved by telling cases apart, more is better."""
    uncertainty: float | None
    """Part due to the cases: p (1 - p) for the overall rate p."""
    within: float | None
    """What bins hide: brier = reliability - resolution + uncertainty + within. 0 if the forecasts
    in a bin are all equal."""
    ece: float | None
    """Expected calibration error: mean gap of forecast and rate, weighted by bin."""
    bins: tuple[Bin, ...]
    """Reliability table."""


def calibration(
    forecasts: Sequence[float], outcomes: Sequence[bool], *, bins: int = BINS, silent: int = 0
) -> Calibration:
    """Brier score, its decomposition (Murphy 1973), and the reliability table.

    Murphy's identity needs equal forecasts in each bin; the rest is kept as `within` (the two
    extra components of Stephenson et al. 2008).
    """
    if len(forecasts) != len(outcomes) or bins < 1:
        raise UserError(
            f"{len(forecasts)} forecasts, {len(outcomes)} outcomes and {bins} bins do not fit",
            repair="give one outcome for every forecast, and at least one bin",
        )
    p, y = np.asarray(forecasts, dtype=float), np.asarray(outcomes, dtype=float)
    if p.size and not (p.min() >= 0 and p.max() <= 1):
        raise UserError("a forecast lies outside 0 to 1", repair="give probabilities")
    at = np.minimum(np.round(p * bins, 9).astype(int), bins - 1)
    table = tuple(_bin(index, bins, p[at == index], y[at == index]) for index in range(bins))
    if not p.size:
        return Calibration(
            n=0,
            silent=silent,
            brier=None,
            reliability=None,
            resolution=None,
            uncertainty=None,
            within=None,
            ece=None,
            bins=table,
        )
    used = [(b.count / p.size, b.forecast or 0.0, b.rate or 0.0) for b in table if b.count]
    base = float(y.mean())
    brier = float(brier_score_loss(y, p, pos_label=1))
    reliability = sum(share * (mean - rate) ** 2 for share, mean, rate in used)
    resolution = sum(share * (rate - base) ** 2 for share, _, rate in used)
    uncertainty = base * (1 - base)
    return Calibration(
        n=int(p.size),
        silent=silent,
        brier=brier,
        reliability=reliability,
        resolution=resolution,
        uncertainty=uncertainty,
        within=brier - reliability + resolution - uncertainty,
        ece=sum(share * abs(mean - rate) for share, mean, rate in used),
        bins=table,
    )


def from_rows(rows: Sequence[Row], *, bins: int = BINS) -> Calibration:
    """The verifier's last verdicts against scores.

    The forecast of success is `confidence` where it accepted, 1 - `confidence` where it did not.
    Rows without a verdict are counted apart; a crash did not succeed.
    """
    said = [row for row in rows if row.accepted is not None]
    forecasts = [row.confidence if row.accepted else 1 - row.confidence for row in said]
    won = [row.won for row in said]
    return calibration(forecasts, won, bins=bins, silent=len(rows) - len(said))


def _bin(index: int, bins: int, p: np.ndarray, y: np.ndarray) -> Bin:
    low, high = wilson(int(y.sum()), int(y.size))
    return Bin(
        start=index / bins,
        end=(index + 1) / bins,
        count=int(p.size),
        forecast=float(p.mean()) if p.size else None,
        rate=float(y.mean()) if p.size else None,
        low=low,
        high=high,
    )
