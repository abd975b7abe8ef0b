/* cli/mapped_file.c - see mapped_file.h. */
#include "cli/mapped_file.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static const char *read_hex(const char *at, uintptr_t *number)
{
    *number = 0;
    for (;; ++at) {
        if (*at >= '0' && *at <= '9')
            *number = *number * 16 + (uintptr_t)(*at - '0');
        else if (*at >= 'a' && *at <= 'f')
            *number = *number * 16 + (uintptr_t)(*at - 'a' + 10);
        else
            return at;
    }
}

/* The path at the end of "from-to flags offset device inode   /path" if the address lies
 * there; else NULL. */
static const char *path_if_there(const char *line, uintptr_t address)
{
    uintptr_t from;
    uintptr_t to;
    const char *at = read_hex(line, &from);
    if (*at != '-') return NULL;
    (void)read_hex(at + 1, &to);
    return address >= from && address < to ? strchr(line, '/') : NULL;
}

/* Fills @p line up to the next newline; false at the end of the table. */
static bool next_line(int table, char *line)
{
    size_t n = 0;
    char c = '\0';
    while (read(table, &c, 1) == 1 && c != '\n') {
        if (n + 1 < COP_MAPPED_LINE) line[n++] = c;
    }
    line[n] = '\0';
    return c == '\n';
}

const char *cop_cli_mapped_file(const void *address, char line[COP_MAPPED_LINE])
{
    const char *path = NULL;
    const int table = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    while (table >= 0 && path == NULL && next_line(table, line))
        path = path_if_there(line, (uintptr_t)address);
    if (table >= 0) (void)close(table);
    return path;
}
