// SPDX-License-Identifier: Apache-2.0
// What others are told that this host serves: in presence by its id, and to old peers function by function.
#include "agent/agent_internal.h"
#include "base/mem.h"
#include "component/component.h"
#include "lattice/wrpc_http.h"
#include "lattice/wrpc_names.h"

typedef struct served { // a component or provider that is told
    char *id;
    int32_t revision;
    uint64_t serial; // of its image
    wrpc_export *exports;
    size_t export_count;
    bool is_provider; // told when it starts and when it has ended
    bool is_kept;
    list_node node;
} served;

struct agent_exports {
    list_node list;
};

static agent_exports *exports_of(agent *a) {
    if (a->exports == NULL) {
        a->exports = MEM_NEW(agent_exports);
        list_init(&a->exports->list);
    }
    return a->exports;
}

// --- old peers ---------------------------------------------------------------------------------------------

static void stop_exports(wrpc_export *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        wrpc_export_stop(&list[i]);
    }
    mem_free(list);
}

static void start_export(agent *a, served *s, slice instance, slice function) {
    err e;
    status started = wrpc_export_start(a->wrpc, &s->exports[s->export_count], slice_from_text(s->id),
                                       instance, function, &e);
    if (started == STATUS_OK) {
        s->export_count++;
    } else {
        agent_log(a, LOG_WARN, "export", "%s is not served to old peers: %s", s->id, e.message);
    }
}

static bool is_handler(slice interface) {
    slice name = slice_sub(interface, 0, slice_find(interface, 0, '@'));
    return slice_equal_text(name, "wasi:http/incoming-handler");
}

// Several versions of an interface on the wire are served by each function.
static void start_exports(agent *a, served *s, const component_facts *f) {
    s->export_count = 0;
    s->exports = mem_calloc(f->export_count * (WRPC_VERSIONS_MAX + 1) + 1, sizeof *s->exports);
    for (size_t i = 0; i < f->export_count; i++) {
        const component_export *x = &f->exports[i];
        wrpc_wire_names names;
        if (wrpc_names_to_wire(x->interface, &names, NULL) != STATUS_OK) {
            continue; // it never leaves a host
        }
        slice function =
            is_handler(x->interface) ? slice_from_text(WRPC_HTTP_FUNCTION) : wrpc_names_function(x->function);
        for (size_t k = 0; k < names.count; k++) {
            start_export(a, s, slice_from_text(names.items[k]), function);
        }
        if (is_handler(x->interface)) { // it may be linked as where requests go, too
            start_export(a, s, slice_from_text(WRPC_HTTP_OUTGOING), function);
        }
    }
}

// --- all ---------------------------------------------------------------------------------------------------

static served *find(agent *a, slice id) {
    list_node *head = &exports_of(a)->list;
    for (list_node *n = head->next; n != head; n = n->next) {
        served *s = LIST_ENTRY(n, served, node);
        if (slice_equal_text(id, s->id)) {
            return s;
        }
    }
    return NULL;
}

static void withdraw(agent *a, served *s) {
    if (a->presence != NULL) {
        presence_withdraw(a->presence, slice_from_text(s->id));
    }
    stop_exports(s->exports, s->export_count);
    list_remove(&s->node);
    mem_free(s->id);
    mem_free(s);
}

static served *find_or_add(agent *a, slice id) {
    served *s = find(a, id);
    if (s == NULL) {
        s = MEM_NEW(served);
        s->id = mem_slice_dup(id);
        list_push_back(&exports_of(a)->list, &s->node);
    }
    return s;
}

static void tell_presence(agent *a, const served *s, int32_t revision) {
    err e;
    if (a->presence != NULL &&
        presence_serve(a->presence, slice_from_text(s->id), s->is_provider, revision, &e) != STATUS_OK) {
        agent_log(a, LOG_WARN, "presence", "%s is not told to the lattice: %s", s->id, e.message);
    }
}

static void tell(agent *a, slice id, const component_facts *f, uint64_t serial) {
    served *s = find_or_add(a, id);
    s->is_kept = true;
    if (s->serial == serial) {
        return;
    }
    s->serial = serial;
    if (a->wrpc != NULL) { // those of another image end after these have begun, so that none is missed
        wrpc_export *before = s->exports;
        size_t count = s->export_count;
        start_exports(a, s, f);
        stop_exports(before, count);
    }
    tell_presence(a, s, f->has_claims ? f->claims.revision : 0);
}

// Its functions are not known one by one: who has none of that name says so. One that is on the bus itself
// serves old peers itself.
void agent_exports_provider(agent *a, slice id, int32_t revision) {
    served *s = find_or_add(a, id);
    err e;
    s->is_provider = true;
    if (a->wrpc != NULL && s->exports == NULL && providers_serves(a->providers, id)) {
        s->exports = mem_calloc(1, sizeof *s->exports);
        s->export_count = 1;
        if (wrpc_export_start_any(a->wrpc, s->exports, id, &e) != STATUS_OK) {
            s->export_count = 0;
            agent_log(a, LOG_WARN, "export", "%s is not served to old peers: %s", s->id, e.message);
        }
    }
    tell_presence(a, s, revision);
}

void agent_exports_provider_ended(agent *a, slice id) {
    served *s = find(a, id);
    if (s != NULL && s->is_provider) {
        withdraw(a, s);
    }
}

static void drop(agent *a, bool all) {
    list_node *head = &exports_of(a)->list;
    for (list_node *n = head->next, *next; n != head; n = next) {
        served *s = LIST_ENTRY(n, served, node);
        next = n->next;
        if (all || (!s->is_kept && !s->is_provider)) {
            withdraw(a, s);
        } else {
            s->is_kept = false;
        }
    }
}

void agent_exports_update(agent *a) {
    for (size_t i = 0; i < components_count(a->components); i++) {
        slice id;
        uint64_t serial;
        const component_facts *f = components_at(a->components, i, &id, &serial);
        if (f != NULL) {
            tell(a, id, f, serial);
        }
    }
    drop(a, false);
}

void agent_exports_withdraw(agent *a) { drop(a, true); }

void agent_exports_free(agent *a) {
    if (a->exports != NULL) {
        agent_exports_withdraw(a);
        mem_free(a->exports);
        a->exports = NULL;
    }
}
