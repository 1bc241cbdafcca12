"""Errors as Stripe words them: https://docs.stripe.com/api/errors."""

from typing import Final

from stripe_sandbox.resource import Resource

INVALID_REQUEST: Final = "invalid_request_error"

_NAMES: Final = {
    "billing_portal.configuration": "configuration",
    "billing_portal.session": "session",
    "checkout.session": "checkout.session",
    "test_helpers.test_clock": "test clock",
    "payment_method": "PaymentMethod",
}


class ApiError(Exception):
    """An answer other than success; `body` is what goes on the wire."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = INVALID_REQUEST,
        code: str | None = None,
        param: str | None = None,
        decline_code: str | None = None,
        changes_stand: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param
        self.decline_code = decline_code
        self.changes_stand = changes_stand
        """The refusal is itself something that happened, as a declined charge is: it takes nothing back."""
        self.headers: dict[str, str] = {}

    def body(self) -> Resource:
        error: Resource = {"message": self.message, "type": self.kind}
        if self.code is not None:
            error["code"] = self.code
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        if self.param is not None:
            error["param"] = self.param
        if self.decline_code is not None:
            error["decline_code"] = self.decline_code
        return {"error": error}


def no_such(kind: str, key: str, *, param: str = "id") -> ApiError:
    return ApiError(
        f"No such {_NAMES.get(kind, kind)}: '{key}'",
        status=404 if param == "id" else 400,
        code="resource_missing",
        param=param,
    )


def unknown_parameter(param: str) -> ApiError:
    return ApiError(f"Received unknown parameter: {param}", code="parameter_unknown", param=param)


def missing_parameter(param: str) -> ApiError:
    return ApiError(f"Missing required param: {param}.", code="parameter_missing", param=param)


def empty_parameter(param: str) -> ApiError:
    return ApiError(
        f"You passed an empty string for '{param}'. We assume empty values are an attempt to unset a parameter; "
        f"however '{param}' cannot be unset. You should remove '{param}' from your request or supply a non-empty "
        "value.",
        code="parameter_invalid_empty",
        param=param,
    )


def unrecognized_url(method: str, path: str) -> ApiError:
    return ApiError(
        f"Unrecognized request URL ({method}: {path}). The sandbox answers a part of Stripe's API only.", status=404
    )


STUMBLED: Final = ApiError(
    "Sorry, the sandbox stumbled over this request. Its log says where.", status=500, kind="api_error"
)
"""An error of the sandbox's own; nothing was changed."""
