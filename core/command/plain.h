#pragma once

/*
 * Strangers' text on the operator's terminal: what could move its cursor, colour it or turn the
 * direction of writing (C0, DEL, C1, bidirectional controls, line separators) is shown as '?'.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* In one line: line breaks and tabs become blanks. */
void plain_line(FILE *out, const char *text);

/* As it stands, with its line breaks. */
void plain_text(FILE *out, const char *text);

/* Whether standard output is a terminal that shows colours, and nobody asked for none (NO_COLOR).
 */
bool plain_colours(void);

/* Characters of it, which are columns for most scripts. */
int plain_width(const char *text);

/* Each line behind `margin`, at most `most` bytes, whole lines where it can; what was left out is
 * said. */
void plain_block(FILE *out, const char *text, const char *margin, size_t most);
