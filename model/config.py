"""What every configuration of this project has in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, NaiveDatetime, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

ClockTime = Annotated[NaiveDatetime, WithJsonSchema({"type": "string", "examples": ["2016-05-01 18:00"]})]
"""A moment on the readings' own clock. Forms ask for it as text: what picks a date and time adds a time zone."""


class Config(BaseModel):
    """A frozen record that refuses options it does not know and numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

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
