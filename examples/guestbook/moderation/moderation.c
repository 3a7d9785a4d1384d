// SPDX-License-Identifier: Apache-2.0
//
// Decides what may stand in the guestbook: not nothing, not too much, no word of the list `blocked` in its
// configuration, and few links. It sees an entry and its configuration, and nothing else of the world.
//
// `moderator.h` is generated from wit/world.wit; build.sh shows how. What an export is handed belongs to it.
#include "moderator.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES_MAX = 60, MESSAGE_BYTES_MAX = 1000, LINKS_MAX = 2 };

typedef exports_moderation_entry_t entry;
typedef exports_moderation_verdict_t verdict;

static bool is_blank(uint8_t c) { return c == ' ' || c == '\n'; }

// Tabs and line feeds of Windows become plain ones, other control characters go, and blanks at the ends.
static void tidy(moderator_string_t *text, bool is_one_line) {
    size_t kept = 0, start = 0;
    for (size_t i = 0; i < text->len; i++) {
        uint8_t c = text->ptr[i];
        c = c == '\t' || (is_one_line && c == '\n') ? ' ' : c;
        if (c == '\n' || (c >= ' ' && c != 0x7f)) {
            text->ptr[kept++] = c;
        }
    }
    while (kept > 0 && is_blank(text->ptr[kept - 1])) {
        kept--;
    }
    while (start < kept && is_blank(text->ptr[start])) {
        start++;
    }
    text->len = kept - start;
    memmove(text->ptr, text->ptr + start, text->len);
}

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

static size_t count_of(const moderator_string_t *text, const uint8_t *word, size_t len) {
    size_t count = 0;
    for (size_t i = 0; len > 0 && i + len <= text->len; i++) {
        size_t same = 0;
        while (same < len && lower(text->ptr[i + same]) == lower(word[same])) {
            same++;
        }
        count += same == len;
    }
    return count;
}

// `words` has blanks between them.
static bool has_word_of(const moderator_string_t *text, const moderator_string_t *words) {
    for (size_t at = 0; at < words->len;) {
        size_t end = at;
        while (end < words->len && !is_blank(words->ptr[end])) {
            end++;
        }
        if (count_of(text, words->ptr + at, end - at) > 0) {
            return true;
        }
        at = end + 1;
    }
    return false;
}

// 1 or 0, and -1 when the configuration cannot be read: then nobody knows what may be shown.
static int is_blocked(const entry *e) {
    moderator_string_t key = {(uint8_t *)"blocked", strlen("blocked")};
    moderator_option_string_t words;
    config_error_t error;
    if (!config_get(&key, &words, &error)) {
        config_error_free(&error);
        return -1;
    }
    bool found = words.is_some && (has_word_of(&e->name, &words.val) || has_word_of(&e->message, &words.val));
    moderator_option_string_free(&words);
    return found;
}

// NULL when there is nothing to say against its form.
static const char *objection(const entry *e) {
    if (e->name.len == 0 || e->message.len == 0) {
        return "Please write a name and a message.";
    }
    if (e->name.len > NAME_BYTES_MAX || e->message.len > MESSAGE_BYTES_MAX) {
        return "Please be brief.";
    }
    return count_of(&e->message, (const uint8_t *)"://", 3) > LINKS_MAX ? "Please leave the links out."
                                                                        : NULL;
}

bool exports_moderation_review(entry *e, verdict *ret, moderator_string_t *err) {
    tidy(&e->name, true);
    tidy(&e->message, false);
    const char *why = objection(e);
    int blocked = why == NULL ? is_blocked(e) : 0;
    if (blocked < 0) {
        moderator_string_dup(err, "the list of blocked words cannot be read");
        exports_moderation_entry_free(e);
        return false;
    }
    why = blocked > 0 ? "Please find other words." : why;
    if (why == NULL) {
        *ret = (verdict){.tag = EXPORTS_MODERATION_VERDICT_ACCEPTED, .val.accepted = *e};
        return true;
    }
    ret->tag = EXPORTS_MODERATION_VERDICT_REFUSED;
    moderator_string_dup(&ret->val.refused, why);
    exports_moderation_entry_free(e);
    return true;
}
