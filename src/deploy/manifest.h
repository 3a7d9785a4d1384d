// SPDX-License-Identifier: Apache-2.0
// Manifests: applications of several components with links, configuration, secrets and policies, in the
// format of 1.x (OAM, `core.oam.dev/v1beta1`, kind `Application`), as YAML or JSON. docs/manifest.md is the
// description for people.
//
//   manifest *m;
//   status s = manifest_read(text, "app.yaml", &m);    // the format and its rules, the same as those of 1.x
//   manifest_check_local(m);                           // whether this host, alone, can run it
//   m->found                                           // everything that is wrong, with its place
//
// Pure: no file is opened. Whoever reads the model asks `m->found.error_count` first: with errors the model
// holds only what could be read.
#pragma once

#include "codec/json.h"
#include "codec/problems.h"
#include "deploy/images.h"
#include "secrets/settings.h"

enum {
    MANIFEST_BYTES_MAX = 1 << 20,
    MANIFEST_NODES_MAX = 50000,
    MANIFEST_DEPTH_MAX = 32,
    MANIFEST_COMPONENTS_MAX = 1000,
    MANIFEST_INSTANCES_MAX = 1000000, // of one component here
};

#define MANIFEST_DEFAULT_LINK "default"
#define MANIFEST_SECRET_POLICY "policy.secret.wasmcloud.dev/v1alpha1"
#define MANIFEST_WORKLOAD_POLICY "workload.writ/v1"
#define MANIFEST_CALLS_POLICY "calls.writ/v1"

// All slices are UTF-8 without NUL characters and live as long as the manifest.
typedef struct manifest_text {
    slice value;
    text_place at; // line 0: it is not in the manifest
} manifest_text;

static inline bool manifest_has(const manifest_text *t) { return t->at.line != 0; }

typedef struct manifest_pair {
    slice key;
    slice value;
    text_place at; // of the key
    text_place value_at;
} manifest_pair;

// Sorted by key.
typedef struct manifest_map {
    const manifest_pair *pairs;
    size_t count;
} manifest_map;

const manifest_pair *manifest_map_find(const manifest_map *m, const char *key); // NULL without it

// A named set of settings: written here, or (has_properties false) one that must exist where it runs.
typedef struct manifest_config {
    manifest_text name;
    bool has_properties;
    manifest_map properties;
} manifest_config;

typedef struct manifest_secret {
    manifest_text name;
    manifest_text policy; // the name of a policy of type MANIFEST_SECRET_POLICY
    manifest_text key;
    manifest_text field;   // optional
    manifest_text version; // optional
} manifest_secret;

typedef struct manifest_settings {
    const manifest_config *configs;
    size_t config_count;
    const manifest_secret *secrets;
    size_t secret_count;
} manifest_settings;

typedef struct manifest_component manifest_component;

// From the component whose trait it is to `target`.
typedef struct manifest_link {
    text_place at;
    manifest_text name; // may be absent: MANIFEST_DEFAULT_LINK
    manifest_text wit_namespace;
    manifest_text wit_package;
    const manifest_text *interfaces;
    size_t interface_count;
    manifest_text target;
    const manifest_component *target_component; // NULL only with an error
    bool has_source;                            // it was written, even if it is empty
    manifest_settings source_settings;
    manifest_settings target_settings;
} manifest_link;

slice manifest_link_name(const manifest_link *l);

typedef struct manifest_spread {
    manifest_text name;
    manifest_map requirements; // labels of hosts
    bool has_weight;
    uint64_t weight; // 100 when there is none
} manifest_spread;

typedef struct manifest_scale {
    uint64_t instances; // at one time; 0 = none
    const manifest_spread *spreads;
    size_t spread_count;
} manifest_scale;

typedef struct yaml_node yaml_node;

typedef enum manifest_form { MANIFEST_LINK, MANIFEST_SCALE, MANIFEST_OTHER } manifest_form;

typedef struct manifest_trait {
    text_place at;
    manifest_text type; // "link", "spreadscaler", "daemonscaler"; others are ignored
    manifest_form form; // what its properties are
    manifest_link link;
    manifest_scale scale;
    const yaml_node *other;
} manifest_trait;

static inline bool manifest_trait_is_link(const manifest_trait *t) {
    return t->form == MANIFEST_LINK && slice_equal_text(t->type.value, "link");
}
bool manifest_trait_is_scaler(const manifest_trait *t); // by its type

// What the policies of type MANIFEST_WORKLOAD_POLICY say about one component. Absent is 0 or NULL.
typedef struct manifest_route {
    slice host; // empty: any
    slice path; // a prefix that begins with '/'; "/" when none was written
    text_place at;
} manifest_route;

