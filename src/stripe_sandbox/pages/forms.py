"""What a browser posts."""

from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

from litestar import Request

from stripe_sandbox.api.errors import ApiError

Form: TypeAlias = dict[str, str]
_MOST_FIELDS: Final = 100
_FORM: Final = "application/x-www-form-urlencoded"
_UNSUPPORTED: Final = 415


async def posted(request: Request[Any, Any, Any]) -> Form:
    """The fields of a posted form. Raises `ApiError` for what is no form, and for two fields of one name."""
    body = await request.body()
    sent_as = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
    if body and sent_as != _FORM:
        raise ApiError(f"A page takes forms ({_FORM}), not {sent_as}.", status=_UNSUPPORTED)
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise ApiError("The form could not be read.") from error
    form = dict(fields)
    if len(form) < len(fields):
        twice = next(name for name in form if sum(name == other for other, _ in fields) > 1)
        raise ApiError(f"The form says {twice!r} twice.", param=twice)
    return form
