// SPDX-License-Identifier: Apache-2.0
// writ dev: builds and runs a project, again whenever a source changes.
//
// One loop. A change is looked at after a moment of quiet; components whose sources differ from what was last
// built are built one after the other and signed with a key for development. When all are good, the host
// (`writ up`, in a process of its own) is told to take them; while it does, nothing is built, since it reads
// what builds write. A build that fails leaves the host as it is.
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/dev_internal.h"
#include "cli/endpoint.h"
#include "cli/key_option.h"
#include "cli/options.h"
#include "cli/source_tree.h"
#include "cli/workspace.h"
#include "loop/signal.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/file_watch.h"
#include "os/path.h"
#include "os/private.h"

#define STATE_FOLDER ".writ"
#define DEV_KEY "dev"
#define QUIET_NS 60000000ull  // after the last change, since editors write in several steps
#define HASTE_NS 500000000ull // after the first one at the latest
#define LOOK_NS 1000000000ull // without watches
#define PATIENCE_NS 2000000000ull

enum { OWN_CHANGES_MAX = 3, HOST_ARGUMENTS_MAX = 96, REST_MAX = 64, DEV_ARENA_BYTES_MAX = 4 << 20 };

typedef struct dev_request {
    const char *folder;
    const char *listen;
    const char *workers;
    const char *cache;
    const char *keys_dir;
    const char *rest[REST_MAX]; // for the host
    size_t rest_count;
    cli_output output;
} dev_request;

typedef struct dev_component {
    source_print tried;   // the sources of the last build, whatever came of it
    uint32_t own_changes; // builds in a row during which the sources have changed
    bool has_tried;
    bool is_due;
    bool is_broken;
} dev_component;

typedef struct dev {
    const dev_request *request;
    sign_request *sign;
    arena memory; // of what belongs to the project as it was read last
    workspace workspace;
    dev_component *components; // in the order of the project
    const char **left_out;     // what is never a source: outputs, manifest, project file
    size_t left_out_count;
    source_print project_file, manifest;
    bool is_project_broken;

    loop *loop;
    loop_signal *signals[3];
    int watch_fd;
    loop_watch watch;
    bool has_lost_watches;
    loop_timer look_timer;
    loop_timer patience_timer; // of people, while the host starts
    uint64_t changed_ns;       // the first change since the last look; 0 = none

    process builder;
    loop_watch builder_watch;
    size_t building; // component
    uint64_t building_since_ns;

    dev_host host;
    const char *host_words[HOST_ARGUMENTS_MAX];
    bool has_news; // for the host
    bool is_ending;
} dev;

CLI_KEEP_TEXT(set_folder, dev_request, folder);
CLI_KEEP_TEXT(set_workers, dev_request, workers);
CLI_KEEP_TEXT(set_cache, dev_request, cache);
CLI_KEEP_TEXT(set_keys_dir, dev_request, keys_dir);
CLI_KEEP_OUTPUT(set_output, dev_request, output);

static status set_listen(void *target, const char *value, err *e) {
    char *address = NULL;
    uint16_t port;
    status s = cli_parse_endpoint(value, &address, &port, e);
    mem_free(address);
    ((dev_request *)target)->listen = value;
    return s;
}

static status add_rest(void *target, const char *value, err *e) {
    dev_request *r = target;
    if (r->rest_count == REST_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d words after --", REST_MAX);
    }
    r->rest[r->rest_count++] = value;
    return STATUS_OK;
}