typedef struct manifest_directory {
    slice guest_path; // absolute
    slice host_path;  // relative to the manifest unless absolute
    bool read_only;
    text_place at;
} manifest_directory;

typedef struct manifest_texts {
    const manifest_text *texts;
    size_t count;
} manifest_texts;

typedef struct manifest_workload {
    text_place at; // line 0: no policy is about this component
    uint64_t memory_bytes_max;
    uint64_t cpu_time_ns_max;
    uint64_t wall_time_ns_max;
    bool has_instances, has_queue, has_reuse;
    uint32_t instances_max;
    uint32_t queue_max;
    uint32_t reuse_max;
    const manifest_route *routes;
    size_t route_count;
    const manifest_pair *variables;
    size_t variable_count;
    const manifest_directory *directories;
    size_t directory_count;
    manifest_texts http_hosts; // checked rules of policy/network.h
    manifest_texts net_hosts;
    manifest_texts grants;
    manifest_texts refusals;
    manifest_text stdio; // "inherit" or "none"
    manifest_text token; // path
    bool is_strict;
} manifest_workload;

struct manifest_component {
    text_place at;
    manifest_text name;
    bool is_capability;
    text_place properties_at;
    manifest_text image;
    manifest_text shared_application; // instead of an image: runs as part of that application
    manifest_text shared_component;
    manifest_text explicit_id;
    slice id; // explicit, else derived as 1.x does: APPLICATION-COMPONENT
    manifest_settings settings;
    bool has_traits;
    const manifest_trait *traits;
    size_t trait_count;
    manifest_workload workload;
    image_reference reference; // of `image`; filled by manifest_check_local
};

typedef struct manifest_policy {
    text_place at;
    manifest_text name;
    manifest_text type;
    manifest_map properties;
} manifest_policy;

// Of the policies of type MANIFEST_CALLS_POLICY, in the order of the manifest.
typedef struct manifest_call_rule {
    bool is_only;    // else these calls are denied; if true, they are among the only ones that the caller may
                     // make
    slice caller;    // name of a component, or "*"
    slice target;    // name of a component or capability, or "*"
    slice interface; // patterns, as of policy/gate.h
    slice function;
    slice link;
    slice reason; // may be empty
    text_place at;
} manifest_call_rule;

typedef struct manifest {
    arena memory;
    problems found; // after manifest_read sorted by place
    const char *file;
    manifest_text api_version;
    manifest_text kind;
    manifest_text name;
    manifest_map annotations;
    manifest_map labels;
    manifest_component *components;
    size_t component_count;
    const manifest_policy *policies;
    size_t policy_count;
    const manifest_call_rule *calls;
    size_t call_count;
} manifest;

// Reads and applies the rules of 1.x (and ours for our own policy). Always gives a manifest, which the caller
// frees; STATUS_INVALID, STATUS_UNSUPPORTED or STATUS_LIMIT when it has errors. `file` is only kept for
// messages and borrowed.
status manifest_read(slice text, const char *file, manifest **ret) WRIT_MUST_USE;
void manifest_free(manifest *m); // accepts NULL

// Whether one host without a lattice can run it: images that are files or built-in providers, nothing that
// lives in other applications. Fills `reference` of each component; adds to `found` and returns
// STATUS_INVALID with any error there.
status manifest_check_local(manifest *m) WRIT_MUST_USE;

// The normalised form that 1.x stores and sends: aliases replaced, old spellings gone, what is empty left
// out.
json_value *manifest_to_json(const manifest *m);

// A path of the manifest as one of this machine: relative ones start at the folder of m->file. For mem_free.
char *manifest_file_path(const manifest *m, slice path) WRIT_MUST_USE;

const manifest_component *manifest_find(const manifest *m, slice component_name);
const manifest_policy *manifest_find_policy(const manifest *m, slice name);

// Where the secret is kept, as its policy says; paths as they are written. False when manifest_check_local
// has found something wrong with it. For secret_settings_done.
bool manifest_secret_settings(const manifest *m, const manifest_secret *one, secret_settings *ret);

// Whether the rule is about calls of this component.
bool manifest_call_rule_is_from(const manifest_call_rule *rule, const manifest_component *c);

// What a link from an HTTP server to a component asks for, in the settings of the server of 1.x: where to
// listen, and which requests are for the component.
typedef struct manifest_serving {
    const manifest_component *component;
    slice address; // ADDR:PORT
    slice host;    // empty: any
    slice path;    // "/" for all
    text_place at; // of the link
} manifest_serving;

// Whether `l`, a link of `server`, is one; fills `ret`. After manifest_check_local.
bool manifest_serving_of(const manifest_component *server, const manifest_link *l, manifest_serving *ret);
// How many instances may run at one time: of its scaler; 1 for a capability without one, 0 for a component.
uint64_t manifest_instances(const manifest_component *c);
