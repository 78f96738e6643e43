"""Configuration: a TOML file and ``CONSTELLATION_*`` environment variables, read once at the edge.

Order, strongest first: arguments of a command, environment, file, defaults. The file is
``$CONSTELLATION_CONFIG``, else ``$XDG_CONFIG_HOME/constellation/config.toml``::

    state_dir = "~/.local/state/constellation"
    log_format = "json"            # what hubs and agents say of themselves; default: text

    [client]                       # the hub that commands speak to; default: this machine's
    url = "wss://hub.example:8470/aip"
    token = "…"
    ca = "hub-ca.pem"

    [hub]                          # what `constellation hub` serves
    host = "127.0.0.1"             # beyond this machine it speaks TLS
    port = 8470
    journal_sync = "normal"

    [planner]                      # who turns words into tasks; default: the offline planner
    kind = "llm"                   # any OpenAI-compatible endpoint (extra ``llm``)
    model = "gpt-5-mini"
    base_url = "http://127.0.0.1:8000/v1"

    [assistant]                    # tasks in plain words on this machine (extra ``llm``)
    model = "gpt-5-mini"

    [mcp.servers.git]              # its tools are skills of this machine's agents (extra ``mcp``)
    command = "uvx"
    args = ["mcp-server-git"]

In the environment a section and its key are joined by two underscores: ``CONSTELLATION_HUB__PORT``.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from .errors import ConfigError
from .logs import LogFormat
from .model_settings import AssistantSettings, PlannerSettings, Section

ENV_PREFIX = "CONSTELLATION_"
DISCOVERY_FILE = "hub.json"
DEFAULT_PORT = 8470

UserPath = Annotated[Path, AfterValidator(Path.expanduser)]


def _is_address(text: str) -> str:
    if not re.fullmatch(r"wss?://\S+", text):
        raise ValueError("an address begins with wss:// or ws://")
    return text


Address = Annotated[str, AfterValidator(_is_address)]


def config_file() -> Path:
    """Where the configuration file is looked for."""
    named = os.environ.get(f"{ENV_PREFIX}CONFIG")
    if named:
        return Path(named).expanduser()
    return _xdg("XDG_CONFIG_HOME", "~/.config") / "config.toml"


def default_state_dir() -> Path:
    """Where journals, credentials and the discovery file lie unless configured otherwise."""
    return _xdg("XDG_STATE_HOME", "~/.local/state")


def _xdg(variable: str, fallback: str) -> Path:
    return Path(os.environ.get(variable) or fallback).expanduser() / "constellation"


class ClientSettings(Section):
    """How the commands reach a hub.

    Attributes:
        url: such as ``wss://hub.example:8470/aip``; None for the hub of this machine.
        token: the credential; None to take the local hub's own.
        ca: the certificate authority to trust instead of the system's, a PEM file.
        timeout_s: how long to wait for the hub to answer at first.
    """

    url: Address | None = None
    token: SecretStr | None = None
    ca: UserPath | None = None
    timeout_s: float = Field(default=10.0, gt=0)


class HubSettings(Section):
    """What ``constellation hub`` serves.

    Attributes:
        host, port: the address to listen on; port 0 takes a free one.
        tls: ``auto`` speaks TLS beyond this machine; ``on`` always; ``off`` never, so that whoever
            is on the way reads and changes what travels.
        tls_cert, tls_key: PEM files; both or none. Without them TLS is spoken with a certificate of
            the hub's own authority.
        known_as: names and addresses by which others reach the hub, the one they are told first.
        journal_sync: ``normal`` survives ``kill -9``, ``full`` a power cut as well, ``off`` is
            for measurements.
        requests_per_s, submits_per_s: how often each credential may ask for anything, and have
            something planned or submitted; ten seconds' worth of it at once.
        audit_file_bytes: a file of the audit log that is so large is put aside.
        artifacts_bytes: how much artifacts take on the disk at most; the least recently used go.
        artifacts_bytes_each: how much of that one credential may fill, by the same rule.
        grace_s: how long a device that lost its link keeps its tasks and its session.
        stream_lag: how many items a task may be ahead of those that read what it puts out while it
            runs; 0 has them wait for its output.
        stream_kept_bytes: so much of what a task puts out is kept beyond what was read.
        metrics_port: serve metrics for Prometheus there, to this machine alone; 0 takes a free
            port, None serves none.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65_535)
    tls: Literal["auto", "on", "off"] = "auto"
    known_as: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")], ...] = ()
    tls_cert: UserPath | None = None
    tls_key: UserPath | None = None
    journal_sync: Literal["normal", "full", "off"] = "normal"
    requests_per_s: float = Field(default=1_000.0, gt=0)
    submits_per_s: float = Field(default=100.0, gt=0)
    audit_file_bytes: int = Field(default=64 * 1024**2, ge=64 * 1024)
    artifacts_bytes: int = Field(default=10 * 1024**3, ge=1024**2)
    artifacts_bytes_each: int = Field(default=5 * 1024**3, ge=1024**2)
    grace_s: float = Field(default=60.0, gt=0)
    stream_lag: int = Field(default=16, ge=0, le=256)
    stream_kept_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    metrics_port: int | None = Field(default=None, ge=0, le=65_535)


