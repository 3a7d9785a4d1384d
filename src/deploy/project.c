// SPDX-License-Identifier: Apache-2.0
#include "deploy/project.h"

#include "base/mem.h"
#include "codec/utf.h"
#include "deploy/manifest_internal.h"

enum { MEMORY_BYTES_MAX = 8 << 20, NODES_MAX = 5000, DEPTH_MAX = 8, PATH_BYTES_MAX = 1024 };

static const yaml_limits limits = {
    .bytes_max = PROJECT_BYTES_MAX, .depth_max = DEPTH_MAX, .nodes_max = NODES_MAX};

status project_name_check(slice name, err *e) {
    bool is_good = name.len > 0 && name.len <= PROJECT_NAME_BYTES_MAX;
    for (size_t i = 0; i < name.len && is_good; i++) {
        uint8_t c = name.data[i];
        bool is_letter = c >= 'a' && c <= 'z';
        is_good = is_letter || (i > 0 && ((c >= '0' && c <= '9') || c == '-'));
    }
    char shown[80];
    return is_good
               ? STATUS_OK
               : err_set(e, STATUS_INVALID,
                         "\"%s\" is no name: write lower-case letters, digits and \"-\", a letter first, at "
                         "most %d of them",
                         utf8_shown(name, shown, sizeof shown), PROJECT_NAME_BYTES_MAX);
}

// --- texts -------------------------------------------------------------------------------------------------

static const char *keep(manifest_reader *r, const manifest_text *t) {
    const char *text = arena_text(r->found->memory, t->value);
    if (text == NULL) {
        problems_add(r->found, t->at, "limit", "shorten it", "the file needs too much memory");
    }
    return text;
}

static bool stays_inside(slice path) {
    if (path.len == 0 || path.len > PATH_BYTES_MAX || path.data[0] == '/') {
        return false;
    }
    for (size_t at = 0; at <= path.len;) {
        size_t end = slice_find(path, at, '/');
        end = end == SIZE_MAX ? path.len : end;
        if (slice_equal_text(slice_sub(path, at, end), "..")) {
            return false;
        }
        at = end + 1;
    }
    return true;
}

static const char *path_of(manifest_reader *r, const manifest_text *t) {
    char shown[80];
    if (stays_inside(t->value)) {
        return keep(r, t);
    }
    problems_add(r->found, t->at, "path", "write a path below the folder of this file",
                 "\"%s\" is no path inside the project", utf8_shown(t->value, shown, sizeof shown));
    return NULL;
}

static const char *require_path(manifest_reader *r, const yaml_node *n, const char *path, const char *key) {
    manifest_text t;
    return manifest_require_text(r, n, path, key, MANIFEST_STRICT, &t) ? path_of(r, &t) : NULL;
}

static const char *require_words(manifest_reader *r, const yaml_node *n, const char *path, const char *key) {
    manifest_text t;
    if (!manifest_require_text(r, n, path, key, MANIFEST_STRICT, &t)) {
        return NULL;
    }
    if (t.value.len == 0 || t.value.len > PROJECT_TEXT_BYTES_MAX) {
        problems_add(r->found, t.at, "schema", NULL, "%s.%s is empty or longer than %d bytes", path, key,
                     PROJECT_TEXT_BYTES_MAX);
        return NULL;
    }
    return keep(r, &t);
}

static const char *require_name(manifest_reader *r, const yaml_node *n, const char *path) {
    manifest_text t;
    err e = {0};
    if (!manifest_require_text(r, n, path, "name", MANIFEST_STRICT, &t)) {
        return NULL;
    }
    if (project_name_check(t.value, &e) != STATUS_OK) {
        problems_add(r->found, t.at, "name", NULL, "%s", e.message);
        return NULL;
    }
    return keep(r, &t);
}

// --- lists -------------------------------------------------------------------------------------------------

static bool expect_list(manifest_reader *r, const yaml_node *n, const char *path, size_t max) {
    if (!manifest_expect_list(r, n, path)) {
        return false;
    }
    if (n->count > max) {
        problems_add(r->found, n->at, "limit", "leave some out", "%s: more than %zu entries", path, max);
    }
    return n->count <= max;
}

static void read_sources(manifest_reader *r, const yaml_node *n, const char *path, project_component *c) {
    static const char *const whole[] = {"."};
    c->sources = whole;
    c->source_count = 1;
    if (n == NULL || !expect_list(r, n, path, PROJECT_SOURCES_MAX)) {
        return;
    }
    const char **list = MANIFEST_ARRAY(r, const char *, n->count + 1, n->at);
    size_t count = 0;
    for (const yaml_entry *e = n->first; e != NULL && list != NULL; e = e->next) {
        manifest_text t;
        const char *text = manifest_read_text(r, e->value, path, MANIFEST_STRICT, &t) ? path_of(r, &t) : NULL;
        if (text != NULL) {
            list[count++] = text;
        }
    }
    c->sources = list;
    c->source_count = count;
}

