// SPDX-License-Identifier: Apache-2.0
#include "cli/places.h"

#include <stdlib.h>

#include "base/mem.h"

enum { PLACE_BYTES_MAX = 4096 };

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

status cli_place(const char *name, buf *ret, err *e) {
    buf_init(ret, PLACE_BYTES_MAX);
    const char *own = variable("WRIT_HOME"), *config = variable("XDG_CONFIG_HOME"), *home = variable("HOME");
    status s = STATUS_OK;
    if (own != NULL) {
        s = buf_append_format(ret, "%s/%s", own, name);
    } else if (config != NULL) {
        s = buf_append_format(ret, "%s/writ/%s", config, name);
    } else if (home != NULL) {
        s = buf_append_format(ret, "%s/.config/writ/%s", home, name);
    } else {
        return err_set(e, STATUS_NOT_FOUND,
                       "neither WRIT_HOME nor XDG_CONFIG_HOME nor HOME is set, so there is no place for %s; "
                       "set WRIT_HOME",
                       name);
    }
    if (s != STATUS_OK || buf_text(ret) == NULL) {
        return err_set(e, STATUS_LIMIT, "the path of %s is longer than %d bytes", name, PLACE_BYTES_MAX);
    }
    return STATUS_OK;
}

void cli_default_trust(char **path) {
    auto_buf place = {0};
    if (*path == NULL && cli_place("trust.json", &place, NULL) == STATUS_OK) {
        *path = mem_text_dup(buf_text(&place));
    }
}
