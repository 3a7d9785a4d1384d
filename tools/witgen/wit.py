# SPDX-License-Identifier: Apache-2.0
"""Reads the JSON that `wasm-tools component wit --json` prints and answers what the canonical ABI says about each
type: size, alignment, flattening. Source: CanonicalABI.md "Alignment", "Element Size", "Flattening"."""

import re

FLAT_PARAMS_MAX = 16
FLAT_RESULTS_MAX = 1
FLAT_LIMIT = 1000

# WIT name: (kind constant, C type, bytes, flat type, member of core_value that a flat value is read from)
SCALARS = {
    "bool": ("BOOL", "bool", 1, "i32", "u32"),
    "s8": ("S8", "int8_t", 1, "i32", "u32"),
    "u8": ("U8", "uint8_t", 1, "i32", "u32"),
    "s16": ("S16", "int16_t", 2, "i32", "u32"),
    "u16": ("U16", "uint16_t", 2, "i32", "u32"),
    "s32": ("S32", "int32_t", 4, "i32", "u32"),
    "u32": ("U32", "uint32_t", 4, "i32", "u32"),
    "s64": ("S64", "int64_t", 8, "i64", "u64"),
    "u64": ("U64", "uint64_t", 8, "i64", "u64"),
    "f32": ("F32", "float", 4, "f32", "f32"),
    "f64": ("F64", "double", 8, "f64", "f64"),
    "char": ("CHAR", "uint32_t", 4, "i32", "u32"),
}

C_WORDS = set("""auto bool break case char const continue default do double else enum extern false float for goto if
inline int long register restrict return short signed sizeof static struct switch true typedef union unsigned void
volatile while errno stdin stdout stderr""".split())


class Unsupported(Exception):
    pass


def c_word(name):
    """A WIT name as a C member name."""
    word = name.replace("-", "_")
    return word + "_" if word in C_WORDS else word


def align_to(offset, align):
    return (offset + align - 1) // align * align


def join(a, b):
    """The core type that can hold both, as variants flatten their cases over each other."""
    if a == b:
        return a
    return "i32" if {a, b} == {"i32", "f32"} else "i64"


class Field:
    """A field of a record or a case of a variant; `type` is None for a case without payload."""

    def __init__(self, name, type_):
        self.name = name
        self.type = type_
        self.offset = 0


class Type:
    """One WIT type. `kind` is scalar, string, list, record, tuple, variant, enum, option, result, flags, own or
    borrow; `name` and `interface` are set when the WIT gives it a name."""

    def __init__(self, kind):
        self.kind = kind
        self.name = None
        self.interface = None
        self.scalar = None     # scalar: key of SCALARS
        self.element = None    # list, option, result's ok
        self.error = None      # result
        self.fields = []       # record, tuple, variant, enum, flags; option and result as the variants that they are
        self.resource = None   # own, borrow
        self.size = self.align = self.discriminant = self.payload = 0
        self.flat = []
        self.has_pointer = self.has_handle = False

    def is_bytes(self):
        return self.kind == "list" and self.element.kind == "scalar" and self.element.scalar == "u8"

    def lay_out(self):
        """Fills in the layout; the types inside are laid out already."""
        inner = [t for t in [self.element, self.error] + [f.type for f in self.fields] if t is not None]
        self.has_pointer = self.kind in ("string", "list") or any(t.has_pointer for t in inner)
        self.has_handle = self.kind in ("own", "borrow") or any(t.has_handle for t in inner)
        if self.kind == "scalar":
            _, _, self.size, flat, _ = SCALARS[self.scalar]
            self.align, self.flat = self.size, [flat]
        elif self.kind in ("string", "list"):
            self.size, self.align, self.flat = 8, 4, ["i32", "i32"]
        elif self.kind in ("own", "borrow"):
            self.size, self.align, self.flat = 4, 4, ["i32"]
        elif self.kind == "flags":
            self.lay_out_flags()
        elif self.kind in ("record", "tuple"):
            self.lay_out_record()
        else:
            self.lay_out_variant()
        return self

    def lay_out_flags(self):
        count = len(self.fields)
        if not 0 < count <= 32:
            raise Unsupported(f"flags {self.name}: {count} labels")
        self.size = self.align = 1 if count <= 8 else 2 if count <= 16 else 4
        self.flat = ["i32"]

    def lay_out_record(self):
        self.align = max(f.type.align for f in self.fields)
        for f in self.fields:
            f.offset = align_to(self.size, f.type.align)
            self.size = f.offset + f.type.size
            self.flat = self.flat + f.type.flat
        self.size = align_to(self.size, self.align)

    def lay_out_variant(self):
        count = len(self.fields)
        self.discriminant = 1 if count <= 1 << 8 else 2 if count <= 1 << 16 else 4
        payloads = [f.type for f in self.fields if f.type is not None]
        align = max([t.align for t in payloads], default=1)
        self.align = max(self.discriminant, align)
        self.payload = align_to(self.discriminant, align)
        self.size = align_to(self.payload + max([t.size for t in payloads], default=0), self.align)
        flat = []
        for t in payloads:
            for i, core in enumerate(t.flat):
                if i < len(flat):
                    flat[i] = join(flat[i], core)
                else:
                    flat.append(core)
        self.flat = ["i32"] + flat


class Resource:
    def __init__(self, name, interface):
        self.name = name
        self.interface = interface


