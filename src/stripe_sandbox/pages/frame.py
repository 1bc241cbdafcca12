"""What all pages share: the document around them, and safe text."""

from html import escape
from typing import Final

from litestar import MediaType, Response

_STYLE: Final = "body{font-family:sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}form{margin:.5rem 0}"


def page(title: str, *body: str, status: int = 200) -> Response[str]:
    """An HTML document; the parts of the body must be escaped already."""
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{''.join(body)}</main></body></html>"
    )
    return Response(text, media_type=MediaType.HTML, status_code=status)


def button(action: str, label: str, **fields: str) -> str:
    """A form of one button."""
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in fields.items()
    )
    return f'<form method="post" action="{escape(action)}">{hidden}<button>{escape(label)}</button></form>'


def money(amount: int, currency: str) -> str:
    return f"{amount / 100:.2f} {currency.upper()}"
