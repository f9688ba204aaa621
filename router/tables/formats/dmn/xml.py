"""Read XML from an untrusted source as a tree in which every element has its line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from lxml import etree

from router.tables.diagnostics import TableErrors
from router.tables.feel.errors import CellError
from router.tables.formats.xml_limits import XmlLimitError, check_xml_limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


MAX_BYTES = 10_000_000  # an export of 10,000 rows and six columns has about half of it
_MAX_UNCHECKED_BYTES = 500_000  # that libxml2 reads in seconds, whatever it is


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its name without the namespace, the namespace, attributes without a prefix, text and children.

    `text` is all text directly in the element, also between and after its children.
    """

    name: str
    namespace: str
    attributes: Mapping[str, str]
    text: str
    children: tuple[Element, ...]
    line: int
    declared_namespaces: tuple[str, ...] = ()  # of the root element, whether they are used or not

    def children_named(self, name: str) -> list[Element]:
        """Return the children of this name and of the same namespace."""
        return [child for child in self.children if child.name == name and child.namespace == self.namespace]

    def first_child(self, name: str) -> Element | None:
        """Return the first child of this name; None if there is none."""
        return next(iter(self.children_named(name)), None)

    def find_text(self, *path: str) -> str:
        """Return the text at a path of child names, without surrounding white space; empty if there is none."""
        if not path:
            return self.text.strip()
        child = self.first_child(path[0])
        return child.find_text(*path[1:]) if child else ""

    def attribute(self, attribute: str) -> str:
        """Return an attribute without surrounding white space; empty if there is none."""
        return self.attributes.get(attribute, "").strip()


def read_xml(content: bytes, source: str) -> Element:
    """Read one XML document.

    No external resource is loaded, entities are not resolved, and libxml2's limits on depth and size apply.

    Raises:
        TableErrors: it is too large, is not XML, or has a DOCTYPE.
    """
    if len(content) > MAX_BYTES:
        raise TableErrors([f"{source}:1: the file has more than {MAX_BYTES:,} bytes; split the model"])
    if len(content) > _MAX_UNCHECKED_BYTES:
        try:
            check_xml_limits(content)
        except XmlLimitError as error:
            raise TableErrors([f"{source}:1: the file {error}"]) from None
    try:
        root = etree.fromstring(content, _safe_parser())
    except etree.XMLSyntaxError as error:
        raise TableErrors([_xml_error_message(source, error.lineno, error.msg)]) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise TableErrors([f"{source}:1: the file has a DOCTYPE, which no model needs: take it out"])
    return replace(_element(root), declared_namespaces=tuple(root.nsmap.values()))


def _safe_parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def _xml_error_message(source: str, line: int | None, message: str | None) -> str:
    if "ntity" in (message or ""):
        return f"{source}:{line or 1}: the file uses entities of its own, which no model needs: write the text out"
    return f"{source}:{line or 1}: not valid XML: {(message or 'nothing can be read').partition(', line')[0]}"


def _element(node: etree._Element) -> Element:
    name = etree.QName(node)
    return Element(
        name=name.localname,
        namespace=name.namespace or "",
        # Attributes of tools have a namespace, those of the standard have none.
        attributes=MappingProxyType({key: value for key, value in node.attrib.items() if not key.startswith("{")}),
        text="".join([node.text or "", *[child.tail or "" for child in node]]),
        children=tuple(_element(child) for child in _child_elements(node)),
        line=node.sourceline or 1,
    )


def _child_elements(node: etree._Element) -> Iterator[etree._Element]:
    return (child for child in node if isinstance(child.tag, str))


def expression_text(element: Element) -> str:
    """Return the text of an expression; empty if there is none.

    Text that is written in another way is refused. If it were ignored, its cell would be read as empty, and an empty
    cell matches everything.

    Raises:
        CellError: text is written in another way.
    """
    for problem in _misplaced_text(element):
        raise CellError(f"{problem}: write <text>…</text> in <{element.name}>, and nothing around it")
    return element.find_text("text")


def is_empty_expression(element: Element | None) -> bool:
    """Return whether an expression has no text, not even misplaced text."""
    return element is None or not (element.find_text("text") or any(_misplaced_text(element)))


def _misplaced_text(element: Element) -> Iterator[str]:
    if element.text.strip():
        yield f"{element.text.strip()} is outside of <text>"
    for child in element.children:
        if child.name == "text" and child.namespace != element.namespace:
            yield f"<text> is in the namespace '{child.namespace}', not in that of the model"
        elif child.name == "text" and child.children:
            yield f"<{child.children[0].name}> is inside of <text>"