static const cli_option options[] = {
    {"listen", 'l', "ADDR:PORT", "where to serve HTTP, in place of the manifest's address", set_listen},
    {"workers", 'w', "N", "worker processes (1)", set_workers},
    {"cache", 0, "DIR", "where compiled code is kept (the user's cache directory)", set_cache},
    CLI_OPTION_KEYS(set_keys_dir),
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command command = {
    .name = "dev",
    .usage = "[OPTIONS] [FOLDER] [-- OPTIONS-OF-WRIT-UP]",
    .summary = "Build and run a project, again whenever a source changes, until SIGINT or SIGTERM.",
    .details =
        "What changes is built, signed with a key for development, and takes over without a failed request. "
        "A\n"
        "build that fails, or a version that is refused, leaves the last good one serving. The host is `writ "
        "up`:\n"
        "what it refuses here it refuses everywhere, and the smallest links that are missing are shown.\n\n"
        "The key is `dev` in the directory of keys, made when there is none, and believed by this host "
        "alone.\n"
        "Data of drivers and the trust store are in .writ in the project's folder, and survive restarts.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ dev\n"
                "  writ dev --listen 127.0.0.1:0 shop\n"
                "  writ dev -- --secrets-key-file dev.key --verbose",
    .operands_min = 0,
    .operands_max = 1,
    .operand = set_folder,
    .rest = add_rest,
};

// --- the project -------------------------------------------------------------------------------------------

static void go_on(dev *d);

static status keep_text(dev *d, slice text, const char **ret, err *e) {
    *ret = arena_text(&d->memory, text);
    return *ret != NULL ? STATUS_OK : err_set(e, STATUS_LIMIT, "the project needs too much memory");
}

// The folder of each output, since tools leave more there; an output beside the sources alone.
static status leave_out(dev *d, err *e) {
    const project *p = d->workspace.project;
    d->left_out = ARENA_ARRAY(&d->memory, const char *, p->component_count + 2);
    d->left_out_count = 0;
    for (size_t i = 0; i < p->component_count && d->left_out != NULL; i++) {
        char folder[PATH_MAX];
        const char *name, *output = p->components[i].output;
        bool is_beside = !path_split(output, folder, sizeof folder, &name) || strcmp(folder, ".") == 0;
        TRY(keep_text(d, slice_from_text(is_beside ? output : folder), &d->left_out[d->left_out_count++], e));
    }
    if (d->left_out == NULL) {
        return err_set(e, STATUS_LIMIT, "the project needs too much memory");
    }
    d->left_out[d->left_out_count++] = p->manifest;
    d->left_out[d->left_out_count++] = PROJECT_FILE;
    return STATUS_OK;
}

static status open_project(dev *d, err *e) {
    workspace fresh;
    TRY(workspace_open(d->request->folder, d->request->output, &fresh, e));
    workspace_done(&d->workspace);
    arena_reset(&d->memory);
    d->workspace = fresh;
    d->components = ARENA_ARRAY(&d->memory, dev_component, fresh.project->component_count);
    if (d->components == NULL) {
        return err_set(e, STATUS_LIMIT, "the project needs too much memory");
    }
    return leave_out(d, e);
}

// --- the host's words --------------------------------------------------------------------------------------

static status state_path(dev *d, const char *name, const char **ret, err *e) {
    auto_buf path = {0};
    char below[64];
    (void)snprintf(below, sizeof below, STATE_FOLDER "/%s", name);
    TRY(workspace_path(&d->workspace, below, &path, e));
    return keep_text(d, buf_slice(&path), ret, e);
}

static status prepare_host(dev *d, err *e) {
    const dev_request *r = d->request;
    const char *pairs[][2] = {{"--trust", NULL},
                              {"--data", NULL},
                              {"--workers", r->workers},
                              {"--listen", r->listen},
                              {"--cache", r->cache}};
    size_t count = 0;
    TRY(state_path(d, "trust.json", &pairs[0][1], e));
    TRY(state_path(d, "data", &pairs[1][1], e));
    d->host_words[count++] = "writ";
    d->host_words[count++] = CLI_DEV_HOST;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (pairs[i][1] != NULL) {
            d->host_words[count++] = pairs[i][0];
            d->host_words[count++] = pairs[i][1];
        }
    }
    for (size_t i = 0; i < r->rest_count; i++) {
        d->host_words[count++] = r->rest[i];
    }
    d->host_words[count++] = "-o"; // after theirs: it is us who read it
    d->host_words[count++] = "json";
    d->host_words[count++] = d->workspace.project->manifest;
    d->host_words[count] = NULL;
    d->host.options.folder = d->workspace.folder;
    d->host.options.manifest = d->workspace.project->manifest;
    return STATUS_OK;
}

static status believe(const char *path, const nkey_public *key, err *e) {
    trust_store *store;
    const trust_issuer issuer = {.key = *key, .note = slice_from_text("for development")};
    TRY(trust_store_load(path, &store, e));
    status s = trust_store_add_issuer(store, &issuer, e);
    if (s == STATUS_OK) {
        s = trust_store_save(store, path, e);
    } else if (s == STATUS_EXISTS) {
        err_clear(e);
        s = STATUS_OK;
    }
    trust_store_free(store);
    return s;
}

