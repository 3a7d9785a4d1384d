// SPDX-License-Identifier: Apache-2.0
#include "offer.h"

status wast_offer_make(wast_offer **list, slice name, const component *c, const component_program *p,
                       component_instance *from, const host_interface **ret, err *e) {
    (void)list;
    (void)c;
    (void)p;
    (void)from;
    (void)ret;
    return err_set(e, STATUS_UNSUPPORTED, "importing \"%.*s\" from another component of the script", SLICE_ARG(name));
}

void wast_offers_free(wast_offer *list) {
    (void)list;
}
