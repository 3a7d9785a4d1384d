# SPDX-License-Identifier: Apache-2.0
"""Writes the C of one interface: types and prototypes (header), type tables and bodies (source).

Each compound type gets, where a function needs them, up to three static functions: `lift_T` from flat core values,
`load_T` from memory, `store_T` to memory. Types without strings and lists are stored through a pointer; the others
through a guest address, because the guest's allocator may run, and move memory, between two fields.
"""
from wit import FLAT_LIMIT, SCALARS, Unsupported, c_word

# What the bodies use themselves, and types that a parameter must not hide.
RESERVED_PARAMS = {"call", "ret", "e", "flat", "owns", "args", "ret_ptr", "p", "status", "err", "slice", "arena",
                   "semver", "ctype"}
INDENT = "    "

# Packages whose calls go to a link as they are, as bytes: nobody writes their functions by hand.
FORWARDED = {"wasmcloud:postgres"}
FORWARD = "wasi_link_forward"


def indent(lines):
    return [INDENT + line if line else line for line in lines]


def is_scalar_like(t):
    """Passed by value in C."""
    return t.kind in ("scalar", "string", "own", "borrow", "enum", "flags") or t.is_bytes()


class Names:
    """C names. A type without a name of its own belongs to the interface that mentions it."""

    @staticmethod
    def home(t, interface):
        return t.interface if t.name is not None else interface

    @staticmethod
    def short(t):
        if t is None:
            return "void"
        if t.name is not None:
            return t.name.replace("-", "_")
        if t.kind == "scalar":
            return t.scalar
        if t.kind == "string":
            return "string"
        if t.kind == "own":
            return t.resource.name.replace("-", "_")
        if t.kind == "borrow":
            return "borrow_" + t.resource.name.replace("-", "_")
        if t.kind == "result":
            return f"result_{Names.short(t.element)}_{Names.short(t.error)}"
        if t.kind == "tuple":
            return "_".join(["tuple"] + [Names.short(f.type) for f in t.fields])
        return f"{t.kind}_{Names.short(t.element)}"

    @staticmethod
    def base(t, interface):
        """A type gives way to a function of the same name (the record `descriptor-stat`, the method
        `descriptor.stat`)."""
        home = Names.home(t, interface)
        name = f"{home.prefix()}_{Names.short(t)}"
        return name + "_data" if name in {Names.function(home, f.name) for f in home.functions} else name

    @staticmethod
    def resource(r):
        return f"{r.interface.prefix()}_{r.name.replace('-', '_')}"

    @staticmethod
    def c(t, interface):
        if t.kind == "scalar":
            return SCALARS[t.scalar][1]
        if t.kind == "string" or t.is_bytes():
            return "slice"
        if t.kind in ("own", "borrow"):
            return Names.resource(t.resource) + " *"
        return Names.base(t, interface)

    @staticmethod
    def declare(t, interface, name):
        c = Names.c(t, interface)
        return c + name if c.endswith("*") else f"{c} {name}"

    @staticmethod
    def case(t, interface, name):
        return f"{Names.base(t, interface)}_{name}".replace("-", "_").upper()

    @staticmethod
    def type_table(t, interface):
        if t.kind == "scalar":
            return "glue_" + t.scalar
        if t.kind == "string":
            return "glue_string"
        prefix = Names.home(t, interface).prefix()
        short = Names.short(t)
        return f"{prefix}_{'own_' if t.kind == 'own' else ''}{short}_type"

    @staticmethod
    def function(interface, name):
        kind, _, rest = name.rpartition("]")
        if kind == "[constructor":
            rest += "-new"
        return f"{interface.prefix()}_{rest}".replace("-", "_").replace(".", "_")

    @staticmethod
    def param(name):
        word = c_word(name)
        return word + "_" if word in RESERVED_PARAMS else word


def children(t):
    return [x for x in ([t.element, t.error] if t.kind in ("list", "option", "result") else
                        [f.type for f in t.fields]) if x is not None]


