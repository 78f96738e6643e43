"""What an agent is told at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from constellation.aip.cards import Name
from constellation.aip.heartbeat import Heartbeat
from constellation.aip.private_files import write_private
from constellation.config import McpServerSettings
from constellation.errors import ConfigError
from constellation.model_settings import AssistantSettings

DEFAULT_CAPACITY = 32

_NAME: TypeAdapter[str] = TypeAdapter(Name)


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Everything that `agents.service.run_agent` needs to know.

    Attributes:
        hub: its address, such as ``wss://hub.example:8470/aip``.
        name: the device's name, unique on its hub.
        state_dir: Constellation's state directory; the agent keeps to a folder of its own there.
        credential: a file with the token to show; None takes what an earlier pairing left.
        pair: a pairing code, to be exchanged for a credential that is then kept.
        ca: certificate authority to trust for ``wss``, a PEM file; None for the one that pairing
            brought, else the system's.
        kind: which skills to publish: ``computer``, or the name of another installed set; a word
            of the author's own publishes those of ``skills`` alone.
        skills: Python files with skills to publish as well.
        roots: folders that tasks may use.
        labels: key/value pairs for the card.
        policy: the policy file; None for the defaults.
        capacity: how many attempts run at once.
        mcp_servers: MCP servers by name whose tools are skills as well.
        assistant: the model that does tasks in plain words; none if it has no name.
        drain_timeout_s: how long attempts may still run once the agent shall stop.
        redial_s: the longest wait before it tries to reach its hub again; to be well below the
            time that the hub waits for its devices.
        lost_after_s: seconds without a word of the hub after which the connection is given up.
    """

    hub: str
    name: str
    state_dir: Path
    credential: Path | None = None
    pair: str | None = None
    ca: Path | None = None
    kind: str = "computer"
    skills: tuple[Path, ...] = ()
    roots: tuple[Path, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    policy: Path | None = None
    capacity: int = DEFAULT_CAPACITY
    mcp_servers: Mapping[str, McpServerSettings] = field(default_factory=dict)
    assistant: AssistantSettings = field(default_factory=AssistantSettings)
    drain_timeout_s: float = 30.0
    redial_s: float = 5.0
    lost_after_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuse a name that is none.

        Raises:
            ConfigError: it is not such as a card, a folder and a unit can bear.
        """
        try:
            _NAME.validate_python(self.name)
        except ValidationError:
            raise ConfigError(
                f"A device cannot be named {self.name!r}.",
                remedy="Use letters, digits, '_', '-' and '.', at most 64; no sign first.",
                name=self.name,
            ) from None

    @property
    def heartbeat(self) -> Heartbeat:
        """When the hub is asked for a sign of life: often enough for one answer to be late."""
        return Heartbeat(self.lost_after_s / 3, self.lost_after_s)

    @property
    def folder(self) -> Path:
        """Where this agent keeps its memory and its credential."""
        return self.state_dir / "agents" / self.name

    @property
    def credential_file(self) -> Path:
        """Where the credential lies that a pairing brought."""
        return self.folder / "credential"

    @property
    def authority_file(self) -> Path:
        """Where the authority lies that a pairing brought: the only one trusted from then on."""
        return self.folder / "authority.pem"

    def find_credential(self) -> str | None:
        """The token to show; None if there is a pairing code to exchange first.

        Raises:
            ConfigError: there is neither, or it cannot be read.
        """
        if self.pair is not None:
            return None
        file = self.credential or self.credential_file
        if self.credential is None and not file.exists():
            raise ConfigError(
                f"The device {self.name} has no credential for the hub.",
                remedy="Run `constellation pair` where the hub is, and give its code with --pair.",
                name=self.name,
            )
        try:
            return file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"The credential {file} cannot be read: {error}.",
                remedy="Name a readable file, or pair the device.",
                file=str(file),
            ) from None

    def keep_credential(self, token: str) -> None:
        """Keep the credential that a pairing brought, for this user only."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self.credential_file, f"{token}\n".encode())

    def check_roots(self) -> None:
        """Make sure that the roots are folders.

        Raises:
            ConfigError: one is not.
        """
        for root in self.roots:
            if not root.is_dir():
                raise ConfigError(
                    f"The root {root} is no folder.",
                    remedy="Make it, or name another one with --root.",
                    root=str(root),
                )
