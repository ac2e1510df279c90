"""What every configuration of this project has in common."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    NaiveDatetime,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

ClockTime = Annotated[NaiveDatetime, WithJsonSchema({"type": "string", "examples": ["2016-05-01 18:00"]})]
"""A moment on the readings' own clock. Forms ask for it as text: what picks a date and time adds a time zone."""


LARGEST = 2**31 - 1
"""The largest whole number that an option takes: what counts in 32 bits must not overflow."""
_LARGEST_FLOAT = 10**30


class Config(BaseModel):
    """A frozen record that refuses options it does not know and numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, given: Any, info: ValidationInfo) -> Any:
        """Pydantic would take true for 1, and whole numbers of any length."""
        kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
        most = _LARGEST_FLOAT if float in kinds else LARGEST
        for value in given if isinstance(given, list | tuple) else (given,):
            if isinstance(value, bool):
                if kinds & {int, float, NaiveDatetime} and bool not in kinds:
                    raise ValueError(f"must be no truth value, received {str(value).lower()}")
            elif isinstance(value, int | float) and NaiveDatetime in kinds:
                raise ValueError("must be a moment such as '2016-05-01 18:00', received a number")
            elif isinstance(value, int) and kinds & {int, float} and abs(value) > most:
                received = f"{value:,}" if abs(value) < _LARGEST_FLOAT else "one of hundreds of digits"
                raise ValueError(f"must be at most {most:,}, received {received}")
        return given

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """What may be given, before a preset completes it: nothing must be, and a form is not filled with defaults."""
        made = handler(schema)
        described = handler.resolve_ref_schema(made)
        described.pop("required", None)
        for option in described.get("properties", {}).values():
            option.pop("default", None)
            for kind in (option, *option.get("anyOf", ())):
                if kind.get("type") == "boolean":
                    del kind["type"]
                    kind["enum"] = [True, False]  # to be chosen: a switch in a form would always say one of them
        return made


def _kinds(annotation: Any) -> frozenset[Any]:
    """The plain types of which an option of this type is or holds values."""
    inner = [_kinds(part) for part in get_args(annotation) if not isinstance(part, str)]
    return frozenset({annotation} if isinstance(annotation, type) else ()).union(*inner)