def walk(t, interface, seen, out):
    """Appends every type below `t`, then `t`, each once: (type, interface that mentions it)."""
    key = Names.type_table(t, interface)
    if key in seen:
        return
    seen.add(key)
    for child in children(t):
        walk(child, Names.home(t, interface), seen, out)
    out.append((t, Names.home(t, interface)))


class Header:
    def __init__(self, interface):
        self.i = interface

    def types(self):
        seen, out = set(), []
        for t in self.i.named + [t for f in self.i.functions for t in [p for _, p in f.params] + [f.result] if t]:
            walk(t, self.i, seen, out)
        return out

    def foreign(self, types):
        owners = [t.interface for t, _ in types if t.name is not None]
        owners += [t.resource.interface for t, _ in types if t.resource is not None]
        return sorted({o.path() for o in owners if o is not self.i})

    def text(self):
        types = self.types()
        lines = [f"// Generated from {self.i.full_name()}@{self.i.version} by tools/witgen. Do not edit.",
                 "#pragma once", "", '#include "component/host.h"']
        lines += [f'#include "{path}.h"' for path in self.foreign(types)]
        lines.append("")
        for r in self.i.resources:
            name = Names.resource(r)
            lines += [f"typedef struct {name} {name};",
                      f"extern const ctype_resource {name}_resource;",
                      f"void {name}_drop(void *context, void *rep);", ""]
        for t, home in types:
            if home is self.i:
                lines += self.definition(t)
        lines += [p + " WRIT_MUST_USE;" for p in prototypes(self.i)]
        return "\n".join(lines + ["", f"extern const host_interface {self.i.prefix()}_interface;", ""])

    def definition(self, t):
        name = Names.base(t, self.i)
        lines = []
        if t.kind in ("record", "tuple"):
            lines = ["typedef struct {"] + indent(Names.declare(f.type, self.i, c_word(f.name)) + ";"
                                                  for f in t.fields) + [f"}} {name};", ""]
        elif t.kind == "list" and not t.is_bytes():
            lines = ["typedef struct {", INDENT + self.list_items(t), INDENT + "size_t count;", f"}} {name};", ""]
        elif t.kind == "option":
            lines = ["typedef struct {", INDENT + "bool some;",
                     INDENT + Names.declare(t.element, self.i, "value") + ";", f"}} {name};", ""]
        elif t.kind == "result":
            members = [(x, n) for x, n in [(t.element, "ok"), (t.error, "err")] if x is not None]
            lines = ["typedef struct {", INDENT + "bool is_err;"] + indent(self.union(members, ""))
            lines += [f"}} {name};", ""]
        elif t.kind == "variant":
            members = [(f.type, c_word(f.name)) for f in t.fields if f.type is not None]
            lines = ["enum {"] + indent(self.constant(t, f, i) for i, f in enumerate(t.fields)) + ["};"]
            lines += ["typedef struct {", f"{INDENT}uint{t.discriminant * 8}_t tag;"]
            lines += indent(self.union(members, " of")) + [f"}} {name};", ""]
        elif t.kind == "enum":
            lines = ["typedef enum {"] + indent(self.constant(t, f, i) for i, f in enumerate(t.fields))
            lines += [f"}} {name};", ""]
        elif t.kind == "flags":
            lines = ["enum {"] + indent(f"{Names.case(t, self.i, f.name)} = 1 << {i}," if i < 31 else
                                        f"{Names.case(t, self.i, f.name)} = INT32_MIN," for i, f in enumerate(t.fields))
            lines += ["};", f"typedef uint{t.size * 8}_t {name};", ""]
        if t.name is not None:
            lines.insert(len(lines) - 1, f"extern const ctype {Names.type_table(t, self.i)};") if lines else None
        return lines

    def list_items(self, t):
        c = Names.c(t.element, self.i)
        return f"{c}*items;" if c.endswith("*") else f"{c} *items;"

    def constant(self, t, f, i):
        return f"{Names.case(t, self.i, f.name)} = {i},"

    def union(self, members, name):
        if not members:
            return []
        return ["union {"] + indent(Names.declare(x, self.i, n) + ";" for x, n in members) + [f"}}{name};"]


