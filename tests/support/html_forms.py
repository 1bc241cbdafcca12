"""A browser without scripts and without a screen: reads pages, fills forms in, presses buttons."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

import httpx

_VOID: Final = frozenset({"br", "hr", "input", "link", "meta"})
_INLINE: Final = frozenset({"a", "code", "span", "time"})
_SEE_OTHER: Final = 303
Attributes = dict[str, str | None]


@dataclass(slots=True)
class Element:
    """A tag with its attributes and all text within."""

    name: str
    attributes: Attributes
    text: str = ""

    @property
    def words(self) -> str:
        """Answer the text within as it is read."""
        return " ".join(self.text.split())

    def get(self, name: str) -> str:
        """Answer an attribute, empty where there is none."""
        return self.attributes.get(name) or ""


@dataclass(slots=True)
class Form:
    """A form, its fields as they would be sent, and its buttons."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict[str, str])
    buttons: list[Element] = field(default_factory=list[Element])


class Page(HTMLParser):
    """One HTML answer, taken apart."""

    def __init__(self, response: httpx.Response) -> None:
        """Parse an answer."""
        super().__init__()
        self.response, self.status, self.html = response, response.status_code, response.text
        self.elements: list[Element] = []
        self.forms: list[Form] = []
        self.unbalanced: list[str] = []
        self._open: list[Element] = []
        self._select = ""
        self.feed(response.text)
        self.unbalanced += [element.name for element in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element, and what it means to the form around it."""
        element = Element(tag, dict(attrs))
        self._break_line(tag)
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)
        if tag == "form":
            self.forms.append(Form(element.get("action"), element.get("method")))
        elif self.forms and any(outer.name == "form" for outer in self._open):
            self._note_field(element)

    def _note_field(self, element: Element) -> None:
        form = self.forms[-1]
        if element.name == "button":
            form.buttons.append(element)
        elif element.name == "select":
            self._select = element.get("name")
        elif element.name == "option":
            if "selected" in element.attributes or self._select not in form.fields:
                form.fields[self._select] = element.get("value")
        elif element.name == "input" and (element.get("type") != "checkbox" or "checked" in element.attributes):
            form.fields[element.get("name")] = element.get("value")

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        if not self._open or self._open[-1].name != tag:
            self.unbalanced.append(tag)
            return
        self._break_line(tag)
        self._open.pop()

    def _break_line(self, tag: str) -> None:
        if tag not in _INLINE:
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        """Give text to every element it stands in."""
        for element in self._open:
            element.text += data

    @property
    def text(self) -> str:
        """Answer what a reader sees, on one line."""
        return self.all("main")[0].words

    def all(self, *names: str) -> list[Element]:
        """Answer the elements of these names, in order."""
        return [element for element in self.elements if element.name in names]

    @property
    def buttons(self) -> list[str]:
        """Answer what stands on the buttons."""
        return [button.words for form in self.forms for button in form.buttons]

    def find(self, label: str, *, within: str = "") -> tuple[Form, Element]:
        """Answer the button whose words begin so, in a form whose address contains `within`."""
        for form in self.forms:
            for button in form.buttons:
                if button.words.startswith(label) and within in form.action:
                    return form, button
        raise AssertionError(f"no button {label!r} among {self.buttons}")


class Visitor:
    """Somebody with a browser."""

    def __init__(self, base_url: str) -> None:
        """Visit one sandbox."""
        self._http = httpx.Client(base_url=base_url, trust_env=False, timeout=30)

    def open(self, address: str) -> Page:
        """Go to an address."""
        return Page(self._http.get(address))

    def press(self, page: Page, label: str, *, within: str = "", **filled: str | None) -> httpx.Response:
        """Fill fields in (None: leave it out) and press a button; answer what the server answers, unfollowed."""
        form, button = page.find(label, within=within)
        assert form.method == "post"
        fields = form.fields | filled
        if name := button.get("name"):
            fields[name] = button.get("value")
        sent = {name: value for name, value in fields.items() if value is not None}
        return self._http.post(form.action, data=sent)

    def follow(self, answer: httpx.Response) -> Page:
        """Go where an answer to a form points, as a browser does by itself."""
        assert answer.status_code == _SEE_OTHER, answer.text
        return self.open(answer.headers["location"])

    def post(self, address: str, **fields: str) -> Page:
        """Send a form that no page offers."""
        return Page(self._http.post(address, data=fields))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
