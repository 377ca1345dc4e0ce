#pragma once

/* Where files are that the program needs beside itself. */

/*
 * share/openpr-webhook beside the folder of this binary, else the root of the source tree it was
 * built from, whichever holds policies/filter.lua; the first when neither does.  The caller frees;
 * NULL only when memory is short.
 */
char *config_find_share(void);