static void check_unique(manifest_reader *r, const project *p, const project_component *c, text_place at) {
    for (size_t i = 0; i < p->component_count; i++) {
        const project_component *other = &p->components[i];
        if (c->name != NULL && other->name != NULL && strcmp(c->name, other->name) == 0) {
            problems_add(r->found, at, "duplicate", "give each its own", "two components have the name %s",
                         c->name);
        }
        if (c->output != NULL && other->output != NULL && strcmp(c->output, other->output) == 0) {
            problems_add(r->found, at, "duplicate", "give each its own", "two components have the output %s",
                         c->output);
        }
    }
}

static void read_components(manifest_reader *r, const yaml_node *n, project *p) {
    static const char *const keys[] = {"name", "build", "output", "sources", NULL};
    if (!expect_list(r, n, "components", PROJECT_COMPONENTS_MAX)) {
        return;
    }
    if (n->count == 0) {
        problems_add(r->found, n->at, "schema", "name one", "components: there is none");
    }
    p->components = MANIFEST_ARRAY(r, project_component, n->count + 1, n->at);
    for (const yaml_entry *e = n->first; e != NULL && p->components != NULL; e = e->next) {
        const char *path = manifest_path(r, "components[%zu]", p->component_count);
        if (!manifest_expect_map(r, e->value, path)) {
            continue;
        }
        manifest_check_keys(r, e->value, path, keys, true);
        project_component c = {.name = require_name(r, e->value, path),
                               .build = require_words(r, e->value, path, "build"),
                               .output = require_path(r, e->value, path, "output")};
        read_sources(r, yaml_get(e->value, "sources"), manifest_path(r, "%s.sources", path), &c);
        check_unique(r, p, &c, e->value->at);
        p->components[p->component_count++] = c;
    }
}

static void read_tools(manifest_reader *r, const yaml_node *n, project *p) {
    static const char *const keys[] = {"run", "get", NULL};
    if (n == NULL || !expect_list(r, n, "tools", PROJECT_TOOLS_MAX)) {
        return;
    }
    p->tools = MANIFEST_ARRAY(r, project_tool, n->count + 1, n->at);
    for (const yaml_entry *e = n->first; e != NULL && p->tools != NULL; e = e->next) {
        const char *path = manifest_path(r, "tools[%zu]", p->tool_count);
        if (!manifest_expect_map(r, e->value, path)) {
            continue;
        }
        manifest_check_keys(r, e->value, path, keys, true);
        p->tools[p->tool_count++] =
            (project_tool){require_words(r, e->value, path, "run"), require_words(r, e->value, path, "get")};
    }
}

// --- the whole ---------------------------------------------------------------------------------------------

static void read_root(manifest_reader *r, const yaml_node *n, project *p) {
    static const char path[] = "the project";
    static const char *const keys[] = {"name", "manifest", "components", "tools", NULL};
    const yaml_node *components;
    manifest_text application = {0};
    if (!manifest_expect_map(r, n, path)) {
        return;
    }
    manifest_check_keys(r, n, path, keys, true);
    p->name = require_name(r, n, path);
    p->manifest = "app.yaml";
    if (manifest_optional_text(r, n, path, "manifest", MANIFEST_STRICT, &application) &&
        manifest_has(&application)) {
        p->manifest = path_of(r, &application);
    }
    if (manifest_require(r, n, path, "components", &components)) {
        read_components(r, components, p);
    }
    read_tools(r, yaml_get(n, "tools"), p);
}

status project_read(slice text, const char *file, project **ret) {
    project *p = MEM_NEW(project);
    const yaml_node *root;
    arena_init(&p->memory, MEMORY_BYTES_MAX);
    problems_init(&p->found, &p->memory, PROBLEMS_DEFAULT_MAX);
    p->file = file;
    manifest_reader r = {NULL, &p->found};
    status result = yaml_read(text, &limits, &p->memory, &p->found, &root);
    if (result == STATUS_OK) {
        read_root(&r, root, p);
    }
    problems_sort(&p->found);
    *ret = p;
    return result == STATUS_OK && p->found.error_count > 0 ? STATUS_INVALID : result;
}

void project_free(project *p) {
    if (p != NULL) {
        arena_done(&p->memory);
        mem_free(p);
    }
}
