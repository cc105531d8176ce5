"""The owner's settings: a 0600 TOML file, overridden by AGENTHUB_ variables and options."""

import difflib
import json
import os
import re
import shlex
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from agent_client import files
from agent_client.errors import BadSettings, FolderNotWritable, NotJoined
from agent_client.hours import parse_hours
from agent_client.options import HOME

CONFIG, FLEET = "config.toml", "fleet"
PREFIX = "AGENTHUB_CLIENT_"
INDICES = r"[0-9]+(,[0-9]+)*"
GPUS = rf"^(auto|all|cpu|{INDICES})$"
Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# Not Path.expanduser: it raises where there is no home, which is no matter here.
Place = Annotated[Path, AfterValidator(lambda path: Path(os.path.expanduser(path)))]  # noqa: PTH111


class Strict(BaseModel):
    """A group of settings in which a misspelt key is named, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OwnerLimits(Strict):
    """What the owner allows this machine to do; None means no limit.

    Hours are local time by weekday, such as {"mon-fri" = "18:00-08:00", "sat-sun" = "00:00-24:00"};
    temperatures in degrees Celsius, power in watts, memory and disk in MiB, money in dollars.
    """

    hours: dict[str, str] = Field(default_factory=dict)
    vram_mb: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, gt=0)
    power_watts: float | None = Field(default=None, gt=0)
    pause_when_gpu_is_used: bool = True
    disk_free_mb: int = Field(default=500, ge=0)
    runs_per_day: int | None = Field(default=None, ge=1)
    dollars_per_run: Dollars = 0.5
    dollars_per_day: Dollars = 5.0
    dollars_total: Dollars | None = None
    tokens_per_run: int | None = Field(default=None, ge=1)
    tokens_per_day: int | None = Field(default=None, ge=1)
    tokens_total: int | None = Field(default=None, ge=1)
    on_battery: bool = False

    @field_validator("hours")
    @classmethod
    def _readable(cls, value: dict[str, str]) -> dict[str, str]:
        parse_hours(value)
        return value


def limits_of_one(workers: int) -> OwnerLimits:
    """What one of a machine's workers is allowed at first: together they spend what one would."""
    return OwnerLimits(dollars_per_day=round(OwnerLimits().dollars_per_day / workers, 2))


class Llm(Strict):
    """How the claude mutator talks to its model; the API key stays in ANTHROPIC_API_KEY.

    Prices are dollars per million tokens; left out, a built-in table by model family is used.
    """

    model: str = "claude-sonnet-5"
    base_url: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int = Field(default=4096, ge=256, le=64000)
    timeout_seconds: float = Field(default=300.0, gt=0, le=3600)
    repairs: int = Field(default=3, ge=0, le=10)
    prompts: Place | None = None
    price_in: Dollars | None = None
    price_out: Dollars | None = None
    fall_back_to_offline: bool = False


class Settings(BaseSettings):
    """Everything that `config.toml` may say."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    hub: str
    agent: str
    owner: str
    token: str
    goals: list[str] = Field(default_factory=list)
    mutator: str = Field(default="auto", pattern=r"^(auto|claude|offline|command)$")
    mutator_command: str = ""
    mutator_seconds: float = Field(default=900.0, gt=0, le=7200)
    gpus: str = Field(default="auto", pattern=GPUS)
    pipeline: bool = True
    cache: Place | None = None
    insecure_http: bool = False
    unsafe_no_sandbox: bool = False
    limits: OwnerLimits = OwnerLimits()
    llm: Llm = Llm()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings calls it so
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables win over the file, which comes in as keyword arguments."""
        return env_settings, init_settings


def shared_cache(folder: Path, chosen: Path | None = None) -> Path | None:
    """Where this worker shares prepared data with others: the owner's choice, or its fleet."""
    fleet = folder.parent if (folder.parent / FLEET).is_file() else None
    return chosen or fleet


def check_gpus(gpus: str) -> None:
    """Raise BadSettings for a choice of GPUs that cannot be read."""
    if not re.fullmatch(GPUS, gpus):
        raise BadSettings(f"--gpus {gpus!r} is none of auto, all, cpu, or an index such as 0.")


def gpu_of(gpus: str) -> str:
    """The number of the one GPU that a worker with this setting uses, as text."""
    return gpus.split(",")[0] if gpus[:1].isdigit() else "0"


