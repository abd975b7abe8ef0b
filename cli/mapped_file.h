/* cli/mapped_file.h - which file lies behind an address; for a signal handler. */
#ifndef COP_CLI_MAPPED_FILE_H
#define COP_CLI_MAPPED_FILE_H

#include <stddef.h>

enum { COP_MAPPED_LINE = 4400 }; /* addresses, flags and a path of at most 4096 */

/** The path of the file that is mapped at @p address, within @p line; NULL: none is.  Asks
 *  the system's table of mappings and calls only what a signal handler may. */
const char *cop_cli_mapped_file(const void *address, char line[COP_MAPPED_LINE]);

#endif
