// SPDX-License-Identifier: Apache-2.0
#include "lattice/call.h"

static slice keep(buf *names, slice name) {
    size_t at = names->len;
    return buf_append(names, name) == STATUS_OK ? slice_of(names->data + at, name.len) : slice_empty();
}

lattice_invocation lattice_invocation_keep(const lattice_invocation *i, buf *names) {
    uint8_t *room;
    lattice_invocation kept = *i;
    size_t len = i->source.len + i->source_host.len + i->source_issuer.len + i->link.len + i->target.len +
                 i->instance.len + i->function.len + i->trace.len;
    buf_init(names, len + 1);
    if (buf_reserve(names, len + 1, &room) != STATUS_OK) { // so that nothing moves later
        return (lattice_invocation){.deadline_ns = i->deadline_ns};
    }
    kept.source = keep(names, i->source);
    kept.source_host = keep(names, i->source_host);
    kept.source_issuer = keep(names, i->source_issuer);
    kept.link = keep(names, i->link);
    kept.target = keep(names, i->target);
    kept.instance = keep(names, i->instance);
    kept.function = keep(names, i->function);
    kept.trace = keep(names, i->trace);
    kept.params = slice_empty();
    return kept;
}
