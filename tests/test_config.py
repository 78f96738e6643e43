"""Settings: where they come from, which source wins, and what is said of a mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from constellation.config import LocalHub, config_file, load_settings, variables
from constellation.errors import ConfigError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without settings, and a place for a settings file."""
    for name in [name for name in os.environ if name.startswith("CONSTELLATION_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def write_file(home: Path, text: str) -> Path:
    path = home / "config" / "constellation" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_defaults_follow_the_xdg_directories(home: Path) -> None:
    settings = load_settings()
    assert settings.state_dir == home / "state" / "constellation"
    assert config_file() == home / "config" / "constellation" / "config.toml"
    assert settings.hub.host == "127.0.0.1"
    assert settings.hub.journal_sync == "normal"
    assert settings.client.url is None


def test_command_line_beats_environment_beats_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file(home, '[hub]\nhost = "file"\nport = 1\njournal_sync = "full"\n')
    monkeypatch.setenv("CONSTELLATION_HUB__PORT", "2")
    monkeypatch.setenv("CONSTELLATION_HUB__HOST", "environment")
    settings = load_settings({"hub": {"host": "argument", "port": None}})
    assert settings.hub.host == "argument"
    assert settings.hub.port == 2
    assert settings.hub.journal_sync == "full"


def test_a_named_file_is_read_and_tilde_is_expanded(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = home / "mine.toml"
    named.write_text('state_dir = "~/fabric"\n')
    monkeypatch.setenv("CONSTELLATION_CONFIG", str(named))
    assert load_settings().state_dir == Path.home() / "fabric"


def test_a_named_file_that_is_missing_is_an_error(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSTELLATION_CONFIG", str(home / "nowhere.toml"))
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load_settings()


def test_a_wrong_value_in_the_file_names_file_key_and_remedy(home: Path) -> None:
    path = write_file(home, "[hub]\nport = 99999\n")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert str(path) in caught.value.message
    assert "hub.port is 99999" in caught.value.message
    assert "hub.port" in caught.value.remedy
    assert caught.value.details["key"] == "hub.port"


def test_a_misspelt_key_gets_a_suggestion(home: Path) -> None:
    write_file(home, "[hub]\nprot = 1\n")
    with pytest.raises(ConfigError, match=r"no setting hub\.prot.*Did you mean hub\.port\?"):
        load_settings()


def test_a_wrong_variable_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSTELLATION_HUB__JOURNAL_SYNC", "sometimes")
    with pytest.raises(ConfigError, match="CONSTELLATION_HUB__JOURNAL_SYNC"):
        load_settings()


def test_a_wrong_address_is_told_in_words(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSTELLATION_CLIENT__URL", "http://Hub.example")
    with pytest.raises(ConfigError, match=r"'http://Hub.example': an address begins with wss://"):
        load_settings()


def test_a_section_in_one_variable_must_be_readable(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSTELLATION_HUB", "{")
    with pytest.raises(ConfigError, match="hub"):
        load_settings()


def test_a_wrong_argument_blames_the_command_line(home: Path) -> None:
    with pytest.raises(ConfigError, match="command line"):
        load_settings({"hub": {"port": -1}})


def test_broken_toml_names_the_line(home: Path) -> None:
    write_file(home, "[hub]\nport = \n")
    with pytest.raises(ConfigError, match="line 2"):
        load_settings()


def test_a_token_is_never_repeated(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file(home, "[client]\ntoken = 12345\n")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert "12345" not in str(caught.value)
    monkeypatch.setenv("CONSTELLATION_CLIENT__TOKEN", "secret")
    assert "secret" not in repr(load_settings())


def test_variables_are_those_that_are_read() -> None:
    assert "CONSTELLATION_HUB__PORT" in variables()
    assert "CONSTELLATION_STATE_DIR" in variables()
    assert "CONSTELLATION_CONFIG" in variables()


class TestLocalHub:
    def write(self, folder: Path, pid: int) -> None:
        content = {"url": "ws://127.0.0.1:1/aip", "token": "t", "pid": pid}
        (folder / "hub.json").write_text(json.dumps(content))

    def test_is_found_while_its_process_runs(self, tmp_path: Path) -> None:
        self.write(tmp_path, os.getpid())
        found = LocalHub.find(tmp_path)
        assert found is not None
        assert found.url == "ws://127.0.0.1:1/aip"
        assert found.token.get_secret_value() == "t"

    def test_is_not_found_without_a_file(self, tmp_path: Path) -> None:
        assert LocalHub.find(tmp_path) is None

    def test_is_not_found_after_its_process_died(self, tmp_path: Path) -> None:
        process = subprocess.Popen([sys.executable, "-c", ""])
        process.wait()
        self.write(tmp_path, process.pid)
        assert LocalHub.find(tmp_path) is None

    def test_a_damaged_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "hub.json").write_text("{")
        with pytest.raises(ConfigError, match=r"hub\.json"):
            LocalHub.find(tmp_path)


@pytest.mark.parametrize(
    ("section", "key"), [("planner", "max_cost"), ("assistant", "cost")], ids=["plans", "tasks"]
)
def test_a_budget_in_money_needs_prices(home: Path, section: str, key: str) -> None:
    file = write_file(home, f'[{section}]\nmodel = "m"\n{key} = 2.5\n')
    with pytest.raises(ConfigError, match=f"{key} bounds nothing without price_in and price_out"):
        load_settings()
    file.write_text(f"[{section}]\n{key} = 2.5\nprice_out = 8\n")
    assert getattr(getattr(load_settings(), section), key) == 2.5
