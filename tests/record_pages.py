"""Runs pages of docs/ with the embedded model, keeps its replies in tests/recorded/, and writes into the pages what was
printed: python tests/record_pages.py [PAGE ...]

Without a page: all that are recorded. What is recorded already is not asked again; delete a file to record it anew.
"""

from __future__ import annotations

import os
import sys
import tempfile
import types
from pathlib import Path

import test_snippets as snippets
from recorded_engine import Recorded, engine


def main(pages: list[str]) -> None:
    for page in pages or sorted(
        f"docs/{file.name.split('.')[0]}.md" for file in snippets.recorded_replies("x").parent.glob("*")
    ):
        record(page)


def record(page: str) -> None:
    replies = Recorded(snippets.recorded_replies(page))
    replies.save() if not replies.file.exists() else None
    path = snippets.ROOT / page
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["BURNISH_CACHE_DIR"] = str(Path(folder, "cache"))
        sys.path.insert(0, folder)
        snippets.furnish(Path(folder))
        module = types.ModuleType("snippet")
        sys.modules["snippet"] = module

        def show(text: str, got: str) -> None:
            if not snippets.same_text(text, got):
                written = path.read_text(encoding="utf-8")
                assert written.count(f"```text\n{text}```") == 1, f"{page}: text blocks must differ from each other"
                path.write_text(written.replace(f"```text\n{text}```", f"```text\n{got}```"), encoding="utf-8")
                print(f"{page}: changed to\n{got}")

        try:
            with engine(replies, recording=True):
                snippets.run_page(page, module, show)
        except BaseException:
            replies.used |= set(replies.replies)  # what was paid for is kept, and gone on with
            raise
        finally:
            replies.save()
            os.chdir(snippets.ROOT)
            sys.path.remove(folder)
            sys.modules.pop("app", None)
    print(f"{page}: {len(replies.used)} replies")


if __name__ == "__main__":
    main(sys.argv[1:])
