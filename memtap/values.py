"""Classes of values, as `dataclasses` makes them, for a fifth of the time.

A command makes some forty of them when it starts. `dataclasses` compiles six functions for each, and loads `inspect`,
`ast` and `dis` to do it, which takes as long as parsing two million lines. Here one function is compiled, `__init__`;
the others are the same for all. Type checkers see `dataclasses` itself, whose `fields`, `asdict` and `replace` take
these values, too. There is no inheritance of fields, and always `slots`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own, without loading it

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
else:
    _MISSING = object()

    class field:  # noqa: N801 - its name in dataclasses
        """What a field has besides its type."""

        def __init__(self, *, default=_MISSING, default_factory=_MISSING, repr=True, kw_only=False):  # noqa: A002
            self.default = default
            self.default_factory = default_factory
            self.repr = repr
            self.kw_only = kw_only

    class _Fields:
        """`__dataclass_fields__`, for who asks."""

        def __get__(self, _value, owner):
            import dataclasses

            owner.__dataclass_fields__ = dataclasses.make_dataclass("", owner.__slots__).__dataclass_fields__
            return owner.__dataclass_fields__

    def dataclass(*, frozen=False, slots=True):
        """A decorator: the class with a slot for each of its annotations. `slots` is there for who reads it."""
        del slots
        return _frozen if frozen else _open

    def replace(value, /, **changes):
        """The value with some of its fields changed."""
        for name in value.__slots__:
            if name not in changes:
                changes[name] = getattr(value, name)
        return value.__class__(**changes)

    def _values(value):
        return tuple([getattr(value, name) for name in value.__slots__])

    def _repr(self):
        shown = [f"{name}={getattr(self, name)!r}" for name in self.__slots__ if name not in self._unshown_fields]
        return f"{self.__class__.__qualname__}({', '.join(shown)})"

    def _eq(self, other):
        return _values(self) == _values(other) if other.__class__ is self.__class__ else NotImplemented

    def _hash(self):
        return hash(_values(self))

    def _again(cls, values):
        return cls(**dict(zip(cls.__slots__, values, strict=True)))

    def _reduce(self):
        return _again, (self.__class__, _values(self))

    def _refuse_set(_self, name, _value):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_delete(_self, name):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")

    _ALL = {"__repr__": _repr, "__eq__": _eq, "__reduce__": _reduce, "__dataclass_fields__": _Fields()}
    _FROZEN = _ALL | {"__hash__": _hash, "__setattr__": _refuse_set, "__delattr__": _refuse_delete}

    def _open(cls):
        return _made(cls, _ALL | {"__hash__": None})

    def _frozen(cls):
        return _made(cls, _FROZEN)

    def _made(cls, methods):
        names = tuple(cls.__dict__.get("__annotations__", ()))  # noqa: RUF063 - inspect takes its time to load
        given = {name: cls.__dict__[name] for name in names if name in cls.__dict__}
        given = {name: what if isinstance(what, field) else field(default=what) for name, what in given.items()}
        body = {name: what for name, what in cls.__dict__.items() if name not in given}
        del body["__dict__"], body["__weakref__"]
        body = methods | body
        body["__slots__"] = names
        body["__match_args__"] = tuple([name for name in names if name not in given or not given[name].kw_only])
        body["_unshown_fields"] = [name for name in given if not given[name].repr]
        made = type(cls)(cls.__name__, cls.__bases__, body)
        made.__qualname__ = cls.__qualname__
        made.__init__ = _init(made, names, given)
        return made

    def _init(made, names, given):
        plain = field()
        scope = {"_missing": _MISSING}
        heads, named, lines = ["self"], [], []
        for name in names:
            about = given.get(name, plain)
            head, value = name, name
            if about.default is not _MISSING:
                head, scope[f"_{name}"] = f"{name}=_{name}", about.default
            elif about.default_factory is not _MISSING:
                head, scope[f"_{name}"] = f"{name}=_missing", about.default_factory
                value = f"_{name}() if {name} is _missing else {name}"
            scope[f"_set_{name}"] = made.__dict__[name].__set__
            (named if about.kw_only else heads).append(head)
            lines.append(f" _set_{name}(self, {value})")
        heads += ["*", *named] if named else []
        exec(f"def __init__({', '.join(heads)}):\n" + "\n".join(lines), scope)  # noqa: S102 - names of our own
        return scope["__init__"]
