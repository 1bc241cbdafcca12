"""What a browser posts."""

from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

from litestar import Request

from stripe_sandbox.api.errors import ApiError

Form: TypeAlias = dict[str, str]
_MOST_FIELDS: Final = 100


async def posted(request: Request[Any, Any, Any]) -> Form:
    """The fields of a posted form; of two with one name the last counts. Raises `ApiError` for what is no form."""
    body = await request.body()
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError as error:
        raise ApiError("The form could not be read.") from error