class Function:
    def __init__(self, name, params, result):
        self.name = name      # as in the interface, with its "[method]" and the like
        self.params = params  # (name, Type)
        self.result = result  # Type or None

    def flat_params(self):
        return [core for _, t in self.params for core in t.flat]

    def params_spill(self):
        return len(self.flat_params()) > FLAT_PARAMS_MAX

    def result_spills(self):
        return self.result is not None and len(self.result.flat) > FLAT_RESULTS_MAX


class Interface:
    def __init__(self, package, name):
        namespaced, _, self.version = package.partition("@")
        self.namespace, _, self.package = namespaced.partition(":")
        self.name = name
        self.suffix = ""  # of its C names, where the world imports it in several versions
        self.resources = []
        self.named = []  # Types that this interface defines, in order
        self.functions = []

    def full_name(self):
        return f"{self.namespace}:{self.package}/{self.name}"

    def prefix(self):
        return f"{self.namespace}_{self.package}_{self.name}{self.suffix}".replace("-", "_")

    def path(self):
        return f"{self.namespace}/{self.package}_{self.name}{self.suffix}".replace("-", "_")


class Document:
    """The interfaces that the world `world` imports, in dependency order as the JSON lists them."""

    def __init__(self, json, world):
        self.json = json
        self.types = {}
        self.resources = {}
        self.all = [self.read_names(i) for i in json["interfaces"]]
        chosen = [w for w in json["worlds"] if w["name"] == world and w["package"] == len(json["packages"]) - 1]
        if len(chosen) != 1:
            raise Unsupported(f"world {world} is not in the WIT")
        wanted = [item["interface"]["id"] for item in chosen[0]["imports"].values()]
        self.interfaces = [self.all[i] for i in sorted(wanted)]
        self.tell_versions_apart()
        for i in sorted(wanted):
            self.read_interface(json["interfaces"][i], self.all[i])

    def tell_versions_apart(self):
        """All but the newest of several versions of an interface get their major number into their C names, all but the
        first of several pre-releases of one version what makes them that."""
        by_name = {}
        for interface in self.interfaces:
            by_name.setdefault(interface.full_name(), []).append(interface)
        for name, versions in by_name.items():
            majors = [int(i.version.split(".")[0]) for i in versions] if len(versions) > 1 else [0]
            pre = [i.version.partition("-")[2] for i in versions]
            same = len({i.version.partition("-")[0] for i in versions}) == 1
            if len(versions) > 1 and same and all(pre) and len(set(pre)) == len(pre):
                for interface, label in zip(versions, pre):
                    interface.suffix = "" if label == min(pre) else "_" + re.sub("[^0-9a-z]", "_", label.lower())
                continue
            if len(set(majors)) < len(majors):
                raise Unsupported(f"{name}: two versions of one major number")
            for interface, major in zip(versions, majors):
                interface.suffix = f"_{major}" if major < max(majors) else ""

    def read_names(self, item):
        return Interface(self.json["packages"][item["package"]]["name"], item["name"])

    def read_interface(self, item, interface):
        for index in item["types"].values():
            if self.json["types"][index]["kind"] == "resource":
                interface.resources.append(self.resource(index))
                continue
            if isinstance(self.json["types"][index]["kind"], dict) and "type" in self.json["types"][index]["kind"]:
                continue  # an alias: whoever uses it resolves it
            interface.named.append(self.type(index))
        for f in item["functions"].values():
            if isinstance(f["kind"], str) and f["kind"] != "freestanding" or "async" in str(f["kind"]):
                raise Unsupported(f"{interface.full_name()}: {f['name']} is {f['kind']}")
            params = [(p["name"], self.type(p["type"])) for p in f["params"]]
            result = f.get("result")
            interface.functions.append(Function(f["name"], params, None if result is None else self.type(result)))

    def resolve(self, index):
        """Follows aliases to the type that they stand for."""
        while isinstance(index, int):
            kind = self.json["types"][index]["kind"]
            if not isinstance(kind, dict) or "type" not in kind:
                return index
            index = kind["type"]
        return index

    def resource(self, index):
        index = self.resolve(index)
        if index not in self.resources:
            item = self.json["types"][index]
            self.resources[index] = Resource(item["name"], self.all[item["owner"]["interface"]])
        return self.resources[index]

    def type(self, index):
        index = self.resolve(index)
        if index not in self.types:
            self.types[index] = self.read_type(index).lay_out()
        return self.types[index]

    def optional(self, index):
        return None if index is None else self.type(index)

    def read_type(self, index):
        if index == "string":
            return Type("string")
        if isinstance(index, str):
            if index not in SCALARS:
                raise Unsupported(f"type {index}")
            t = Type("scalar")
            t.scalar = index
            return t
        item = self.json["types"][index]
        (kind, detail), = item["kind"].items()
        t = Type(kind)
        if item["name"] is not None:
            t.name, t.interface = item["name"], self.all[item["owner"]["interface"]]
        if kind == "handle":
            (t.kind, target), = detail.items()
            t.resource = self.resource(target)
        elif kind in ("list", "option"):
            t.element = self.type(detail)
            if kind == "option":
                t.fields = [Field("none", None), Field("some", t.element)]
        elif kind == "result":
            t.element, t.error = self.optional(detail["ok"]), self.optional(detail["err"])
            t.fields = [Field("ok", t.element), Field("err", t.error)]
        elif kind == "tuple":
            t.fields = [Field(f"f{i}", self.type(x)) for i, x in enumerate(detail["types"])]
        elif kind in ("record", "variant", "enum", "flags"):
            rows = detail[{"record": "fields", "flags": "flags"}.get(kind, "cases")]
            t.fields = [Field(r["name"], self.optional(r.get("type"))) for r in rows]
        else:
            raise Unsupported(f"type constructor {kind}")
        return t
