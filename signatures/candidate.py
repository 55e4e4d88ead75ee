"""Settings and Candidate: all that decides how a program runs on an example, immutable and with one digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

from .canonical import JSON, canonical, digest
from .prompt import Demo, Prompt

ReplyPolicy: TypeAlias = Literal["none", "reask"]


@dataclass(frozen=True)
class Settings:
    """Which LM role a predictor uses, its sampling parameters, and what happens when a reply does not parse.

    params_json: canonical JSON text of sampling parameters that override the LM's own (temperature, max_tokens, ...).
    reply_policy: "none": the row fails. "reask": one further call that shows the reply and the reason, then it fails.
    """

    role: str = "task"
    params_json: str = "{}"
    reply_policy: ReplyPolicy = "none"

    @classmethod
    def of(cls, role: str = "task", reply_policy: ReplyPolicy = "none", **params: JSON) -> Settings:
        return cls(role, canonical(params), reply_policy)

    @property
    def params(self) -> dict[str, JSON]:
        loaded: dict[str, JSON] = json.loads(self.params_json)
        return loaded

    def to_json(self) -> dict[str, JSON]:
        return {"role": self.role, "params": self.params, "reply_policy": self.reply_policy}

    @classmethod
    def from_json(cls, data: dict[str, JSON]) -> Settings:
        return cls(data["role"], canonical(data["params"]), data["reply_policy"])


@dataclass(frozen=True)
class Part:
    """What a candidate says of one predictor."""

    prompt: Prompt
    settings: Settings = Settings()


@dataclass(frozen=True)
class Candidate:
    """Prompt and settings for each predictor of a program, by path ("self", "classify", "steps[0]")."""

    parts: tuple[tuple[str, Part], ...]

    @classmethod
    def of(cls, parts: Mapping[str, Part]) -> Candidate:
        return cls(tuple(parts.items()))

    @property
    def predictors(self) -> tuple[str, ...]:
        """The paths, in the program's order."""
        return tuple(path for path, _ in self.parts)

    def __getitem__(self, path: str) -> Part:
        for name, part in self.parts:
            if name == path:
                return part
        raise KeyError(f"no predictor {path!r}; there are {', '.join(self.predictors)}")

    def prompt(self, path: str) -> Prompt:
        return self[path].prompt

    def with_prompt(self, path: str, **changes: object) -> Candidate:
        """This candidate with some parts of one predictor's prompt changed: instruction, demos, format, position."""
        part = self[path]
        return self.with_part(path, replace(part, prompt=part.prompt.with_(**changes)))

    def with_part(self, path: str, part: Part) -> Candidate:
        return Candidate(tuple((name, part if name == path else old) for name, old in self.parts))

    @property
    def encoders(self) -> tuple[str, ...]:
        """Names of the encoders that its rules ask, each once."""
        named = [part.prompt.template.encoder for _, part in self.parts]
        return tuple(dict.fromkeys(name for name in named if name is not None))

    @property
    def demos(self) -> tuple[Demo, ...]:
        return tuple(demo for _, part in self.parts for demo in part.prompt.demos)

    @cached_property
    def digest(self) -> str:
        """Over rendered templates and settings: candidates that render and run alike are the same candidate."""
        return digest({path: [p.prompt.template.to_json(), p.settings.to_json()] for path, p in self.parts})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Candidate) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def to_json(self) -> dict[str, JSON]:
        return {p: {"prompt": part.prompt.to_json(), "settings": part.settings.to_json()} for p, part in self.parts}

    @classmethod
    def from_json(cls, data: dict[str, JSON]) -> Candidate:
        return cls.of(
            {p: Part(Prompt.from_json(d["prompt"]), Settings.from_json(d["settings"])) for p, d in data.items()}
        )
