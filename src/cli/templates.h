// SPDX-License-Identifier: Apache-2.0
// The projects that `writ new` writes. The C behind this is made of templates/ by tools/templates/embed.py.
#pragma once

#include <stddef.h>

typedef struct template_file {
    const char *path; // below the folder of the project; its folders come with it
    const unsigned char *content;
    size_t length;
} template_file;

// One template in one language. Those of a template follow each other.
typedef struct template_project {
    const char *name;
    const char *summary;
    const char *language; // as --lang has it
    const char *language_title;
    const template_file *files;
    size_t file_count;
} template_project;

extern const template_project template_projects[];
extern const size_t template_project_count;
