// SPDX-License-Identifier: Apache-2.0
// What the files that read manifests share.
#pragma once

#include "codec/yaml.h"
#include "deploy/manifest.h"

typedef struct manifest_reader {
    manifest *m;     // NULL in a reader of another file
    problems *found; // of the manifest, or of an attempt to read a trait in one of its forms
} manifest_reader;

// Where a value is, as people name it: "spec.components[0].properties". Text of the manifest's memory.
const char *manifest_path(manifest_reader *r, const char *format, ...) WRIT_FORMAT(2, 3);

typedef enum manifest_strictness {
    MANIFEST_LOOSE,  // any scalar is text: `version: 1.0`
    MANIFEST_STRICT, // numbers, true, false and null must be quoted: what is below components, as in 1.x
} manifest_strictness;

// Each adds an error and is false when the value is not what it should be. `path` names it in the message.
bool manifest_expect_map(manifest_reader *r, const yaml_node *n, const char *path);
bool manifest_expect_list(manifest_reader *r, const yaml_node *n, const char *path);
bool manifest_read_text(manifest_reader *r, const yaml_node *n, const char *path, manifest_strictness how,
                        manifest_text *ret);
// The member `key`, which must be there.
bool manifest_require(manifest_reader *r, const yaml_node *map, const char *path, const char *key,
                      const yaml_node **ret);
bool manifest_require_text(manifest_reader *r, const yaml_node *map, const char *path, const char *key,
                           manifest_strictness how, manifest_text *ret);
// May be missing or null: then `*ret` stays absent.
bool manifest_optional_text(manifest_reader *r, const yaml_node *map, const char *path, const char *key,
                            manifest_strictness how, manifest_text *ret);
bool manifest_read_map(manifest_reader *r, const yaml_node *n, const char *path, manifest_strictness how,
                       manifest_map *ret);
// Members that are none of the names (NULL at the end): errors, or warnings where 1.x ignores them.
bool manifest_check_keys(manifest_reader *r, const yaml_node *map, const char *path, const char *const *names,
                         bool is_error);
// Zeroed; NULL with an error when memory is out.
void *manifest_array(manifest_reader *r, size_t count, size_t bytes, text_place at);
#define MANIFEST_ARRAY(r, type, count, at) ((type *)manifest_array((r), (count), sizeof(type), (at)))

bool manifest_read_configs(manifest_reader *r, const yaml_node *n, const char *path, manifest_settings *ret);
bool manifest_read_secrets(manifest_reader *r, const yaml_node *n, const char *path, manifest_settings *ret);
bool manifest_read_trait(manifest_reader *r, const yaml_node *n, const char *path, manifest_trait *ret);
void manifest_read_workloads(manifest_reader *r);
void manifest_read_calls(manifest_reader *r);

// The rules of 1.x over the whole.
void manifest_check_rules(manifest *m);
// Where secrets are kept, and how they are called there.
void manifest_check_secrets(manifest *m);
// What HTTP servers are asked for: settings that make no sense, and requests that two components claim.
void manifest_check_servings(manifest *m);
// As the message of 1.x shows a trait: keys sorted, one line.
const char *manifest_node_text(manifest_reader *r, const yaml_node *n);
json_value *manifest_node_json(const yaml_node *n);