// The key, and a trust store in which it stands.
static status prepare_key(dev *d, err *e) {
    nkey *key;
    bool is_new;
    const char *path;
    TRY(cli_key_load_or_make(DEV_KEY, NKEY_ACCOUNT, d->request->keys_dir, &key, &is_new, e));
    nkey_public public = nkey_public_of(key);
    nkey_free(key);
    if (is_new) {
        dev_say(d->request->output, "key", NULL, "made the key %s for development: %s", DEV_KEY,
                nkey_public_text(&public).text);
    }
    d->sign->issuer = DEV_KEY;
    d->sign->keys_dir = d->request->keys_dir;
    TRY(state_path(d, "trust.json", &path, e));
    return believe(path, &public, e);
}

static status prepare_state(dev *d, err *e) {
    auto_fd folder = -1;
    auto_buf path = {0};
    TRY(workspace_path(&d->workspace, STATE_FOLDER, &path, e));
    TRY(private_directory_open(buf_text(&path), &folder, e));
    return prepare_key(d, e);
}

// --- looking at the sources --------------------------------------------------------------------------------

static status look_at(dev *d, const char *const *paths, size_t count, bool is_source, source_print *ret,
                      err *e) {
    const source_look l = {.root = d->workspace.folder,
                           .paths = paths,
                           .path_count = count,
                           .left_out = d->left_out,
                           .left_out_count = is_source ? d->left_out_count : 0,
                           .watch = d->has_lost_watches ? -1 : d->watch_fd,
                           .lost_watches = &d->has_lost_watches};
    return source_tree_look(&l, ret, e);
}

static status look_at_file(dev *d, const char *path, source_print *kept, bool *ret_changed, err *e) {
    source_print now;
    TRY(look_at(d, &path, 1, false, &now, e));
    *ret_changed = memcmp(&now, kept, sizeof now) != 0;
    *kept = now;
    return STATUS_OK;
}

static status look_at_component(dev *d, size_t i, source_print *ret, err *e) {
    const project_component *spec = &d->workspace.project->components[i];
    return look_at(d, spec->sources, spec->source_count, true, ret, e);
}

// A project that has changed is another one: everything is built.
static status look_at_project(dev *d, err *e) {
    bool is_changed;
    TRY(look_at_file(d, PROJECT_FILE, &d->project_file, &is_changed, e));
    if (is_changed) {
        d->is_project_broken = true;
        TRY(open_project(d, e));
        TRY(prepare_host(d, e));
        d->is_project_broken = false;
        d->has_news = true;
    }
    return STATUS_OK;
}

static status look(dev *d, err *e) {
    bool is_changed;
    TRY(look_at_project(d, e));
    TRY(look_at_file(d, d->workspace.project->manifest, &d->manifest, &is_changed, e));
    d->has_news = d->has_news || is_changed;
    for (size_t i = 0; i < d->workspace.project->component_count; i++) {
        dev_component *c = &d->components[i];
        source_print now;
        TRY(look_at_component(d, i, &now, e));
        c->is_due = !c->has_tried || memcmp(&now, &c->tried, sizeof now) != 0;
    }
    return STATUS_OK;
}

static void tell_failure(const dev *d, const char *event, const char *whose, err *e) {
    if (d->request->output == CLI_TEXT) {
        (void)cli_fail(e, CLI_TEXT);
    } else {
        dev_say(CLI_JSON, event, whose, "%s", e->message);
    }
}

static void look_again(dev *d) {
    err e = {0};
    d->changed_ns = 0;
    bool had_watches = !d->has_lost_watches;
    if (look(d, &e) != STATUS_OK) {
        tell_failure(d, "project", NULL, &e);
    }
    if (d->has_lost_watches && had_watches) {
        dev_say(d->request->output, "no-watches", NULL,
                "the system gives no more watches (fs.inotify.max_user_watches): looking at the sources each "
                "second");
    }
    if (d->has_lost_watches) {
        loop_timer_start_in(&d->look_timer, LOOK_NS);
    }
}

static void on_look(void *arg) {
    dev *d = arg;
    // While something is built, or the host reads, what changes waits; it is not lost.
    if (d->builder.pidfd >= 0 || d->host.is_changing) {
        loop_timer_start_in(&d->look_timer, QUIET_NS);
        return;
    }
    look_again(d);
    go_on(d);
}

