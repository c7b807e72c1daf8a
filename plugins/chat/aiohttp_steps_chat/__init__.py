"""Chat transcripts for aiohttp-steps: pages of history, a list of sessions, durable sending."""

from aiohttp_steps_chat.errors import (
    BadCursorError,
    BadLimitError,
    BadMessageError,
    BadSessionIdError,
    MessageTooLongError,
    NotSavedError,
    SessionBusyError,
    SessionNotFoundError,
    SessionUnreadableError,
    StorageFullError,
)
from aiohttp_steps_chat.inputs import step_inputs
from aiohttp_steps_chat.messages import BadLine, History, Message, SentMessage, Session, SetAside, TornTail
from aiohttp_steps_chat.steps import chat_history, chat_sessions, send_chat_message

__all__ = [
    "BadCursorError",
    "BadLimitError",
    "BadLine",
    "BadMessageError",
    "BadSessionIdError",
    "History",
    "Message",
    "MessageTooLongError",
    "NotSavedError",
    "SentMessage",
    "Session",
    "SessionBusyError",
    "SessionNotFoundError",
    "SessionUnreadableError",
    "SetAside",
    "StorageFullError",
    "TornTail",
    "chat_history",
    "chat_sessions",
    "send_chat_message",
    "step_inputs",
]
