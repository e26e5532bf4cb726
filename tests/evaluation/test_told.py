"""Whoever listens to a fit sees its error fall, and changes nothing of what comes out of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from archsearch.candidate.baselines import baseline_genomes