static void on_change(void *arg, WRIT_UNUSED unsigned events) {
    dev *d = arg;
    uint64_t now = loop_now_ns(d->loop);
    if (!file_watch_drain(d->watch_fd)) {
        return;
    }
    d->changed_ns = d->changed_ns == 0 ? now : d->changed_ns;
    uint64_t quiet = now + QUIET_NS, haste = d->changed_ns + HASTE_NS;
    loop_timer_start_at(&d->look_timer, quiet < haste ? quiet : haste);
}

// --- building ----------------------------------------------------------------------------------------------

static void on_built(dev *d, process_exit x) {
    err e = {0};
    nkey_public issuer;
    const project_component *spec = &d->workspace.project->components[d->building];
    dev_component *c = &d->components[d->building];
    status s = workspace_check_build(&d->workspace, spec, x, &e);
    s = s == STATUS_OK ? workspace_sign(&d->workspace, spec, d->sign, &issuer, &e) : s;
    c->is_broken = s != STATUS_OK;
    if (c->is_broken) {
        tell_failure(d, "build-failed", spec->name, &e);
        dev_say(d->request->output, "waiting", spec->name, "%s",
                d->host.is_serving ? "the last good version goes on serving; waiting for a change"
                                   : "waiting for a change");
        return;
    }
    d->has_news = true;
    uint64_t took_ms = (loop_now_fresh_ns(d->loop) - d->building_since_ns) / 1000000;
    dev_say(d->request->output, "built", spec->name, "built %s in %llu.%llu s", spec->name,
            (unsigned long long)took_ms / 1000, (unsigned long long)took_ms % 1000 / 100);
}

// A build that writes something else into its own sources each time would never end.
static void look_at_own_changes(dev *d, size_t i) {
    dev_component *c = &d->components[i];
    c->own_changes = c->is_due ? c->own_changes + 1 : 0;
    if (c->own_changes >= OWN_CHANGES_MAX) {
        const project_component *spec = &d->workspace.project->components[i];
        dev_say(
            d->request->output, "loop", spec->name,
            "the sources of %s change whenever it is built; name in its `sources` what people write. Waiting "
            "for a change",
            spec->name);
        c->is_due = false;
        c->own_changes = 0;
        (void)!look_at_component(d, i, &c->tried, NULL);
    }
}

static void on_builder(void *arg, WRIT_UNUSED unsigned events) {
    dev *d = arg;
    process_exit x;
    loop_watch_stop(&d->builder_watch);
    if (process_reap(&d->builder, &x) && !d->is_ending) {
        size_t count = d->workspace.project->component_count;
        on_built(d, x);
        look_again(d); // they may have changed while it was built
        if (count == d->workspace.project->component_count) {
            look_at_own_changes(d, d->building);
        }
    }
    go_on(d);
}

static status build(dev *d, size_t i, err *e) {
    dev_component *c = &d->components[i];
    const project_component *spec = &d->workspace.project->components[i];
    c->is_due = false;
    c->has_tried = true;
    d->building = i;
    d->building_since_ns = loop_now_fresh_ns(d->loop);
    TRY(look_at_component(d, i, &c->tried, e));
    TRY(workspace_check_tools(&d->workspace, e));
    dev_say(d->request->output, "building", spec->name, "%s: %s", spec->name, spec->build);
    TRY(workspace_start_build(&d->workspace, spec, true, &d->builder, e));
    return loop_watch_start(&d->builder_watch, d->loop, d->builder.pidfd, LOOP_READABLE, on_builder, d, e);
}

static bool build_next(dev *d) {
    err e = {0};
    for (size_t i = 0; i < d->workspace.project->component_count; i++) {
        if (!d->components[i].is_due) {
            continue;
        }
        if (build(d, i, &e) == STATUS_OK) {
            return true;
        }
        d->components[i].is_broken = true;
        tell_failure(d, "build-failed", d->workspace.project->components[i].name, &e);
    }
    return false;
}

// --- what comes next ---------------------------------------------------------------------------------------

static bool is_whole(const dev *d) {
    for (size_t i = 0; i < d->workspace.project->component_count; i++) {
        const dev_component *c = &d->components[i];
        if (c->is_broken || c->is_due || !c->has_tried) {
            return false;
        }
    }
    return !d->is_project_broken;
}

