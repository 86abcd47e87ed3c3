"""A YAML file with positions: its data, the environment's values filled in, and where each key stands.

It knows nothing of the router's keys; what is wrong with a value is said by whoever calls ``Document.error``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from llmtrace.exceptions import ConfigurationError

Location = Sequence[str | int]

_VARIABLE: Final = re.compile(r"\$\$\{|\$\{([^}]*)\}|\$\{")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@]*@")
_LONGEST_SHOWN: Final = 80


class MistakeError(ConfigurationError):
    """One thing that is wrong in a file, with its place. ``others`` are further ones that were found with it."""

    def __init__(self, file: str, place: tuple[int, int], key: str, problem: str) -> None:
        super().__init__(f"{file}:{place[0]}:{place[1]}: {key + ': ' if key else ''}{problem}")
        self.file, self.key, self.problem = file, key, problem
        self.line, self.column = place
        self.others: tuple[MistakeError, ...] = ()

    def __str__(self) -> str:
        more = len(self.others)
        return super().__str__() + (f" (and {more} more)" if more else "")

    @property
    def alone(self) -> str:
        """The same without the others."""
        return super().__str__()


class PlainText(str):
    """Text that stands in the file without quotes."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read. ``secret_keys`` are those whose values no message shows."""

    name: str
    data: Any
    root: yaml.Node | None
    secret_keys: Collection[str] = ()

    def error(self, location: Location, problem: str, *, about_key: bool = False) -> MistakeError:
        """One line: file, line, column, key, value as it stands in the file, and ``problem`` with what is allowed.

        ``about_key``: the key itself is wrong or missing, so its value does not matter.
        """
        value = "" if about_key else self._shown(location, self._find(location)[0])
        place = self.place(location, about_key=about_key)
        return MistakeError(self.name, place, path(location), f"{value}{problem}")

    def place(self, location: Location, *, about_key: bool = False) -> tuple[int, int]:
        """Line and column of the value, or of its key."""
        node, key_node = self._find(location)
        marked = key_node if about_key else node
        return _position(marked.start_mark if marked is not None else None)

    def _find(self, location: Location) -> tuple[yaml.Node | None, yaml.Node | None]:
        """The node and its key; of the nearest parent where there is none (a missing key, a merged one)."""
        node = key = self.root
        for step in location:
            below = _child(node, step)
            if below is None:
                return node, node
            key, node = below
        return node, key

    def _shown(self, location: Location, node: yaml.Node | None) -> str:
        if not isinstance(node, yaml.ScalarNode) or any(step in self.secret_keys for step in location):
            return ""
        text = _CREDENTIALS.sub("***@", node.value)
        return f"{text[:_LONGEST_SHOWN]!r}{'...' if len(text) > _LONGEST_SHOWN else ''} is "


def read(name: str, text: str, environ: Mapping[str, str], secret_keys: Collection[str] = ()) -> Document:
    """Parse YAML and fill in ``${NAME}`` from ``environ``; ``$${`` stands for ``${`` itself.

    Raises:
        ConfigurationError: the text is no YAML, a key stands twice, or a variable is not set.
    """
    loader: _Loader | None = None
    try:
        loader = _Loader(text, environ)
        root = loader.get_single_node()
        data = loader.construct_document(root) if root is not None else None
    except yaml.MarkedYAMLError as error:
        place = _position(error.problem_mark or error.context_mark)
        raise MistakeError(name, place, "", _one_line(error.problem)) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ConfigurationError(f"{name}: not YAML: {_one_line(str(error))}") from error
    except RecursionError:
        raise ConfigurationError(f"{name}: not YAML that can be used: nested too deeply") from None
    finally:
        if loader is not None:
            loader.dispose()
    return Document(name, data, root, secret_keys)


def path(location: Location) -> str:
    """``routes[0].matchers[1]``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).removeprefix(".")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader that fills in variables, marks unquoted text, and refuses a key given twice."""

    def __init__(self, text: str, environ: Mapping[str, str]) -> None:
        super().__init__(text)
        self._environ = environ

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        if isinstance(node, yaml.MappingNode):  # `!!map text` gets here with a scalar, which PyYAML refuses
            self._refuse_duplicates(node)
        return super().construct_mapping(node, deep)

    def construct_text(self, node: yaml.ScalarNode) -> str:
        text = _VARIABLE.sub(lambda found: self._variable(found, node), node.value)
        return PlainText(text) if node.style is None else text

    def _variable(self, found: re.Match[str], node: yaml.Node) -> str:
        if found[0] == "$${":
            return "${"
        name = found[1] or ""
        if _NAME.fullmatch(name) is None:
            problem = f"{found[0]!r} names no environment variable; allowed: ${{NAME}}, or $${{ for a literal ${{"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        if name not in self._environ:
            problem = f"${{{name}}}: the environment variable {name} is not set"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return self._environ[name]

    def _refuse_duplicates(self, node: yaml.MappingNode) -> None:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen and key.value != "<<":
                problem = f"the key {key.value!r} stands twice in the same mapping"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(str(key.value))


_Loader.add_constructor("tag:yaml.org,2002:str", _Loader.construct_text)


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Key node and value node; for an item of a list it is its own key."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == step), None)
    return None


def _position(mark: yaml.Mark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)


def _one_line(text: str | None) -> str:
    return " ".join((text or "cannot be read").split())
