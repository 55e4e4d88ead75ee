"""What a model costs: given by the user, or from the table that litellm ships as a file."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ...signatures.errors import LMError


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens: `input` for the prompt, `output` for the reply. Raises LMError on a negative one."""

    input: float
    output: float

    def __post_init__(self) -> None:
        for name in ("input", "output"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise LMError(
                    f"Price({name}={value!r}) is not a number of dollars per million tokens. Give one, such as 0.15."
                )

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1e6


def price_of(model: str) -> Price | None:
    """The list price of a model, at OpenAI unless a provider is named ("anthropic/..."); None where none is known.

    The table is a file inside the installed litellm package. It is read, nothing is imported or downloaded.
    """
    return _prices().get(model) or _prices().get(f"openai/{model}")


@lru_cache(maxsize=1)
def _prices() -> dict[str, Price]:
    spec = importlib.util.find_spec("litellm")  # finds the package without running it
    if spec is None or not spec.submodule_search_locations:
        return {}
    path = Path(spec.submodule_search_locations[0]) / "model_prices_and_context_window_backup.json"
    if not path.exists():
        return {}
    prices: dict[str, Price] = {}
    for name, row in json.loads(path.read_text("utf-8")).items():
        if not isinstance(row, dict):
            continue
        asked, answered = row.get("input_cost_per_token"), row.get("output_cost_per_token", 0.0)
        if isinstance(asked, int | float) and isinstance(answered, int | float):
            # Prices a token are rounded off to what a price list shows: 1.5e-07 * 1e6 is 0.15, not 0.15000000000000002.
            provider = str(row.get("litellm_provider")).removeprefix("text-completion-")
            prices[f"{provider}/{name.removeprefix(f'{provider}/')}"] = Price(
                round(asked * 1e6, 6), round(answered * 1e6, 6)
            )
    return prices
