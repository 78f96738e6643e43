"""A chat model behind an OpenAI-compatible endpoint; the `openai` library speaks to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from json import JSONDecodeError
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

from constellation.errors import ConfigError
from constellation.model_settings import ModelSettings

from .chat import NO_BOUND, Answer, ChatMessage, ModelUnavailable
from .spending import Left, Prices

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionMessageParam
    from openai.types.shared_params import ResponseFormatJSONSchema


MAX_TOKENS = 16_000
FREE = Prices()


class OpenAIModel:
    """A model of any server that speaks OpenAI's chat completions.

    Structured output is asked for by JSON Schema; a server that refuses that is asked without from
    then on. Answers are streamed, so that canceling stops the server's work.

    Args:
        model: its name on the server.
        base_url, api_key: None takes ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY``.
        timeout_s: for one answer.
        max_tokens: how long one answer may be.
        prices: what it is paid.

    Raises:
        ConfigError: the extra ``llm`` is not installed, or no key is set.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        max_tokens: int = MAX_TOKENS,
        prices: Prices = FREE,
    ) -> None:
        self._model = model
        self._max_tokens = max_tokens
        self._prices = prices
        self._open = partial(_open, base_url, api_key, timeout_s)
        self._open()
        self._takes_schema = True

    async def answer(
        self,
        chat: Sequence[ChatMessage],
        kind: type[BaseModel],
        heard: Callable[[str], None] | None = None,
        left: Left = NO_BOUND,
    ) -> Answer:
        """See `ChatModel.answer`."""
        from openai import APIError, BadRequestError, UnprocessableEntityError

        longest = left.longest(_estimated_tokens(chat), self._prices, self._max_tokens)
        try:
            # A connection for each answer costs nothing beside it, and none is left behind.
            async with self._open() as client:
                if self._takes_schema:
                    try:
                        return await self._ask(client, chat, kind, heard, longest)
                    except (BadRequestError, UnprocessableEntityError):
                        # Not every server knows the field; what else is wrong is told again.
                        self._takes_schema = False
                return await self._ask(client, chat, None, heard, longest)
        except (APIError, JSONDecodeError) as error:
            raise _unavailable(self._model, error) from None

    async def _ask(
        self,
        client: AsyncOpenAI,
        chat: Sequence[ChatMessage],
        kind: type[BaseModel] | None,
        heard: Callable[[str], None] | None,
        longest: int,
    ) -> Answer:
        from openai import omit

        parts: list[str] = []
        used: tuple[int, int] | None = None
        async with await client.chat.completions.create(
            model=self._model,
            messages=cast("list[ChatCompletionMessageParam]", list(chat)),
            stream=True,
            stream_options={"include_usage": True},
            max_completion_tokens=longest,
            response_format=omit if kind is None else _response_format(kind),
        ) as stream:
            async for chunk in stream:
                if chunk.usage is not None:
                    used = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
                for choice in chunk.choices:
                    piece = choice.delta.content or ""
                    parts.append(piece)
                    if heard is not None:
                        heard(piece)
        text = "".join(parts)
        said, answered = used or (_estimated_tokens(chat), _tokens_of(text))
        return Answer(text, said + answered, self._prices.of(said, answered))


def open_model(settings: ModelSettings, *, max_tokens: int = MAX_TOKENS) -> OpenAIModel:
    """The model that is configured.

    Args:
        max_tokens: how long one answer may be.

    Raises:
        ConfigError: it lacks a key, or the extra ``llm`` is not installed.
    """
    key = settings.api_key
    return OpenAIModel(
        settings.model,
        base_url=settings.base_url,
        api_key=None if key is None else key.get_secret_value(),
        timeout_s=settings.timeout_s,
        max_tokens=max_tokens,
        prices=Prices(settings.price_in, settings.price_out),
    )


def _open(base_url: str | None, api_key: str | None, timeout_s: float) -> AsyncOpenAI:
    try:
        from openai import AsyncOpenAI, OpenAIError
    except ImportError:
        raise ConfigError(
            "A language model needs the extra 'llm'.",
            remedy="Install it: pip install 'constellation-fabric[llm]'.",
        ) from None
    try:
        return AsyncOpenAI(base_url=base_url, api_key=api_key, timeout=timeout_s)
    except OpenAIError as error:
        raise ConfigError(
            f"The model cannot be used: {error}",
            remedy="Set OPENAI_API_KEY, or api_key in the settings; a local server takes any word.",
        ) from None


def _response_format(kind: type[BaseModel]) -> ResponseFormatJSONSchema:
    # Not "strict": that forbids objects with free keys, and arguments are such.
    return {
        "type": "json_schema",
        "json_schema": {
            "name": kind.__name__.lower(),
            "schema": kind.model_json_schema(),
            "strict": False,
        },
    }


def _estimated_tokens(chat: Sequence[ChatMessage]) -> int:
    return sum(_tokens_of(message["content"]) for message in chat)


def _tokens_of(text: str) -> int:
    # Bytes, for scripts with many letters need a token for one or two of them.
    return len(text.encode(errors="replace")) // 4


def _unavailable(model: str, error: Exception) -> ModelUnavailable:
    reason = " ".join(str(error).split())[:300]
    return ModelUnavailable(
        f"The model {model!r} gave no answer: {reason}",
        remedy="Check the endpoint, the model's name and the key, or go on without a model.",
        model=model,
    )
