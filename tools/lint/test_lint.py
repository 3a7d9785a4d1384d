#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The lint's own tests: what must be flagged is flagged, and what must not is not."""
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "test"))

import closing  # noqa: E402
import csource  # noqa: E402
import fill_comments  # noqa: E402
import lint  # noqa: E402
import rules  # noqa: E402

HEAD = "// SPDX-License-Identifier: Apache-2.0\n"
LAYERS = "0 base\n1 codec jansson\n1 os seccomp\n2 loop uv\n6 engine wasmtime\n7 capability\n"


def found(path, text):
    """The rules that one file breaks."""
    return sorted({rule for _, rule, _ in rules.check_file(path, text)})


class Tree:
    """A small source tree in a temporary folder."""

    def __init__(self, files):
        self.folder = tempfile.TemporaryDirectory()
        self.root = self.folder.name
        for path, text in dict({"LAYERS": LAYERS}, **files).items():
            full = os.path.join(self.root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as f:
                f.write(text if isinstance(text, bytes) else text.encode())

    def findings(self, *paths, allow=""):
        with open(os.path.join(self.root, "allow.txt"), "w", encoding="utf-8") as f:
            f.write(allow)
        self.allowed = lint.Allowed(os.path.join(self.root, "allow.txt"))
        return lint.check_tree(self.root, paths, self.allowed)

    def layer_messages(self, path):
        return [message for _, _, rule, message in self.findings(path) if rule == "layer"]


class LayerTest(unittest.TestCase):
    def edges(self, path, *includes):
        headers = ["base/err.h", "codec/json.h", "os/file.h", "loop/loop.h", "loop/loop_internal.h", "engine/e.h",
                   "capability/cap.h", "capability/http/http.h", "capability/clocks/clocks.h"]
        files = {f"src/{h}": HEAD + "#pragma once\n" for h in headers}
        files[path] = HEAD + "".join(f"#include {i}\n" for i in includes)
        return Tree(files).layer_messages(path)

    def test_downward_edges_pass(self):
        self.assertEqual(self.edges("src/loop/a.c", '"base/err.h"', '"codec/json.h"', '"loop/loop.h"', "<uv.h>",
                                    "<stdio.h>"), [])

    def test_upward_edge(self):
        self.assertRegex(self.edges("src/codec/a.c", '"loop/loop.h"')[0], "upward")

    def test_sideways_edge(self):
        self.assertRegex(self.edges("src/codec/a.c", '"os/file.h"')[0], "sideways")

    def test_unknown_folder_and_file(self):
        self.assertRegex(self.edges("src/new/a.c")[0], "not in LAYERS")
        self.assertRegex(self.edges("src/loop/a.c", '"nothing/a.h"')[0], "not a folder")
        self.assertRegex(self.edges("src/loop/a.c", '"base/gone.h"')[0], "no such file")
        self.assertRegex(self.edges("src/loop/a.c", '"loop.h"')[0], "folder/file.h")

    def test_internal_header_of_another_folder(self):
        self.assertEqual(self.edges("src/loop/a.c", '"loop/loop_internal.h"'), [])
        self.assertRegex(self.edges("src/engine/a.c", '"loop/loop_internal.h"')[0], "internal")

    def test_capability_subfolders_do_not_know_each_other(self):
        own = '"capability/http/http.h"'
        self.assertEqual(self.edges("src/capability/http/a.c", own, '"capability/cap.h"'), [])
        self.assertRegex(self.edges("src/capability/clocks/a.c", own)[0], "may not include capability/http")
        self.assertEqual(self.edges("src/capability/registry.c", own), [])

    def test_libraries_belong_to_their_folder(self):
        self.assertRegex(self.edges("src/codec/a.c", "<uv.h>")[0], "only loop")
        self.assertRegex(self.edges("src/codec/a.c", "<wasmtime.h>")[0], "only engine")
        self.assertRegex(self.edges("src/engine/a.c", "<wasmtime/async.h>", "<jansson.h>")[0], "only codec")
        self.assertRegex(self.edges("src/engine/a.c", "<curl/curl.h>")[0], "no folder")

    def test_generated_glue_is_for_the_upper_rows(self):
        self.assertEqual(self.edges("src/capability/http/a.c", '"wasi/http.h"'), [])
        self.assertTrue(self.edges("src/engine/a.c", '"wasi/http.h"'))


class TextTest(unittest.TestCase):
    def test_clean_file(self):
        self.assertEqual(found("src/codec/a.c", HEAD + "int codec_a(void) { return 1; }\n"), [])

    def test_licence_line(self):
        self.assertEqual(found("src/codec/a.c", "int x(void);\n"), ["spdx"])
        self.assertEqual(found("tools/a.sh", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"), [])
        self.assertEqual(found("README.md", "text\n"), [])

    def test_space_and_tabs(self):
        self.assertEqual(found("src/codec/a.c", HEAD + "int x(void); \n"), ["space"])
        self.assertEqual(found("src/codec/a.c", HEAD + "\tint x(void);\n"), ["tab"])
        self.assertEqual(found("src/codec/a.c", HEAD + "int x(void);"), ["space"])
        self.assertEqual(found("examples/a/a.go", HEAD + "\tx()\n"), [])

    def test_columns(self):
        self.assertEqual(found("src/codec/a.c", HEAD + "//" + "x" * 109 + "\n"), ["columns"])
        self.assertEqual(found("src/codec/a.c", HEAD + "//" + "x" * 108 + "\n"), [])

    def test_leftovers(self):
        for word in ("TO" + "DO", "FIX" + "ME", "X" + "XX"):
            self.assertEqual(found("docs/a.md", f"later ({word})\n"), ["marker"])
        self.assertEqual(found("tools/a.sh", "# SPDX-License-Identifier: Apache-2.0\nmktemp -d aXXXXXX\n"), [])

    def test_file_size(self):
        self.assertEqual(found("src/codec/a.c", HEAD + "\n" * 1000), ["file-size"])
        self.assertEqual(found("src/codec/a.c", HEAD + "\n" * 999), [])

    def test_binary(self):
        tree = Tree({"fuzz/corpus/a/seed": b"\0asm"})
        self.assertEqual([f[2] for f in tree.findings("fuzz/corpus/a/seed")], ["binary"])

    def test_header_guard(self):
        self.assertEqual(found("src/codec/a.h", HEAD + "int x(void);\n"), ["guard"])


class CallTest(unittest.TestCase):
    def rules_of(self, path, statement):
        return found(path, HEAD + "void f(void) {\n    " + statement + "\n}\n")

    def test_banned(self):
        for name in rules.BANNED:
            self.assertEqual(self.rules_of("src/base/a.c", f"{name}(x);"), ["banned"], name)
            self.assertEqual(self.rules_of("tests/unit/base/test_a.c", f"{name} (x);"), ["banned"], name)

    def test_calls_leave_a_worker_at_the_gate_only(self):
        for path in ("src/host/a.c", "src/capability/keyvalue/keyvalue.c", "src/api/a.c"):
            self.assertEqual(self.rules_of(path, "rpc_call_start(r, &c);"), ["gate"], path)
        for path in ("src/net/rpc_call.c", "src/capability/links.c", "tests/unit/net/test_rpc.c"):
            self.assertEqual(self.rules_of(path, "rpc_call_start(r, &c);"), [], path)

    def test_imports_are_bound_behind_the_gate_only(self):
        for statement, place in (("component_link(c, &o, &p, e);", "src/host/workload.c"),
                                 ("g = (component_gate){.context = x};", "src/host/grants.c"),
                                 ("g.admit = yes;", "src/host/grants.c"),
                                 ("h->admit(c, n, v, &i, e);", "src/component/plan_import.c"),
                                 ("ops->host_func_new(e, t, b, v, &f);", "src/component/link.c"),
                                 ("p->engine->ops->template_new(e, m, i, n, &t);", "src/component/link.c"),
                                 ("wasmtime_linker_define_func_unchecked(l);", "src/engine/call.c"),
                                 ("wasi_offer_find(n, v);", "src/host/grants.c")):
            self.assertEqual(self.rules_of("src/api/a.c", statement), ["gate"], statement)
            self.assertEqual(self.rules_of(place, statement), [], statement)

    def test_names_that_only_look_like_it(self):
        for harmless in ("my_system(x);", "p->system(x);", "p.rand(x);", "rand_r_like(x);", "// strcpy(x)",
                         'puts("system(x)");', "snprintf(x);", "/* gets(x) */"):
            self.assertEqual(self.rules_of("src/codec/a.c", harmless), [], harmless)

    def test_heap_only_in_base(self):
        self.assertEqual(self.rules_of("src/base/a.c", "free(malloc(1));"), [])
        self.assertEqual(self.rules_of("src/codec/a.c", "free(malloc(1));"), ["heap"])
        self.assertEqual(self.rules_of("src/codec/a.c", "mem_free(p);"), [])
        self.assertEqual(self.rules_of("examples/a/a.c", "free(malloc(1));"), [])

    def test_system_calls_only_in_os(self):
        self.assertEqual(self.rules_of("src/os/a.c", "fork();"), [])
        self.assertEqual(self.rules_of("src/codec/a.c", "fork();"), ["system"])
        self.assertEqual(self.rules_of("src/codec/a.c", "clock_gettime(1, &t);"), ["system"])
        self.assertEqual(self.rules_of("src/codec/a.c", "driver->open(x);"), [])


class FunctionTest(unittest.TestCase):
    @staticmethod
    def function(lines, signature="static int f(int a,\n             int b) {\n"):
        return signature + "    a();\n" * (lines - signature.count("\n") - 1) + "}\n"

    def test_size(self):
        self.assertEqual(found("src/codec/a.c", HEAD + self.function(70)), [])
        self.assertEqual(found("src/codec/a.c", HEAD + self.function(71)), ["function-size"])
        self.assertEqual(found("src/codec/a.c", HEAD + self.function(71, "TEST(name) {\n")), ["function-size"])
        self.assertEqual(found("src/codec/a.c", HEAD + self.function(71, "void f(const char *x) WRIT_MUST_USE {\n")),
                         ["function-size"])

    def test_tables_are_not_functions(self):
        table = "static const int table[] = {\n" + "    1,\n" * 200 + "};\n"
        self.assertEqual(found("src/codec/a.c", HEAD + table), [])
        enum = "typedef enum codec_kind {\n" + "    A,\n" * 200 + "} codec_kind;\n"
        self.assertEqual(found("src/codec/a.c", HEAD + enum), [])

    def test_python(self):
        body = "# SPDX-License-Identifier: Apache-2.0\ndef f():\n" + "    pass\n" * 70
        self.assertEqual(found("tools/a.py", body), ["function-size"])
        self.assertEqual(found("tools/a.py", "# SPDX-License-Identifier: Apache-2.0\ndef f(:\n"), ["syntax"])


class GlobalTest(unittest.TestCase):
    MUTABLE = ["static int counter;", "int counter = 1;", "static char buffer[64];", "static const char *name;",
               "static struct x state = {0};", "static void (*hook)(void);", "static _Thread_local int depth;",
               "extern int shared;", "int f(void) {\n    static int n;\n    return n;\n}",
               "static const char *names[] = {\n    1,\n};"]
    CONSTANT = ["static const int limit = 1;", "static const char *const names[] = {\n    1,\n};",
                "enum { A = 1 };", "typedef struct a {\n    int x;\n} a;", "struct a {\n    int *x;\n};", "struct a;",
                "int f(int *a);", "static int f(void) { return 1; }", "typedef int (*callback)(void *data);",
                "static const struct x table[] = {{1, 2}, {3, 4}};", "_Static_assert(1 == 1, 0);",
                "static void (*const hooks[])(void) = {\n    a,\n};", "#define X(a) \\\n    int a;\n",
                "#define X(a) \\\n    static int a(int b) {  \\\n        return b; \\\n    }\n",
                "int *f(void) {\n    static const int x = 1;\n    return 0;\n}",
                "void f(void) {\n    static void (*const hooks[])(void) = {a};\n}",
                "_Noreturn void f(const char *a, int b);", "status f(err *e) WRIT_FORMAT(2, 3) WRIT_MUST_USE;",
                "static inline int f(int a) {\n    if (a == 1) {\n        return 2;\n    }\n    return 3;\n}"]

    def test_mutable(self):
        for text in self.MUTABLE:
            self.assertEqual(found("src/codec/a.c", HEAD + text + "\n"), ["global"], text)

    def test_constant(self):
        for text in self.CONSTANT:
            self.assertEqual(found("src/codec/a.c", HEAD + text + "\n"), [], text)

    def test_only_in_src(self):
        self.assertEqual(found("tests/unit/base/test_a.c", HEAD + "static int counter;\n"), [])

    def test_two_in_a_row_are_told_apart(self):
        text = "static const int a = 1;\nint f(void) {\n    return 1;\n}\nstatic int b;\n"
        pieces = [line for line, piece in csource.top_level(text) if csource.is_mutable_data(piece)]
        self.assertEqual(pieces, [5])


class FillTest(unittest.TestCase):
    def test_a_wide_paragraph_is_filled_and_its_neighbours_are_not(self):
        words = " ".join(["word"] * 40)
        text = f"// short\n// lines\n\n    // {words[:120]}\n    // end.\n    //   shaped\nint a; // {words}\n"
        filled = fill_comments.fill(text)
        self.assertTrue(filled.startswith("// short\n// lines\n\n    // word"))
        self.assertTrue(filled.endswith(f"    //   shaped\nint a; // {words}\n"))
        comments = [line for line in filled.split("\n") if line.startswith("    // w")]
        self.assertTrue(all(len(line) <= 110 for line in comments))
        self.assertEqual(" ".join(filled.split("//")[3:5]).split().count("word"), text.split("\n")[3].count("word"))
        self.assertEqual(fill_comments.fill(filled), filled)


class LinkTest(unittest.TestCase):
    PAGES = {"tools/x.py": "",
             "docs/b.md": "# One thing\n\n## `b c`: why?\n\n## Twice\n\n## Twice\n\n```\n# no heading\n```\n"}

    def messages(self, text):
        tree = Tree(dict(self.PAGES, **{"docs/a.md": text}))
        return [(line, message) for _, line, rule, message in tree.findings("docs/a.md") if rule == "link"]

    def test_what_is_there(self):
        self.assertEqual(self.messages("# Here\n[x](b.md) [y](b.md#one-thing \"title\") [z](../tools/x.py)\n"
                                       "[f](../tools/) [q](b.md#b-c-why) [h](#here) [t](b.md#twice-1) [s](/docs/b.md)\n"
                                       "[r]\n\n[r]: b.md\n"
                                       "[web](https://example.org/b.md) [mail](mailto:a@example.org)\n"), [])

    def test_what_is_not_there(self):
        self.assertEqual(self.messages("fine\n[x](c.md)\n"), [(2, "c.md is not there")])
        self.assertEqual(self.messages("[r]\n\n[r]: c.md\n"), [(3, "c.md is not there")])
        self.assertEqual(self.messages("[x](b.md) and [y](c.md#one)\n"), [(1, "c.md#one is not there")])
        self.assertEqual(self.messages("[x](../../b.md)\n"), [(1, "../../b.md leads out of the tree")])

    def test_headings(self):
        self.assertEqual(self.messages("[x](b.md#one)\n"), [(1, "b.md#one: docs/b.md has no such heading")])
        self.assertEqual(self.messages("[x](b.md#no-heading)\n"),
                         [(1, "b.md#no-heading: docs/b.md has no such heading")])
        self.assertEqual(self.messages("# A\n[x](#b)\n"), [(2, "#b: docs/a.md has no such heading")])

    def test_code_holds_no_links(self):
        self.assertEqual(self.messages("`a[0](c.md)`\n\n```\n[x](c.md)\n```\n[y](b.md)\n"), [])


class AllowTest(unittest.TestCase):
    FILES = {"src/codec/a.c": HEAD + "static int counter;\n"}

    def test_an_entry_excuses_its_line_only(self):
        tree = Tree(self.FILES)
        self.assertEqual(len(tree.findings("src/codec/a.c")), 1)
        self.assertEqual(tree.findings("src/codec/a.c", allow="global src/codec/a.c counter # why\n"), [])
        self.assertEqual(len(tree.findings("src/codec/a.c", allow="global src/codec/b.c counter # why\n")), 1)
        self.assertEqual(len(tree.findings("src/codec/a.c", allow="heap src/codec/a.c counter # why\n")), 1)

    def test_an_entry_that_excuses_nothing_shows(self):
        tree = Tree({"src/codec/a.c": HEAD})
        tree.findings("src/codec/a.c", allow="global src/codec/a.c counter # why\n")
        self.assertEqual(len(tree.allowed.unused()), 1)


if __name__ == "__main__":
    sys.exit(closing.main())
