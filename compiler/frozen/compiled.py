"""The frozen file: what `compile()` hands over, written so that production renders, byte for byte, what was scored."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...signatures.candidate import Candidate, Part
from ...signatures.canonical import JSON, canonical
from ...signatures.errors import FrozenError
from ...signatures.formats import get_format
from .document import (
    FORMAT,
    candidate_of,
    document_digest,
    document_text,
    parse_document,
    read_document,
    verdict_of,
)
from .goldens import make_goldens

if TYPE_CHECKING:
    from ...signatures.dspy_bridge import Module, Program
    from ..evidence import Verdict
    from ..lm import LM
    from ..runtime.predictors import Predictors
    from ..runtime.program import FrozenProgram
    from ..runtime.result import Result

# Ways to reach a model, never part of what it was asked: an LM's parameters or identity may hold them.
_PRIVATE = frozenset(
    {"api_key", "api_base", "base_url", "api_version", "organization", "project", "headers", "extra_headers"}
    | {"default_headers", "client", "http_client", "timeout", "max_retries"}
)


def freeze(
    program: Program,
    candidate: Candidate,
    *,
    lm: Mapping[str, JSON],
    verdict: Mapping[str, JSON],
    evidence: Mapping[str, JSON],
    provenance: Mapping[str, JSON],
    finalist: Candidate | None = None,
    finalist_lm: Mapping[str, JSON] | None = None,
    live_lm: LM | None = None,
    live_finalist_lm: LM | None = None,
    live_encoder: LM | None = None,
) -> CompiledProgram:
    """The compiled program of a candidate: `candidate` with the LM's sampling defaults under its settings.

    lm: `LM.identity()` of the task LM: model, params, and what else tells it from others; keys, addresses and headers
    are left out. finalist: the best candidate of the search where the verdict holds the student's prompts; kept beside
    them. finalist_lm: what it runs on, where that is another LM. live_lm, live_finalist_lm, live_encoder: who answers
    when the compiled program is called in this process; never written.
    Raises FrozenError on text that no file can hold (a lone surrogate).
    """
    identity = _public(lm)
    predictors, goldens = _predictors(candidate, identity)
    document: dict[str, JSON] = {
        "format": FORMAT,
        "kind": program.kind,
        "holds": "finalist" if finalist is None and verdict.get("decision") == "ship" else "student",
        "verdict": _sorted(verdict),
        "pipeline": program.spec if program.kind == "pipeline" else None,
        "predictors": predictors,
        "lm": identity,
        "evidence": _sorted(evidence),
        "finalist": None,
        "provenance": _sorted(_public(provenance)),
        "goldens": goldens,
    }
    if finalist is not None:
        other = identity if finalist_lm is None else _public(finalist_lm)
        predictors, goldens = _predictors(finalist, other)
        kept = {} if other == identity else {"lm": other}
        document["finalist"] = {"predictors": predictors, "goldens": goldens, **kept}
    return CompiledProgram(
        _sealed(document),
        program=program,
        live_lm=live_lm,
        live_finalist_lm=live_finalist_lm,
        live_encoder=live_encoder,
    )


class CompiledProgram:
    """A compiled program: its prompts, settings, evidence and provenance. Immutable; calls run as in production.

    document: the checked content of the file. program, live_lm and live_encoder are those of the compile that made it,
    None for a program that was loaded.
    """

    def __init__(
        self,
        document: Mapping[str, JSON],
        *,
        program: Program | None = None,
        live_lm: LM | None = None,
        live_finalist_lm: LM | None = None,
        live_encoder: LM | None = None,
    ) -> None:
        self._document = dict(document)
        self.program = program
        self.live_lm = live_lm
        self._live_finalist_lm = live_finalist_lm
        self.live_encoder = live_encoder
        self.run_dir: Path | None = None  # of the compile that made it in this process
        self._running: FrozenProgram | None = None
        self._predictors: Predictors | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CompiledProgram:
        """The compiled program in a file. Raises FrozenError on anything but an unchanged, whole file."""
        return cls(read_document(path))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the file, whole or not at all, and returns its path. Equal runs write equal bytes.

        A link stays a link: the file that it leads to is written. Raises FrozenError where that cannot be.
        """
        place = Path(path)
        target = Path(os.path.realpath(place)) if os.path.islink(place) else place
        if not os.path.isdir(target.parent):
            raise FrozenError(f"{place} cannot be written: there is no folder {target.parent}. Create it first.")
        draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
        try:
            try:
                with draft.open("w", encoding="utf-8", newline="\n") as file:
                    file.write(document_text(self._document))
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)  # raises too, where the name is too long
        except OSError as error:
            raise FrozenError(f"{place} cannot be written: {error.strerror}. Pass another path.") from None
        return place

    @property
    def document(self) -> dict[str, JSON]:
        """A copy of what the file holds."""
        return copy.deepcopy(self._document)

    @property
    def digest(self) -> str:
        digest: str = self._document["digest"]
        return digest

    @property
    def kind(self) -> str:
        """ "predictor", "pipeline" or "module"."""
        kind: str = self._document["kind"]
        return kind

    @property
    def verdict(self) -> Verdict:
        """Whether the search paid: decision, gain, interval, p_value and what they rest on."""
        return verdict_of(self._document)

    @property
    def evidence(self) -> dict[str, JSON]:
        evidence: dict[str, JSON] = copy.deepcopy(self._document["evidence"])
        return evidence

    @property
    def provenance(self) -> dict[str, JSON]:
        provenance: dict[str, JSON] = copy.deepcopy(self._document["provenance"])
        return provenance

    @property
    def candidate(self) -> Candidate:
        """Prompts and settings by predictor, as they run."""
        return candidate_of(self._document["predictors"])

    def finalist(self) -> CompiledProgram:
        """The program with the finalist's prompts, where the verdict held the student's; else this program.

        Raises FrozenError when the search found nothing but the student.
        """
        kept = self._document["finalist"]
        if self._document["holds"] == "finalist":
            return self
        if kept is None:
            raise FrozenError(
                "This compile has no finalist: no candidate beat the student, whose prompts it holds. Use it as it is, "
                "or compile again with more rows or a larger budget."
            )
        document = {**self._document, **kept, "holds": "finalist", "finalist": None}
        return CompiledProgram(
            _sealed(document),
            program=self.program,
            live_lm=self._live_finalist_lm or self.live_lm,
            live_encoder=self.live_encoder,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledProgram:
        return self  # immutable: a dspy module that carries it can be copied

    def __reduce__(self) -> tuple[type[CompiledProgram], tuple[dict[str, JSON]]]:
        return CompiledProgram, (self._document,)  # without the LM, which may hold a key

    def __call__(self, **inputs: Any) -> Result:
        """Runs the program on one set of inputs, as the loaded file would; see `burnish.load`."""
        return self._run()(**inputs)

    def to_messages(self, step: str | None = None, /, **inputs: Any) -> list[dict[str, str]]:
        """The exact messages of one call; for programs of several predictors, of the one whose path is `step`.

        Where demonstrations are picked by vectors this makes the call to the encoder.
        """
        if self._predictors is None:
            from ..runtime.predictors import Predictors

            self._predictors = Predictors(self._document, encoder=self.live_encoder)
        return self._predictors.to_messages(step, inputs)

    def to_dspy(self, program: object | None = None, lm: object | None = None, encoder: object | None = None) -> Module:
        """The program as a `dspy.Module`.

        A predictor whose prompt dspy itself renders to the same messages becomes a plain `dspy.Predict` with the
        compiled instruction, demonstrations and parameters: it calls the LM that dspy is configured with, and any dspy
        optimizer can go on from it. Every other one renders from the compiled template and asks `lm` (None: the LM of
        the compile, or the model that the file names), as `burnish.load(path, lm=...)` does, and `encoder` where it
        picks demonstrations by vectors.
        A pipeline hands typed values from step to step here, as dspy does; nested ones may be spelled in another order
        than was scored. `burnish.load` hands over what was scored.

        program: the module that was compiled, needed for a loaded file of kind "module" and else used for its own
        types. Raises FrozenError when the program is missing or has drifted.
        """
        from ..to_dspy import to_dspy

        return to_dspy(
            self._document,
            self.program,
            program,
            self.live_lm if lm is None else lm,
            self.live_encoder if encoder is None else encoder,
        )

    def export(self, to: str, predictor: str | None = None, leave_out: Sequence[str] = ()) -> str:
        """The text of a file that another tool takes: the prompt with slots for the inputs.

        to: "openai", "markdown", "promptfoo", "dspy", "langchain" or "curl"; see docs/export.md.
        predictor: path of the one to export, needed where there are several and the target holds one.
        leave_out: optional inputs that calls do not give.
        Raises FrozenError, naming predictor, reason and remedy, where the tool cannot send what was compiled.
        """
        from ..export import export

        return export(self._document, to, predictor, leave_out)

    def show(self) -> str:
        """The program for a person: verdict, prompts, settings, where it comes from."""
        from ..show import show

        return show(self._document)

    def report(
        self, path: str | os.PathLike[str] = "report.html", run_dir: str | os.PathLike[str] | None = None
    ) -> Path:
        """Writes all that the compile did into one HTML file, which opens from disk, and returns its path.

        run_dir: where the compile kept its records (None: those of the compile that made this program in this process).
        Without such a folder the report has what the file itself holds: no single candidates, no messages and replies.
        Raises RunError for the folder of another program.
        """
        from ..report.writing import report

        return report(self._document, path, self.run_dir if run_dir is None else run_dir)

    @property
    def report_lines(self) -> list[str]:
        """The verdict and what each part of the program brought, a few lines."""
        from ..show import report_lines

        return report_lines(self._document)

    def __repr__(self) -> str:
        paths = ", ".join(self._document["predictors"])
        decision = self._document["verdict"]["decision"]
        return f"CompiledProgram({self.kind}: {paths}; {decision}; {self.digest[:12]})"

    def _repr_html_(self) -> str:
        from ..notebook import compiled_html

        about = f"{self.kind}, holds the prompts of the {self._document['holds']}"
        about += f", for {self._document['lm']['model']} · {self.digest[:12]}"
        return compiled_html(self.verdict._repr_html_(), self.candidate, about)

    def _run(self) -> FrozenProgram:
        if self._running is None:
            from ..runtime.program import FrozenProgram

            module = self.program.module if self.program is not None and self.kind == "module" else None
            self._running = FrozenProgram(self._document, lm=self.live_lm, program=module, encoder=self.live_encoder)
        return self._running


def _predictors(candidate: Candidate, identity: Mapping[str, JSON]) -> tuple[dict[str, JSON], list[dict[str, JSON]]]:
    defaults = identity.get("params", {})
    effective = Candidate.of({path: _with_defaults(part, defaults) for path, part in candidate.parts})
    documents = {path: predictor_document(part) for path, part in effective.parts}
    return documents, make_goldens(effective, identity["model"])


def _with_defaults(part: Part, defaults: Mapping[str, JSON]) -> Part:
    params = _public({**defaults, **part.settings.params})
    # The file names the LM that the program runs on, whichever of several it was, so the role tells nothing.
    return Part(part.prompt, replace(part.settings, role="task", params_json=canonical(params)))


def predictor_document(part: Part) -> dict[str, JSON]:
    """What a file holds of one predictor."""
    prompt = part.prompt
    return {
        "source": {
            "instruction": prompt.instruction,
            "position": prompt.position,
            "demos": [replace(demo, vector=None).to_json() for demo in prompt.demos],  # vectors are in the template
        },
        "settings": part.settings.to_json(),
        "grammar": {"format": prompt.format, "version": get_format(prompt.format).version},
        "template": prompt.template.to_json(),
    }


def _sealed(document: Mapping[str, JSON]) -> dict[str, JSON]:
    """The document with its digest, as a reader of the file gets it."""
    rest = {name: value for name, value in document.items() if name != "digest"}
    try:
        content = document_text({**rest, "digest": document_digest(rest)}).encode("utf-8")
    except UnicodeEncodeError as error:
        around = str(error.object)[max(0, error.start - 30) : error.end + 30]
        raise FrozenError(
            f"The program holds a character that no UTF-8 file can hold, near {around!a}. "
            "Clean the rows that demonstrations come from."
        ) from None
    return parse_document(content, "the compiled program")


def _public(value: JSON) -> JSON:
    if isinstance(value, Mapping):
        return {name: _public(value[name]) for name in sorted(value) if name not in _PRIVATE}
    return [_public(item) for item in value] if isinstance(value, list | tuple) else value


def _sorted(value: JSON) -> JSON:
    """Object keys in alphabetical order: the order in which a run came to them may differ between equal runs."""
    if isinstance(value, Mapping):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list | tuple) else value
