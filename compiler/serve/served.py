"""A frozen program as the server sees it: what it takes and gives, who answers, and how it is called."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...signatures.canonical import JSON
from ...signatures.values import to_json
from ..callbacks import Callback
from ..lm.connection import Connection
from ..runtime.program import FrozenProgram, load
from .contract import Contract, fields_of_function


class Served:
    """name: for people. digest: of the file. model: who answers. contract: inputs and outputs. predictors: paths.

    callback: told of each call. A model that runs in this process is loaded. Raises as `load` and `open` do.
    """

    def __init__(self, program: str | os.PathLike[str] | FrozenProgram, callback: Callback) -> None:
        loaded = program if isinstance(program, FrozenProgram) else load(program)
        loaded.open()
        self._program = loaded.with_options(callbacks=[callback])
        self.name = "Frozen program" if isinstance(program, FrozenProgram) else Path(program).stem
        self.digest: str = loaded.digest
        self.model: str = loaded.model
        self.contract = _contract(loaded)
        self.predictors: tuple[str, ...] = loaded.predictors

    @property
    def about(self) -> str:
        """A line for the OpenAPI page."""
        return f"A program compiled by Burnish, answered by `{self.model}`. Digest of the file: `{self.digest}`."

    def connection(self) -> Connection:
        """How the model is reached. Raises LMError or FrozenError where it cannot be."""
        return self._program.connection()

    async def call(self, inputs: Mapping[str, JSON]) -> dict[str, JSON]:
        """The outputs in JSON form. Raises what a FrozenProgram raises."""
        result = await self._program.acall(**inputs)
        outputs: dict[str, JSON] = to_json(result.to_dict())
        return outputs


def _contract(program: FrozenProgram) -> Contract:
    module: Any = program.module
    if module is None or program.input_fields:
        return Contract(program.input_fields, program.output_fields)
    from ...signatures.dspy_bridge import forward_of

    inputs, is_open = fields_of_function(forward_of(module))
    return Contract(inputs, None, is_open)
