// SPDX-License-Identifier: Apache-2.0
// An intrusive doubly linked list. A list is a node whose links point at itself when empty.
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct list_node {
    struct list_node *prev;
    struct list_node *next;
} list_node;

#define LIST_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void list_init(list_node *head) { head->prev = head->next = head; }
static inline bool list_empty(const list_node *head) { return head->next == head; }
// A node that is in no list must be initialised with list_init, then this is safe to call twice.
static inline void list_remove(list_node *node) {
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}
static inline void list_push_back(list_node *head, list_node *node) {
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}
static inline list_node *list_pop_front(list_node *head) {
    if (list_empty(head)) {
        return NULL;
    }
    list_node *first = head->next;
    list_remove(first);
    return first;
}
