"""The options of a run: the flags of `saescope run`, with the same defaults."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sparse_autoencoder.data.kept_columns import KeptColumns, kept_columns
from sparse_autoencoder.data.source import DEFAULT_SOURCE
from sparse_autoencoder.runs.run_name import MOST_CHARS, check_run_name
from sparse_autoencoder.tokens.token_policy import Bos, LongRows

Precision = Literal["float32", "tf32", "bfloat16", "float64"]
Name = Annotated[str, Field(min_length=1, max_length=MOST_CHARS), AfterValidator(check_run_name)]


class RunOptions(BaseModel):
    """What can be chosen for a run; the defaults are the command's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name | None = None
    source: str = DEFAULT_SOURCE
    text_column: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    no_header: bool = False
    keep_columns: str | None = None
    group_by: str | None = None
    prompt_file: str | None = None
    kaggle_row: Annotated[int | None, Field(ge=0)] = None
    max_rows: Annotated[int | None, Field(ge=1)] = None
    chunk_size: Annotated[int, Field(ge=1)] = 10_000
    top_feature_count: Annotated[int, Field(ge=1)] = 100
    top_tokens_per_feature: Annotated[int, Field(ge=1, lt=2**31)] = 20
    subject: str = "gpt2"
    autoencoder: str = "v5_32k"
    activation: Annotated[str | None, Field(pattern=r"^([Rr]e[Ll][Uu]|[Ii]dentity|[Tt]op[Kk]:[1-9][0-9]{0,8})$")] = None
    layer: Annotated[int, Field(ge=0)] = 6
    location: str = "resid_post_mlp"
    max_tokens: Annotated[int, Field(ge=1)] = 64
    bos: Bos = "exclude"
    long_rows: LongRows = "split"
    context: Annotated[int, Field(ge=0)] = 0
    precision: Precision = "float32"
    device: str = "auto"
    keep_firings: bool = False
    save_activations: bool = False
    skip_directions: bool = False
    neighbours_of: str | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    check_neighbours: bool = False
    check_rows: Annotated[int, Field(ge=0, le=100_000)] = 0
    check_reference: str | None = None

    @property
    def columns(self) -> KeptColumns:
        """The columns of the dataset that are kept with its rows; SaescopeError if the options name none rightly."""
        return kept_columns(self.keep_columns, self.group_by)

    @property
    def keeps_firings(self) -> bool:
        """Whether the run's files say what fires at each token: saved activations do, too."""
        return self.keep_firings or self.save_activations