static void on_patience(void *arg) {
    const dev *d = arg;
    if (d->host.is_changing) {
        dev_say(d->request->output, "compiling", NULL,
                "code that is new here is compiled; this takes a moment, once");
    }
}

static void run_host(dev *d) {
    err e = {0};
    d->has_news = false;
    loop_timer_start_in(&d->patience_timer, PATIENCE_NS);
    if (dev_host_run(&d->host, &e) != STATUS_OK) {
        tell_failure(d, "host", NULL, &e);
    }
}

static void go_on(dev *d) {
    if (d->is_ending) {
        if (d->builder.pidfd < 0 && !dev_host_is_there(&d->host)) {
            loop_stop(d->loop);
        }
    } else if (d->builder.pidfd < 0 && !d->host.is_changing && !build_next(d) && d->has_news && is_whole(d)) {
        run_host(d);
    }
}

static void on_settled(void *context) {
    dev *d = context;
    loop_timer_stop(&d->patience_timer);
    d->has_news = d->has_news || d->host.has_crashed; // what has served once will again
    if (!d->is_ending && !dev_host_is_there(&d->host) && !d->host.has_crashed) {
        dev_say(d->request->output, "waiting", NULL, "waiting for a change");
    }
    go_on(d);
}

static void on_signal(void *arg) {
    dev *d = arg;
    dev_host_end(&d->host, SIGTERM); // a second one is meant for it, too
    process_signal_group(&d->builder, d->is_ending ? SIGKILL : SIGTERM);
    d->is_ending = true;
    go_on(d);
}

// --- the command -------------------------------------------------------------------------------------------

static status listen_to_signals(dev *d, err *e) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < 3; i++) {
        TRY(loop_signal_new(d->loop, numbers[i], on_signal, d, &d->signals[i], e));
    }
    return STATUS_OK;
}

static status start(dev *d, err *e) {
    bool is_changed;
    TRY(open_project(d, e));
    TRY(prepare_state(d, e));
    TRY(prepare_host(d, e));
    TRY(workspace_check_tools(&d->workspace, e));
    TRY(loop_new(NULL, &d->loop, e));
    TRY(listen_to_signals(d, e));
    const dev_host_options o = {d->host_words,      d->workspace.folder, d->workspace.project->manifest,
                                d->request->output, on_settled,          d};
    dev_host_init(&d->host, d->loop, &o);
    loop_timer_init(&d->look_timer, d->loop, on_look, d);
    loop_timer_init(&d->patience_timer, d->loop, on_patience, d);
    TRY(file_watch_open(&d->watch_fd, e));
    TRY(loop_watch_start(&d->watch, d->loop, d->watch_fd, LOOP_READABLE, on_change, d, e));
    TRY(look_at_file(d, PROJECT_FILE, &d->project_file, &is_changed, e));
    look_again(d);
    go_on(d);
    return STATUS_OK;
}

static void finish(dev *d) {
    if (d->loop != NULL) {
        loop_timer_stop(&d->look_timer);
        loop_timer_stop(&d->patience_timer);
        loop_watch_stop(&d->watch);
        loop_watch_stop(&d->builder_watch);
        dev_host_done(&d->host);
    }
    for (size_t i = 0; i < 3; i++) {
        loop_signal_free(d->signals[i]);
    }
    fd_close(d->watch_fd);
    loop_free(d->loop);
    workspace_done(&d->workspace);
    arena_done(&d->memory);
    mem_free(d->sign);
    mem_free(d);
}

int cli_dev_host(int argc, char **argv) {
    process_begin_child(); // without us nobody would end it
    return cli_up(argc, argv);
}

int cli_dev(int argc, char **argv) {
    dev_request r = {.folder = ".", .workers = "1"};
    err e = {0};
    status s = cli_parse(&command, argc, argv, &r, &e);
    if (s != STATUS_OK) {
        return s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, r.output), CLI_EXIT_USAGE);
    }
    dev *d = MEM_NEW(dev);
    d->request = &r;
    d->sign = MEM_NEW(sign_request);
    d->watch_fd = -1;
    d->builder.pidfd = -1;
    arena_init(&d->memory, DEV_ARENA_BYTES_MAX);
    s = start(d, &e);
    if (s == STATUS_OK) {
        loop_run(d->loop);
    }
    int code = s == STATUS_OK ? CLI_EXIT_OK : cli_fail(&e, r.output);
    finish(d);
    return code;
}
