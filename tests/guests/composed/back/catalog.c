// SPDX-License-Identifier: Apache-2.0
//
// The second component: a catalogue of items. Its strings are UTF-16 while its caller's are UTF-8, so every
// string between the two is transcoded. What an exported function is handed belongs to it.
#include "back.h"

#include <stdlib.h>
#include <string.h>

#define SHELF_ITEMS_MAX 64

struct exports_catalog_shelf_t {
    back_string_t label;
    size_t count;
    exports_catalog_item_t items[SHELF_ITEMS_MAX];
};

static uint32_t shelves_alive;

static exports_catalog_item_t item_copy(const exports_catalog_item_t *item) {
    exports_catalog_item_t copy = *item;
    back_string_dup_n(&copy.name, item->name.ptr, item->name.len);
    if (item->tags.len > 0) {
        copy.tags.ptr = malloc(item->tags.len * sizeof *copy.tags.ptr);
    }
    for (size_t i = 0; i < item->tags.len; i++) {
        back_string_dup_n(&copy.tags.ptr[i], item->tags.ptr[i].ptr, item->tags.ptr[i].len);
    }
    return copy;
}

exports_catalog_own_shelf_t exports_catalog_constructor_shelf(back_string_t *label) {
    exports_catalog_shelf_t *shelf = calloc(1, sizeof *shelf);
    shelf->label = *label;
    shelves_alive++;
    return exports_catalog_shelf_new(shelf);
}

void exports_catalog_shelf_destructor(exports_catalog_shelf_t *shelf) {
    for (size_t i = 0; i < shelf->count; i++) {
        exports_catalog_item_free(&shelf->items[i]);
    }
    back_string_free(&shelf->label);
    free(shelf);
    shelves_alive--;
}

bool exports_catalog_method_shelf_put(exports_catalog_borrow_shelf_t shelf, exports_catalog_item_t *item,
                                      uint32_t *ret, back_string_t *err) {
    if (item->name.len == 0 || shelf->count == SHELF_ITEMS_MAX) {
        back_string_dup(err, item->name.len == 0 ? u"an item needs a name" : u"the shelf is full");
        exports_catalog_item_free(item);
        return false;
    }
    shelf->items[shelf->count++] = *item;
    *ret = (uint32_t)shelf->count;
    return true;
}

static bool starts_with(const back_string_t *text, const back_string_t *prefix) {
    return text->len >= prefix->len && memcmp(text->ptr, prefix->ptr, prefix->len * sizeof *prefix->ptr) == 0;
}

void exports_catalog_method_shelf_find(exports_catalog_borrow_shelf_t shelf, back_string_t *prefix,
                                       exports_catalog_outcome_t *ret) {
    exports_catalog_item_t *found = malloc(sizeof *found * SHELF_ITEMS_MAX);
    size_t count = 0;
    for (size_t i = 0; i < shelf->count; i++) {
        if (starts_with(&shelf->items[i].name, prefix)) {
            found[count++] = item_copy(&shelf->items[i]);
        }
    }
    if (prefix->len > 0 && prefix->ptr[0] == u'!') {
        ret->tag = EXPORTS_CATALOG_OUTCOME_REFUSED;
        back_string_dup_n(&ret->val.refused, prefix->ptr, prefix->len);
    } else if (count == 0) {
        ret->tag = EXPORTS_CATALOG_OUTCOME_NOTHING;
    } else if (count == 1) {
        ret->tag = EXPORTS_CATALOG_OUTCOME_ONE;
        ret->val.one = found[0];
    } else {
        ret->tag = EXPORTS_CATALOG_OUTCOME_MANY;
        ret->val.many.ptr = found;
        ret->val.many.len = count;
        found = NULL;
    }
    free(found);
    back_string_free(prefix);
}

uint32_t exports_catalog_method_shelf_count(exports_catalog_borrow_shelf_t shelf) {
    return (uint32_t)shelf->count;
}

uint32_t exports_catalog_static_shelf_merge(exports_catalog_own_shelf_t source,
                                            exports_catalog_borrow_shelf_t into) {
    exports_catalog_shelf_t *from = exports_catalog_shelf_rep(source);
    for (size_t i = 0; i < from->count && into->count < SHELF_ITEMS_MAX; i++) {
        into->items[into->count++] = item_copy(&from->items[i]);
    }
    exports_catalog_shelf_drop_own(source);
    return (uint32_t)into->count;
}

void exports_catalog_reversed(back_list_u8_t *bytes, back_list_u8_t *ret) {
    for (size_t i = 0; i < bytes->len / 2; i++) {
        uint8_t other = bytes->ptr[bytes->len - 1 - i];
        bytes->ptr[bytes->len - 1 - i] = bytes->ptr[i];
        bytes->ptr[i] = other;
    }
    *ret = *bytes;
}

double exports_catalog_total(back_list_tuple3_u8_s64_f64_t *values) {
    double total = 0;
    for (size_t i = 0; i < values->len; i++) {
        total += values->ptr[i].f0 * 1e6 + (double)values->ptr[i].f1 + values->ptr[i].f2;
    }
    back_list_tuple3_u8_s64_f64_free(values);
    return total;
}

void exports_catalog_upper(back_string_t *text, back_string_t *ret) {
    for (size_t i = 0; i < text->len; i++) {
        if (text->ptr[i] >= u'a' && text->ptr[i] <= u'z') {
            text->ptr[i] = (uint16_t)(text->ptr[i] - u'a' + u'A');
        }
    }
    *ret = *text;
}

void exports_catalog_spread(uint8_t a, int16_t b, uint32_t c, int64_t d, float e, double f, uint32_t g,
                            bool h, back_string_t *i, back_list_u16_t *j, uint64_t k, uint64_t l, uint64_t m,
                            uint64_t n, uint64_t o, back_tuple2_string_u64_t *ret) {
    uint64_t sum = a + (uint64_t)b + c + (uint64_t)d + (uint64_t)e + (uint64_t)f + g + h + k + l + m + n + o;
    for (size_t at = 0; at < j->len; at++) {
        sum += j->ptr[at];
    }
    back_list_u16_free(j);
    ret->f0 = *i;
    ret->f1 = sum;
}

uint32_t exports_catalog_alive(void) { return shelves_alive; }

__attribute__((noinline)) static void catalog_fails_on_purpose(void) { __builtin_trap(); }

void exports_catalog_fail(void) { catalog_fails_on_purpose(); }
