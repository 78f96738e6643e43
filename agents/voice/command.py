"""The command `constellation voice`: a conversation with the agent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from constellation.config import LocalHub, load_settings
from constellation.errors import AudioError, ConfigError

from .pipelines import Pipeline

app = typer.Typer()

_PORT = 8765
_WHERE = "Where to talk"
_RECORDING = "A recording"
_LANGUAGE = "A language model"


def _made(what: str) -> Any:
    return typer.Option(
        metavar="MODULE:NAME",
        help=what,
        rich_help_panel="What makes a model in the place of the one that ships",
    )


@app.command()
def voice(
    enrol: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A WAV file with five or better fifteen seconds of the one person who may "
            "interrupt; may be given again. Without it everyone may, or whose voice the page has "
            "kept.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Of the page, 8765 by default; 0 takes any.",
            min=0,
            max=65535,
            rich_help_panel=_WHERE,
        ),
    ] = None,
    console: Annotated[
        bool,
        typer.Option(
            "--console",
            help="Talk at this machine's sound card, not on a page.",
            rich_help_panel=_WHERE,
        ),
    ] = False,
    wyoming: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Serve the Wyoming protocol there too, for Home Assistant. It knows no passwords: "
            "whoever reaches it can have your devices do things.",
            rich_help_panel=_WHERE,
        ),
    ] = None,
    wav: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What the microphone hears, a WAV file; instead of a page.",
            rich_help_panel=_RECORDING,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to write both, a WAV file: left the person, right the agent.",
            rich_help_panel=_RECORDING,
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to draw it over time, an SVG file.",
            rich_help_panel=_RECORDING,
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the timeline as JSON.", rich_help_panel=_RECORDING),
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="A language model behind OPENAI_BASE_URL; without one, small talk is by "
            "templates.",
            rich_help_panel=_LANGUAGE,
        ),
    ] = "",
    pipeline: Annotated[
        Pipeline,
        typer.Option(
            help="What the model is given of what you say: the words; with a few that tell how you "
            "said them; or with the sound, for a model that takes input_audio.",
            rich_help_panel=_LANGUAGE,
        ),
    ] = Pipeline.CASCADED,
    feelings: Annotated[
        str,
        typer.Option(
            metavar="MODULE:NAME",
            help="For --pipeline manner: what makes a model that tells feelings by a voice.",
            rich_help_panel=_LANGUAGE,
        ),
    ] = "",
    recogniser: Annotated[str, _made("Speech recognition.")] = "",
    synthesis: Annotated[str, _made("Speech synthesis.")] = "",
    turn_ends: Annotated[str, _made("Whether a turn sounds complete.")] = "",
    detector: Annotated[str, _made("Voice activity detection: whose voice it is.")] = "",
    voices: Annotated[str, _made("Speaker embedding, for the comparison of voices.")] = "",
) -> None:
    """Talk to the agent on a page or at this machine's sound card, or run a recording through it.

    The devices of the hub that runs on this machine are its hands; without one it only talks.

    \b
    Examples:
      constellation voice
      constellation voice --console
      constellation voice --wyoming 127.0.0.1:10400
      constellation voice --wav question.wav --out conversation.wav --enrol me.wav
    """
    try:
        from . import agent, recorded
        from .models.loading import kinds
        from .sound import read_wav
    except ImportError as error:
        raise ConfigError(
            f"The voice agent lacks a package: {error.name}.",
            remedy="Install the extra: pip install 'constellation-fabric[voice]'.",
        ) from None
    of_a_recording = {"--out": out, "--picture": picture, "--json": as_json or None}
    _check(wav, enrol or [], of_a_recording, wyoming, console)
    if port is not None and (console or wav is not None):
        raise typer.BadParameter("There is no page to serve.", param_hint="--port")
    if pipeline is not Pipeline.CASCADED and not model:
        raise typer.BadParameter(
            "Only a language model is told more than words: name one by --model.",
            param_hint="--pipeline",
        )
    if feelings and pipeline is not Pipeline.MANNER:
        raise typer.BadParameter("It belongs to --pipeline manner.", param_hint="--feelings")
    models = kinds(recogniser, turn_ends, synthesis, detector, voices)
    settings = load_settings()
    local = LocalHub.find(settings.state_dir)
    enrolments = [read_wav(path) for path in enrol or []]
    if wav is None:
        page = None if console else ("127.0.0.1", _PORT if port is None else port)
        home = None if wyoming is None else _address(wyoming)
        voice_path = settings.state_dir / "voice" / "voiceprint.npy"
        wanted = agent.Wanted(
            page, home, voice_path, enrolments, local, model, pipeline, feelings, models
        )
        agent.serve(wanted, typer.echo)
        return
    recording = read_wav(wav)
    if not len(recording):
        raise AudioError(f"{wav} holds no sound.", remedy="Record it again.")
    outcome = recorded.run(recording, enrolments, local, model, pipeline, feelings, kinds=models)
    outcome.write(out, picture)
    if as_json:
        typer.echo(json.dumps([entry.plain() for entry in outcome.timeline.entries], indent=2))
        return
    for line in outcome.timeline.lines():
        typer.echo(line)


def _check(
    wav: Path | None,
    enrol: Sequence[Path],
    of_a_recording: Mapping[str, object],
    wyoming: str | None,
    console: bool,
) -> None:
    """Refuse what would be ignored, and what would be found out only at the end."""
    if wav is None:
        for name, value in of_a_recording.items():
            if value is not None:
                raise typer.BadParameter("It belongs to a recording, --wav.", param_hint=name)
        return
    for name, given in (("--wyoming", wyoming is not None), ("--console", console)):
        if given:
            raise typer.BadParameter("It does not go with a recording, --wav.", param_hint=name)
    taken = {path.resolve() for path in [wav, *enrol]}
    for name, path in of_a_recording.items():
        if not isinstance(path, Path):
            continue
        if path.resolve() in taken:
            problem = "What is read and written are to be files of their own."
        elif path.is_dir():
            problem = f"{path} is a folder."
        elif not path.parent.is_dir():
            problem = f"There is no folder {path.parent}."
        else:
            taken.add(path.resolve())
            continue
        raise typer.BadParameter(problem, param_hint=name)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise typer.BadParameter(
            f"{text!r} is no address such as 127.0.0.1:10400.", param_hint="--wyoming"
        )
    return host.removeprefix("[").removesuffix("]"), int(port)
