#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns templates/ into C, so that the program carries what `writ new` writes.

    embed.py --templates DIR --deps DIR --contracts DIR --adapters DIR --out FILE.c
    embed.py ... --unpack DIR       writes the projects themselves, DIR/TEMPLATE/LANGUAGE, for tests

templates/templates.toml says how the files of a project come together. The C defines what src/cli/templates.h
declares; each content is in it once. FILE.c is rewritten only when it changes.
"""
import argparse
import pathlib
import sys
import tomllib

BYTES_PER_LINE = 32


class TemplateError(Exception):
    """Something in templates/ that cannot be used."""


def read_folder(folder):
    """Path below the folder to content, with the rules about names applied but for .part."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            parts = ["." + part[4:] if part.startswith("dot-") else part for part in path.relative_to(folder).parts]
            files["/".join(parts)] = path.read_bytes()
    return files


def project_files(source, template, language):
    """The files of one project, in order of their paths."""
    settings, about = source.settings["templates"][template], source.settings["languages"][language]
    files = {}
    for folder in (f"lang/{language}", f"{template}/all", f"{template}/{language}"):
        for name, content in read_folder(source.templates / folder).items():
            if name.endswith(".part") and name in files:
                raise TemplateError(f"{folder}/{name}: there are two")
            files[name] = content
    for name in [name for name in files if name.endswith(".part")]:
        whole = name.removesuffix(".part")
        if whole not in files:
            raise TemplateError(f"{template}/{language}: {name} has no file to stand behind")
        files[whole] += files.pop(name)
    for package in sorted(source.deps.glob("*/package.wit")):
        files[f"wit/deps/{package.parent.name}/package.wit"] = package.read_bytes()
    for contract in settings.get("contracts", []):
        files[f"wit/deps/{contract}.wit"] = (source.contracts / f"{contract}.wit").read_bytes()
    if "adapter" in about:
        name = f"wasi_snapshot_preview1.{about['adapter']}.wasm"
        files[f"tools/{name}"] = (source.adapters / name).read_bytes()
    return dict(sorted(files.items()))


def projects(source):
    for template in source.settings["templates"]:
        for language in source.settings["languages"]:
            yield template, language, project_files(source, template, language)


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def bytes_lines(content):
    for at in range(0, len(content), BYTES_PER_LINE):
        yield "    " + "".join(f"{byte}," for byte in content[at:at + BYTES_PER_LINE])


def c_text(source):
    numbers, lists, rows = {}, [], []
    for template, language, files in projects(source):
        table = f"files_{template.replace('-', '_')}_{language}"
        lists.append(f"static const template_file {table}[] = {{")
        for name, content in files.items():
            number = numbers.setdefault(content, len(numbers))
            lists.append(f"    {{{quoted(name)}, content_{number}, {len(content)}}},")
        lists.append("};")
        about = source.settings["languages"][language]
        summary = source.settings["templates"][template]["summary"]
        rows.append(f"    {{{quoted(template)}, {quoted(summary)}, {quoted(language)}, {quoted(about['title'])}, "
                    f"{table}, {len(files)}}},")
    lines = ["// Made by tools/templates/embed.py.", '#include "cli/templates.h"', ""]
    for content, number in numbers.items():
        lines += [f"static const unsigned char content_{number}[] = {{", *bytes_lines(content or b"\0"), "};"]
    lines += lists + ["const template_project template_projects[] = {", *rows, "};",
                      f"const size_t template_project_count = {len(rows)};", ""]
    return "\n".join(lines)


def unpack(source, out):
    for template, language, files in projects(source):
        for name, content in files.items():
            path = out / template / language / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("templates", "deps", "contracts", "adapters"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--unpack", type=pathlib.Path)
    source = parser.parse_args()
    try:
        source.settings = tomllib.loads((source.templates / "templates.toml").read_text(encoding="utf-8"))
        if source.unpack:
            unpack(source, source.unpack)
        if source.out:
            text = c_text(source)
            if not source.out.exists() or source.out.read_text(encoding="utf-8") != text:
                source.out.parent.mkdir(parents=True, exist_ok=True)
                source.out.write_text(text, encoding="utf-8")
    except (OSError, KeyError, TemplateError, tomllib.TOMLDecodeError) as error:
        print(f"embed.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
