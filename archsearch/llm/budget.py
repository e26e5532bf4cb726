"""What asking an LLM has cost and may cost: calls, tokens and money, counted before each call and after it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from archsearch.llm.messages import Usage
from archsearch.llm.outage import Outage
from archsearch.llm.question import Question
from archsearch.settings import LlmSettings, Price

MILLION = 1_000_000
BYTES_PER_TOKEN = 3
"""Fewer than in any language that is common here, so that an estimate of tokens from text errs upwards."""


def cost_of(usage: Usage, price: Price | None) -> Decimal | None:
    """What these tokens cost, exactly; None if the price is not known, which is not the same as nothing."""
    if price is None:
        return None
    cached = min(usage.cached, usage.input)
    at = price.input if price.cached is None else price.cached
    return ((usage.input - cached) * price.input + cached * at + usage.output * price.output) / MILLION


def tokens_in(text: str) -> int:
    """An upper estimate of the tokens of a text."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def reserved_for(question: Question) -> Usage:
    """The most that a question is expected to use."""
    sent = tokens_in(question.sent)
    return Usage(sent, question.max_output, estimated=sent + question.max_output)


class Ledger:
    """Calls, tokens and money of one run.

    A call is reserved before it is sent and settled afterwards, so that no limit is passed by a call under way.

    Args:
        settings: the limits and the price.
    """

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self.calls = 0
        self.usage = Usage()

    @property
    def cost(self) -> Decimal | None:
        """What all of it cost; None if the price is not known."""
        return cost_of(self.usage, self._settings.price)

    def reserve(self, expected: Usage) -> None:
        """Make sure that one more call fits.

        Raises:
            Outage: it does not (kind `budget`).
        """
        limits, after = self._settings, self.usage + expected
        cost = cost_of(after, limits.price)
        if self.calls + 1 > limits.max_calls:
            raise _spent(f"{limits.max_calls} calls", "max_calls", self.told())
        if after.total > limits.max_tokens:
            raise _spent(f"{limits.max_tokens} tokens", "max_tokens", self.told())
        if cost is not None and limits.max_cost is not None and cost > limits.max_cost:
            raise _spent(f"{limits.max_cost} {limits.currency}", "max_cost", self.told())
        self.calls += 1
        self.usage = after

    def settle(self, expected: Usage, used: Usage) -> None:
        """Put what a reserved call used in the place of what was expected."""
        self.usage = self.usage - expected + used

    def withdraw(self, expected: Usage) -> None:
        """Take back a reservation whose call was not made."""
        self.calls -= 1
        self.usage = self.usage - expected

    def count(self, used: Usage) -> None:
        """Count a call that was made before this process began."""
        self.calls += 1
        self.usage = self.usage + used

    def told(self) -> str:
        """What was used so far, in one sentence's worth of words."""
        guessed = f", {self.usage.estimated} of them estimated" if self.usage.estimated else ""
        return f"{self.calls} calls, {self.usage.total} tokens{guessed}, {self._told_cost()}"

    def _told_cost(self) -> str:
        if self.cost is None:
            return f"cost not known (no price for {self._settings.model})"
        return f"{rounded(self.cost)} {self._settings.currency}"


@dataclass(frozen=True)
class Estimate:
    """What a search may cost, told before it starts.

    Attributes:
        calls: how many calls are expected.
        usage: their tokens.
        cost: None if the price is not known.
        limit: whether a limit of the settings ends it before that, and which.
        currency: of `cost`.
    """

    calls: int
    usage: Usage
    cost: Decimal | None
    limit: str | None
    currency: str

    def __str__(self) -> str:
        cost = "cost not known, no price is set" if self.cost is None else f"about {rounded(self.cost)} {self.currency}"
        ends = f"; {self.limit} ends it earlier" if self.limit else ""
        return f"about {self.calls} calls, {self.usage.total} tokens, {cost}{ends}"


def estimate(settings: LlmSettings, calls: int, prompt: str, reply_tokens: int = 1500) -> Estimate:
    """What this many calls with a prompt like this one will use.

    Args:
        settings: limits and price.
        calls: how many calls are expected.
        prompt: a prompt of ordinary length.
        reply_tokens: tokens of an ordinary reply.
    """
    usage = Usage(calls * tokens_in(prompt), calls * min(reply_tokens, settings.max_output_tokens))
    cost = cost_of(usage, settings.price)
    limit = None
    if calls > settings.max_calls:
        limit = f"the limit of {settings.max_calls} calls"
    elif usage.total > settings.max_tokens:
        limit = f"the limit of {settings.max_tokens} tokens"
    elif cost is not None and settings.max_cost is not None and cost > settings.max_cost:
        limit = f"the limit of {settings.max_cost} {settings.currency}"
    return Estimate(calls, usage, cost, limit, settings.currency)


def rounded(cost: Decimal) -> Decimal:
    """An amount as it is told: to a ten-thousandth."""
    return cost.quantize(Decimal("0.0001"))


def _spent(limit: str, name: str, told: str) -> Outage:
    message = f"The limit of {limit} leaves no room for another call; so far: {told}."
    return Outage("budget", message, f"Raise `{name}` of the LLM settings to go on with the LLM.")