def load(folder: Path) -> Settings:
    """Read the folder's settings.

    Raises:
        NotJoined: there is no settings file.
        BadSettings: it cannot be read, is not TOML, or a key is unknown or wrong, and named.
    """
    path = folder / CONFIG
    try:
        said = tomllib.loads(_read(path))
        _check_variables(os.environ)
        return Settings(**said)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise BadSettings(f"{path} is not TOML: {problem}") from None
    except ValidationError as problem:
        raise BadSettings(f"{path}: {_explain(problem)}") from None
    except SettingsError as problem:
        name = str(problem).partition('"')[2].partition('"')[0]
        raise BadSettings(f'{PREFIX}{name.upper()} is not JSON, such as ["tiny_gpt"].') from None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        folder = path.parent
        raise NotJoined(
            f"{folder} has not joined a hub yet; run "
            f"`agent_client join URL{folder_option(folder)}` first."
        ) from None
    except OSError as problem:
        raise BadSettings(f"{path} cannot be read: {problem.strerror}.") from None


def _check_variables(environment: Iterable[str]) -> None:
    """Name a variable that means no setting: pydantic looks for those that it knows."""
    for variable in environment:
        key = variable.removeprefix(PREFIX).lower().partition("__")[0]
        if variable.startswith(PREFIX) and key not in {*Settings.model_fields, "folder"}:
            raise BadSettings(f"{variable}: unknown key {key!r}; {_advice(key)}")


def _explain(problem: ValidationError) -> str:
    """The first few problems as one line that names each key."""
    parts = []
    for error in problem.errors()[:5]:
        key = ".".join(str(part) for part in error["loc"])
        unknown = error["type"] == "extra_forbidden"
        said = f"unknown key {key!r}; {_advice(key)}" if unknown else f"{key}: {_wrong(error)}"
        parts.append(said)
    return "; ".join(parts)


def _wrong(error: ErrorDetails) -> str:
    """What is wrong with a value; where only some words will do, those."""
    choice = re.fullmatch(r"\^\((.+)\)\$", str(error.get("ctx", {}).get("pattern", "")))
    if choice is None:
        return error["msg"]
    words = choice[1].replace(INDICES, "an index such as 0").replace("|", ", ")
    return f"{error['input']!r} is none of {words}"


def _advice(key: str) -> str:
    """What to do about an unknown key: the one that was meant, where that is plain."""
    group, _, name = key.rpartition(".")
    groups: dict[str, type[BaseModel]] = {"": Settings, "limits": OwnerLimits, "llm": Llm}
    known = [*groups[group].model_fields] if group in groups else []
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else "remove it."


def folder_option(folder: Path) -> str:
    """What a command has to say to mean this folder: nothing where it is the usual one."""
    # Not Path.expanduser: it raises where there is no home, which is no matter here.
    here, usual = (Path(os.path.expanduser(path)).resolve() for path in (folder, HOME))  # noqa: PTH111
    return "" if here == usual else f" --folder {shlex.quote(str(folder))}"


def with_options(settings: Settings, said: dict[str, Any]) -> Settings:
    """The settings with what the command line said; raises BadSettings naming a bad value."""
    known = {key: value for key, value in said.items() if value is not None}
    try:
        return Settings.model_validate({**settings.model_dump(), **known})
    except ValidationError as problem:
        raise BadSettings(_explain(problem)) from None


def save(folder: Path, settings: Settings) -> Path:
    """Write the settings, readable by their owner alone; raises FolderNotWritable."""
    path = folder / CONFIG
    said = settings.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    try:
        make_folder(folder)
        files.write_durably(path, to_toml(said).encode())
    except OSError as problem:
        raise FolderNotWritable(f"{folder} cannot be written: {problem}") from None
    return path


def make_folder(folder: Path) -> None:
    """Make the client's folder and see that it can be written; raises FolderNotWritable."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as problem:
        raise FolderNotWritable(f"{folder} cannot be written: {problem}") from None


def to_toml(table: dict[str, Any], prefix: str = "") -> str:
    """Plain values first, then tables; strings are quoted as JSON quotes them."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = [
        f"{_key(key)} = {json.dumps(value, ensure_ascii=False)}" for key, value in plain.items()
    ]
    for key, value in table.items():
        if isinstance(value, dict) and value:
            name = f"{prefix}{_key(key)}"
            lines += ["", f"[{name}]", to_toml(value, f"{name}.").rstrip("\n")]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)