class McpServerSettings(Section):
    """An MCP server whose tools are skills: a command that is started, or a URL.

    Attributes:
        command, args: speaks MCP over stdin and stdout.
        env: set for it beside the few variables that it gets anyway (``PATH``, ``HOME``, …).
        cwd: the folder that it starts in.
        url: speaks streamable HTTP instead.
        headers: sent with each request, such as ``Authorization``.
        effects: side-effect class of tools by a pattern over their names, in place of what the
            server says; the longest pattern that matches counts.
    """

    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    cwd: UserPath | None = None
    url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    effects: dict[str, Literal["read", "write", "dangerous"]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("give it either a command or a url")
        return self


class McpSettings(Section):
    """MCP servers by name; a tool ``status`` of the server ``git`` is the skill ``git.status``."""

    servers: dict[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")], McpServerSettings
    ] = Field(default_factory=dict)


class Settings(BaseSettings):
    """All settings. Make them with `load_settings`, which reports mistakes as `ConfigError`."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    state_dir: UserPath = Field(default_factory=default_state_dir)
    log_format: LogFormat = "text"
    client: ClientSettings = ClientSettings()
    hub: HubSettings = HubSettings()
    planner: PlannerSettings = PlannerSettings()
    assistant: AssistantSettings = AssistantSettings()
    mcp: McpSettings = McpSettings()

    @property
    def journal_file(self) -> Path:
        """Where a hub on this state directory keeps its journal."""
        return self.state_dir / "journal.db"

    def make_state_dir(self, part: str = ".") -> Path:
        """Make the state directory, or a folder in it, for its owner only, unless it is there.

        Raises:
            ConfigError: it cannot be made.
        """
        folder = self.state_dir / part
        try:
            for each in (self.state_dir, folder):
                each.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigError(
                f"The state directory {self.state_dir} cannot be made: {error.strerror}.",
                remedy=f"Name another one with --state-dir or {ENV_PREFIX}STATE_DIR.",
                file=str(self.state_dir),
            ) from None
        return folder

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config_file())


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings.

    Args:
        overrides: values from the command line, shaped like the file; None values are left out.

    Raises:
        ConfigError: names the file or variable, the key, what is wrong and the remedy.
    """
    file = config_file()
    if os.environ.get(f"{ENV_PREFIX}CONFIG") and not file.is_file():
        raise ConfigError(
            f"{ENV_PREFIX}CONFIG names {file}, which is not a file.",
            remedy="Write that file, or unset the variable.",
            file=str(file),
        )
    given = _without_none(overrides or {})
    try:
        return Settings(**given)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{file} is not TOML: {error}.", remedy="Mend that line.", file=str(file)
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}.",
            remedy="Make it readable for you.",
            file=str(file),
        ) from None
    except SettingsError as error:
        raise ConfigError(
            f"A {ENV_PREFIX}* variable cannot be read: {error}.",
            remedy=f"Set one key each, such as {ENV_PREFIX}HUB__PORT=8470.",
        ) from None
    except ValidationError as error:
        raise _explain(error, given, file) from None


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if value is not None
    }


def _explain(error: ValidationError, given: Mapping[str, Any], file: Path) -> ConfigError:
    """Say in which source the first wrong value stands, and what would be right."""
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    variable = ENV_PREFIX + "__".join(path).upper()
    section = given
    for part in path[:-1]:
        section = section.get(part, {})
    if path[-1] in section:
        source, remedy = "On the command line", f"Give another value for {path[-1]}."
    elif variable in os.environ:
        source, remedy = f"The environment variable {variable}", "Correct it or unset it."
    else:
        source, remedy = str(file), f"Correct {key} in that file."
    if first["type"] == "extra_forbidden":
        message = f"{source}: there is no setting {key}."
        near = get_close_matches(key, _known_keys(Settings), n=1)
        remedy = (
            f"Did you mean {near[0]}?" if near else f"Known: {', '.join(_known_keys(Settings))}."
        )
    else:
        # A whole table may hold credentials.
        hidden = "token" in path or isinstance(first["input"], dict)
        wrong = "" if hidden else f" is {first['input']!r}"
        reason = first["msg"].removeprefix("Value error, ")
        message = f"{source}: {key}{wrong}: {reason[:1].lower()}{reason[1:]}."
    return ConfigError(message, remedy=remedy, source=source, key=key)


def variables() -> list[str]:
    """The names of every environment variable that is read here."""
    keys = [key.replace(".", "__").upper() for key in _known_keys(Settings)]
    return [ENV_PREFIX + key for key in ("CONFIG", *keys)]


def _known_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            keys += _known_keys(info.annotation, f"{prefix}{name}.")
        else:
            keys.append(prefix + name)
    return keys


class LocalHub(BaseModel):
    """What a hub writes into its state directory so that programs of the same user find it.

    Attributes:
        url: where it listens.
        token: a credential with every permission; the file is for its owner only (0600).
        pid: the hub's process.
        ca: its own authority, a PEM file; None if it has none.
    """

    url: str
    token: SecretStr
    pid: int
    ca: Path | None = None

    @classmethod
    def find(cls, state_dir: Path) -> LocalHub | None:
        """The hub that runs on this state directory, or None.

        Raises:
            ConfigError: the discovery file is there but cannot be used.
        """
        path = state_dir / DISCOVERY_FILE
        try:
            found = cls.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValidationError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not what a hub writes"
            raise ConfigError(
                f"{path} cannot be used: {reason}.",
                remedy="Remove it and start the hub again.",
                file=str(path),
            ) from None
        return found if _is_running(found.pid) else None


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