def is_forwarded(interface):
    forwarded = f"{interface.namespace}:{interface.package}" in FORWARDED
    if forwarded and interface.resources:
        raise Unsupported(f"{interface.full_name()}: a resource cannot be passed on")
    return forwarded


def prototypes(interface):
    if is_forwarded(interface):
        return [f"status {FORWARD}(host_call *call, core_value *flat, err *e)"] if interface.functions else []
    return [prototype(interface, f) for f in interface.functions]


def prototype(interface, f):
    params = ["host_call *call"]
    for name, t in f.params:
        declared = Names.declare(t, interface, Names.param(name))
        params.append(declared if is_scalar_like(t) else
                      f"const {Names.c(t, interface)} *{Names.param(name)}")
    if f.result is not None:
        c = Names.c(f.result, interface)
        params.append(f"{c}*ret" if c.endswith("*") else f"{c} *ret")
    return f"status {Names.function(interface, f.name)}({', '.join(params + ['err *e'])})"


class Source:
    def __init__(self, interface):
        self.i = interface
        self.done = set()
        self.functions = []  # text of lift_, load_ and store_ functions, in the order of their use

    # --- type tables -------------------------------------------------------------------------------------------

    def table(self, t, home):
        if t.kind in ("scalar", "string") or home is not self.i:
            return []
        name = Names.type_table(t, home)
        lines = []
        rows = [".kind = CTYPE_" + t.kind.upper(), f".size = {t.size}", f".align = {t.align}",
                f".flat_count = {min(len(t.flat), FLAT_LIMIT)}"]
        if t.discriminant:
            rows += [f".discriminant_size = {t.discriminant}", f".payload_offset = {t.payload}"]
        if t.kind in ("record", "tuple", "variant", "enum", "flags"):
            lines.append(f"static const ctype_case {name}_cases[] = {{")
            for f in t.fields:
                label = "{NULL, 0}" if t.kind == "tuple" else f'SLICE_LITERAL("{f.name}")'
                inner = f"&{Names.type_table(f.type, home)}" if f.type else "NULL"
                lines.append(f"{INDENT}{{{label}, {inner}, {f.offset}}},")
            lines.append("};")
            rows += [f".case_count = {len(t.fields)}", f".cases = {name}_cases"]
        if t.element is not None:
            rows.append(f".element = &{Names.type_table(t.element, home)}")
        if t.error is not None:
            rows.append(f".error = &{Names.type_table(t.error, home)}")
        if t.resource is not None:
            rows.append(f".resource = &{Names.resource(t.resource)}_resource")
        if t.has_pointer:
            rows.append(".has_pointer = true")
        if t.has_handle:
            rows.append(".has_handle = true")
        static = "" if t.name is not None else "static "
        return lines + [f"{static}const ctype {name} = {{"] + indent(r + "," for r in rows) + ["};"]

    # --- lifting -------------------------------------------------------------------------------------------------

    def lift(self, t, home, f, n, to):
        """Statements that read `t` from the core values `f[n]`, ... into the lvalue `to`."""
        at = f"{f}[{n}]"
        if t.kind == "list":
            return self.lift_list(t, home, f"{at}.u32", f"{f}[{n + 1}].u32", to)
        if t.kind == "string":
            return [f"TRY(host_lift_string(call, {at}.u32, {f}[{n + 1}].u32, &{to}, e));"]
        if t.kind in ("own", "borrow", "enum", "flags"):
            return self.lift_word(t, home, at + ".u32", to)
        if t.kind == "scalar":
            return [self.lift_scalar(t.scalar, at, to)]
        return [f"TRY({self.compound('lift', t, home)}(call, owns, &{at}, &{to}, e));"]

    @staticmethod
    def lift_scalar(kind, at, to):
        c, bits = SCALARS[kind][1], SCALARS[kind][2] * 8
        if kind == "char":
            return f"TRY(host_lift_char(call, {at}.u32, &{to}, e));"
        if kind == "bool":
            return f"{to} = {at}.u32 != 0;"
        if kind in ("f32", "f64"):
            return f"{to} = glue_canonical_{kind}({at}.{kind});"
        if bits < 32:
            return f"{to} = ({c}){at}.u32;"
        return f"{to} = {at}.{'i' if kind[0] == 's' else 'u'}{bits};"

    def load(self, t, home, p, to):
        """The same from memory at the expression `p`."""
        if t.kind == "list":
            return self.lift_list(t, home, f"host_load_u32({p})", f"host_load_u32({p} + 4)", to)
        if t.kind == "string":
            return [f"TRY(host_lift_string(call, host_load_u32({p}), host_load_u32({p} + 4), &{to}, e));"]
        if t.kind in ("own", "borrow", "enum", "flags"):
            return self.lift_word(t, home, self.load_word(t.discriminant or t.size, p), to)
        if t.kind == "scalar":
            return [self.load_scalar(t.scalar, p, to)]
        return [f"TRY({self.compound('load', t, home)}(call, owns, {p}, &{to}, e));"]

    @staticmethod
    def load_word(size, p):
        return f"*({p})" if size == 1 else f"host_load_u{size * 8}({p})"

    @staticmethod
    def load_scalar(kind, p, to):
        c, size = SCALARS[kind][1], SCALARS[kind][2]
        word = Source.load_word(size, p)
        if kind == "char":
            return f"TRY(host_lift_char(call, {word}, &{to}, e));"
        if kind == "bool":
            return f"{to} = {word} != 0;"
        if kind in ("f32", "f64"):
            return f"{to} = glue_load_{kind}({p});"
        return f"{to} = ({c}){word};" if kind[0] == "s" else f"{to} = {word};"

    def lift_word(self, t, home, word, to):
        """Handles, enums and flags: one integer, wherever it stands."""
        if t.kind == "flags":
            mask = (1 << len(t.fields)) - 1
            return [f"{to} = ({Names.c(t, home)})({word} & {mask:#x}u);"]
        if t.kind == "enum":
            return [f"TRY({self.compound('case', t, home)}({word}, &{to}, e));"]
        resource = f"&{Names.resource(t.resource)}_resource"
        call = (f"glue_own_check(call, {word}, {resource}, owns, &rep, e)" if t.kind == "own" else
                f"host_lift_borrow(call, {word}, {resource}, &rep, e)")
        return ["{", INDENT + "void *rep = NULL;", f"{INDENT}TRY({call});", f"{INDENT}{to} = rep;", "}"]

    def lift_list(self, t, home, ptr, count, to):
        if t.is_bytes():
            return [f"TRY(glue_lift_bytes(call, {ptr}, {count}, &{to}, e));"]
        return [f"TRY({self.compound('lift', t, home)}(call, owns, {ptr}, {count}, &{to}, e));"]

    # --- storing -------------------------------------------------------------------------------------------------

    def store(self, t, home, p, value):
        """Statements that write the lvalue `value` to memory: `p` is a pointer, or for types with strings or lists
        inside an address."""
        if t.kind == "borrow":
            raise Unsupported(f"{self.i.full_name()}: a borrow in a result")
        if t.kind == "string":
            return [f"TRY(glue_store_string(call, {p}, {value}, e));"]
        if t.is_bytes():
            return [f"TRY(glue_store_bytes(call, {p}, {value}, e));"]
        if t.kind == "own":
            return [f"TRY(glue_store_own(call, {p}, &{Names.resource(t.resource)}_resource, {value}, e));"]
        if t.kind in ("enum", "flags"):
            return [self.store_word(t.discriminant or t.size, p, value)]
        if t.kind == "scalar":
            if t.scalar in ("f32", "f64"):
                return [f"glue_store_{t.scalar}({p}, {value});"]
            return [self.store_word(t.size, p, value)]
        return [f"TRY({self.compound('store', t, home)}(call, {p}, &{value}, e));"]

    @staticmethod
    def store_word(size, p, value):
        if size == 1:
            return f"*({p}) = (uint8_t)({value});"
        return f"host_store_u{size * 8}({p}, (uint{size * 8}_t){value});"

    def store_part(self, t, home, whole, offset, value):
        """One field of `whole`; finds its memory first where `whole` is known by its address only."""
        base = "ptr" if whole.has_pointer else "p"
        at = f"{base} + {offset}" if offset else base
        if whole.has_pointer and not t.has_pointer:
            return ["{", INDENT + "uint8_t *p = NULL;",
                    f"{INDENT}TRY(host_memory_at(call, {at}, {t.size}, {t.align}, &p, e));"] + indent(
                        self.store(t, home, "p", value)) + ["}"]
        return self.store(t, home, at, value)

    def store_tag(self, t, value):
        if not t.has_pointer:
            return [self.store_word(t.discriminant, "p", value)]
        return ["uint8_t *tag_at = NULL;",
                f"TRY(host_memory_at(call, ptr, {t.discriminant}, {t.discriminant}, &tag_at, e));",
                self.store_word(t.discriminant, "tag_at", value)]

    # --- functions for compound types ----------------------------------------------------------------------------

    def compound(self, verb, t, home):
        """The name of `verb`'s function for `t`, which is written when it is used for the first time."""
        home = Names.home(t, home)
        name = f"{verb}_{Names.base(t, home)}"
        if name not in self.done:
            self.done.add(name)
            lines = getattr(self, f"{verb}_function")(t, home, name)
            self.functions += lines + [""]
        return name

    def case_function(self, t, home, name):
        c = Names.c(t, home)
        return [f"static status {name}(uint32_t tag, {c} *ret, err *e) {{",
                f"{INDENT}if (tag >= {len(t.fields)}) {{",
                f'{INDENT * 2}return glue_bad_case(e, tag, "{Names.short(t)}", {len(t.fields)});',
                INDENT + "}", f"{INDENT}*ret = ({c})tag;", INDENT + "return STATUS_OK;", "}"]

    def lift_function(self, t, home, name):
        if t.kind == "list":
            return self.lift_list_function(t, home, name)
        source = "const core_value *f"
        n = 0
        body = []
        if t.kind in ("record", "tuple"):
            for f in t.fields:
                body += self.lift(f.type, home, "f", n, f"ret->{c_word(f.name)}")
                n += len(f.type.flat)
        else:
            body = ["uint32_t tag = f[0].u32;"]
            body += self.cases(t, home, lambda x, to: self.lift(x, home, "f", 1, to))
        return self.lift_shell(t, home, name, source, body)

    def load_function(self, t, home, name):
        source = "const uint8_t *p"
        body = []
        if t.kind in ("record", "tuple"):
            for f in t.fields:
                body += self.load(f.type, home, f"p + {f.offset}" if f.offset else "p", f"ret->{c_word(f.name)}")
        else:
            body = [f"uint32_t tag = {self.load_word(t.discriminant, 'p')};"]
            body += self.cases(t, home, lambda x, to: self.load(x, home, f"p + {t.payload}", to))
        return self.lift_shell(t, home, name, source, body)

    def lift_shell(self, t, home, name, source, body):
        head = (f"static status {name}(host_call *call WRIT_UNUSED, glue_owns *owns WRIT_UNUSED, {source}, "
                f"{Names.c(t, home)} *ret, err *e WRIT_UNUSED) {{")
        return [head] + indent(body + ["return STATUS_OK;"]) + ["}"]

    def cases(self, t, home, read):
        """A switch over `tag` that reads the payload of each case with `read(type, lvalue)`."""
        lines = ["switch (tag) {"]
        for i, f in enumerate(t.fields):
            lines.append(f"case {i}:")
            if f.type is not None:
                lines += indent(read(f.type, self.payload(t, "ret->", f)))
            lines.append(INDENT + "break;")
        lines += ["default:", f'{INDENT}return glue_bad_case(e, tag, "{Names.short(t)}", {len(t.fields)});', "}"]
        lines.append({"option": "ret->some = tag != 0;", "result": "ret->is_err = tag != 0;"}.get(
            t.kind, f"ret->tag = (uint{t.discriminant * 8}_t)tag;"))
        return lines

    @staticmethod
    def payload(t, base, f):
        return base + {"option": "value", "result": f.name}.get(t.kind, "of." + c_word(f.name))

    def lift_list_function(self, t, home, name):
        c = Names.c(t.element, home)
        star = c + "*" if c.endswith("*") else c + " *"
        head = (f"static status {name}(host_call *call, glue_owns *owns WRIT_UNUSED, uint32_t ptr, uint32_t count, "
                f"{Names.c(t, home)} *ret, err *e) {{")
        size = f"sizeof(*ret->items)"
        body = ["uint8_t *data = NULL;",
                f"TRY(host_list_at(call, ptr, count, {t.element.size}, {t.element.align}, &data, e));",
                "void *room = NULL;", f"TRY(glue_new_list(call, count, {size}, &room, e));",
                f"{star}items = room;", "for (uint32_t i = 0; i < count; i++) {",
                f"{INDENT}const uint8_t *p = data + (size_t)i * {t.element.size};"]
        body += indent(self.load(t.element, home, "p", "items[i]")) + ["}"]
        body += ["ret->items = items;", "ret->count = count;"]
        return [head] + indent(body + ["return STATUS_OK;"]) + ["}"]

    def store_function(self, t, home, name):
        if t.kind == "list":
            return self.store_list_function(t, home, name)
        at = "uint32_t ptr" if t.has_pointer else "uint8_t *p"
        head = (f"static status {name}(host_call *call WRIT_UNUSED, {at}, const {Names.c(t, home)} *v, "
                "err *e WRIT_UNUSED) {")
        body = []
        if t.kind in ("record", "tuple"):
            for f in t.fields:
                body += self.store_part(f.type, home, t, f.offset, f"v->{c_word(f.name)}")
        else:
            body += self.store_cases(t, home)
        return [head] + indent(body + ["return STATUS_OK;"]) + ["}"]

    def store_cases(self, t, home):
        tag = {"option": "v->some", "result": "v->is_err"}.get(t.kind, "v->tag")
        lines = self.store_tag(t, tag)
        if not any(f.type for f in t.fields):
            return lines
        lines.append(f"switch ((uint32_t){tag}) {{")
        for i, f in enumerate(t.fields):
            if f.type is not None:
                lines.append(f"case {i}:")
                lines += indent(self.store_part(f.type, home, t, t.payload, self.payload(t, "v->", f)) + ["break;"])
        return lines + ["default:", INDENT + "break;", "}"]

    def store_list_function(self, t, home, name):
        x = t.element
        head = f"static status {name}(host_call *call, uint32_t ptr, const {Names.c(t, home)} *v, err *e) {{"
        body = ["uint32_t items = 0;",
                f"TRY(glue_alloc_list(call, v->count, {x.size}, {x.align}, &items, e));"]
        if x.has_pointer:
            body += ["for (uint32_t i = 0; i < (uint32_t)v->count; i++) {"]
            body += indent(self.store(x, home, f"items + i * {x.size}", "v->items[i]")) + ["}"]
        else:
            body += ["uint8_t *p = NULL;",
                     f"TRY(host_list_at(call, items, (uint32_t)v->count, {x.size}, {x.align}, &p, e));",
                     "for (size_t i = 0; i < v->count; i++) {"]
            body += indent(self.store(x, home, f"p + i * {x.size}", "v->items[i]")) + ["}"]
        body.append("return glue_store_pair(call, ptr, items, (uint32_t)v->count, e);")
        return [head] + indent(body) + ["}"]

    # --- bodies --------------------------------------------------------------------------------------------------

    def body(self, f):
        lines = []
        flat_count = 1 if f.params_spill() else len(f.flat_params())
        if f.result_spills():
            lines += [f"uint32_t ret_ptr = flat[{flat_count}].u32;",
                      f"TRY(glue_check_return(call, ret_ptr, {f.result.size}, {f.result.align}, e));"]
        owns = self.needs_owns(f)
        lines += ["glue_owns owns_room;", "owns_room.count = 0;", "owns_room.more = NULL;",
                  "glue_owns *owns = &owns_room;"] if owns == "own" else ["glue_owns *owns = NULL;"] if owns else []
        lines += self.lift_params(f)
        if owns == "own":
            lines.append("TRY(glue_owns_take(call, owns, e));")
        lines += self.invoke(f)
        name = Names.function(self.i, f.name)
        return [f"static status body_{name}(host_call *call, core_value *flat WRIT_UNUSED, err *e) {{"] + indent(
            lines) + ["}", ""]

    def needs_owns(self, f):
        """"own" when own handles can be among the arguments, "lift" when a function that takes `owns` is called."""
        seen, all_types = set(), []
        for _, t in f.params:
            walk(t, self.i, seen, all_types)
        if any(t.kind == "own" for t, _ in all_types):
            return "own"
        compound = ("record", "tuple", "variant", "option", "result", "list")
        return "lift" if any(t.kind in compound and not t.is_bytes() for _, t in f.params) else None

    def lift_params(self, f):
        lines, n, offset = [], 0, 0
        if f.params_spill():
            size, align, offsets = self.spilled(f)
            lines += ["uint8_t *args = NULL;",
                      f"TRY(host_memory_at(call, flat[0].u32, {size}, {align}, &args, e));"]
        for i, (name, t) in enumerate(f.params):
            word = Names.param(name)
            zero = "NULL" if t.kind in ("own", "borrow") else "{0}" if not self.is_number(t) else "0"
            lines.append(f"{Names.declare(t, self.i, word)} = {zero};")
            if f.params_spill():
                lines += self.load(t, self.i, f"args + {offsets[i]}" if offsets[i] else "args", word)
            else:
                lines += self.lift(t, self.i, "flat", n, word)
            n += len(t.flat)
        return lines

    @staticmethod
    def is_number(t):
        return t.kind in ("scalar", "enum", "flags")

    @staticmethod
    def spilled(f):
        size, offsets = 0, []
        for _, t in f.params:
            size = (size + t.align - 1) // t.align * t.align
            offsets.append(size)
            size += t.size
        align = max(t.align for _, t in f.params)
        return (size + align - 1) // align * align, align, offsets

    def invoke(self, f):
        args = ["call"] + [("" if is_scalar_like(t) else "&") + Names.param(name) for name, t in f.params]
        lines = []
        if f.result is not None:
            zero = "NULL" if f.result.kind == "own" else "0" if self.is_number(f.result) else "{0}"
            lines.append(f"{Names.declare(f.result, self.i, 'ret')} = {zero};")
            args.append("&ret")
        call = f"{Names.function(self.i, f.name)}({', '.join(args + ['e'])})"
        if f.result is None:
            return lines + [f"return {call};"]
        lines.append(f"TRY({call});")
        if not f.result_spills():
            return lines + self.lower_flat(f.result, self.i, "ret") + ["return STATUS_OK;"]
        if f.result.has_pointer:
            lines += self.store(f.result, self.i, "ret_ptr", "ret")
        else:
            lines += ["uint8_t *p = NULL;",
                      f"TRY(host_memory_at(call, ret_ptr, {f.result.size}, {f.result.align}, &p, e));"]
            lines += self.store(f.result, self.i, "p", "ret")
        return lines + ["return STATUS_OK;"]

    def lower_flat(self, t, home, value):
        """The one core value of a small result, into flat[0]."""
        home = Names.home(t, home)
        if t.kind in ("record", "tuple"):
            return self.lower_flat(t.fields[0].type, home, f"{value}.{c_word(t.fields[0].name)}")
        if t.kind == "own":
            return [f"TRY(host_lower_own(call, &{Names.resource(t.resource)}_resource, {value}, &flat[0].u32, e));"]
        if t.kind == "borrow":
            raise Unsupported(f"{self.i.full_name()}: a borrow in a result")
        if t.kind in ("f32", "f64") or t.kind == "scalar" and t.scalar in ("f32", "f64"):
            return [f"flat[0].{t.scalar} = glue_canonical_{t.scalar}({value});"]
        if t.kind == "scalar" and t.scalar[0] == "s":
            return [f"flat[0].i{max(32, t.size * 8)} = {value};"]
        if t.kind in ("option", "result", "variant"):
            value += {"option": ".some", "result": ".is_err"}.get(t.kind, ".tag")
        width = 64 if t.kind == "scalar" and t.scalar == "u64" else 32
        return [f"flat[0].u{width} = (uint{width}_t){value};"]

    # --- the file ------------------------------------------------------------------------------------------------

    def func_type(self, f):
        name = Names.function(self.i, f.name)
        lines = []
        rows = [f".param_count = {len(f.params)}"]
        if f.params:
            lines.append(f"static const ctype_param params_{name}[] = {{")
            lines += [f'{INDENT}{{SLICE_LITERAL("{p}"), &{Names.type_table(t, self.i)}}},' for p, t in f.params]
            lines.append("};")
            rows.append(f".params = params_{name}")
        if f.result is not None:
            rows.append(f".result = &{Names.type_table(f.result, self.i)}")
        return lines + [f"static const ctype_func type_{name} = {{{', '.join(rows)}}};"]

    def text(self):
        i = self.i
        bodies = [] if is_forwarded(i) else [line for f in i.functions for line in self.body(f)]
        lines = [f"// Generated from {i.full_name()}@{i.version} by tools/witgen. Do not edit.",
                 f'#include "{i.path()}.h"', "", '#include "glue/glue.h"', ""]
        for r in i.resources:
            name = Names.resource(r)
            lines += [f"const ctype_resource {name}_resource = {{",
                      f'{INDENT}.interface = SLICE_LITERAL("{i.full_name()}"),',
                      f'{INDENT}.name = SLICE_LITERAL("{r.name}"),', f"{INDENT}.drop = {name}_drop,", "};", ""]
        for t, home in Header(i).types():
            lines += self.table(t, home)
        lines += [""] + self.functions + bodies
        for f in i.functions:
            lines += self.func_type(f)
        return "\n".join(lines + self.interface()) + "\n"

    def version(self):
        numbers, _, pre = self.i.version.partition("-")
        major, minor, patch = numbers.split(".")
        if not pre:
            return f"SEMVER({major}, {minor}, {patch})"
        return f'{{.major = {major}, .minor = {minor}, .patch = {patch}, .pre = SLICE_LITERAL("{pre}")}}'

    def interface(self):
        i = self.i
        lines = []
        rows = [f'.name = SLICE_LITERAL("{i.full_name()}")',
                f".version = {self.version()}"]
        if i.functions:
            lines.append("static const host_func funcs[] = {")
            for f in i.functions:
                name = Names.function(i, f.name)
                body = FORWARD if is_forwarded(i) else f"body_{name}"
                lines.append(f'{INDENT}{{SLICE_LITERAL("{f.name}"), &type_{name}, {body}}},')
            lines.append("};")
            rows += [f".func_count = {len(i.functions)}", ".funcs = funcs"]
        if i.resources:
            lines.append("static const ctype_resource *const resources[] = {")
            lines += [f"{INDENT}&{Names.resource(r)}_resource," for r in i.resources] + ["};"]
            rows += [f".resource_count = {len(i.resources)}", ".resources = resources"]
        return lines + [f"const host_interface {i.prefix()}_interface = {{"] + indent(r + "," for r in rows) + ["};"]
