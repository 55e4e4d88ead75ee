"""The one further call after a reply that does not parse: it shows the reply and the reason, and asks again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def reask_messages(messages: Sequence[Mapping[str, str]], reply: str, reason: str) -> list[dict[str, str]]:
    """The messages of the re-ask: those of the first call, its reply, and why that reply could not be used.

    messages: as they were sent, [{"role": ..., "content": ...}]. reply: the LM's text, shown as it came. reason: the
    message of the ReplyError. Compile time and production both ask with these messages, byte for byte.
    """
    return [
        *({"role": message["role"], "content": message["content"]} for message in messages),
        {"role": "assistant", "content": reply},
        {
            "role": "user",
            "content": f"That reply could not be used: {reason}\nReply again, in full and in the required format.",
        },
    ]
