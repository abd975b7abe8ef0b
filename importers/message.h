/* importers/message.h - the file's name in messages.  Private to importers/. */
#ifndef COP_IMPORTERS_MESSAGE_H
#define COP_IMPORTERS_MESSAGE_H

#include "base/err.h"

#include <string.h>

/** Prefixes the text.  Long paths are shortened from the left: the message behind the name
 *  matters more. */
static inline void cop_importers__put_file_name(const char *name, struct cop_err *err)
{
    enum { MOST = 80 };
    size_t n = strlen(name);
    if (n <= MOST)
        cop_err_in(err, "%s", name);
    else
        cop_err_in(err, "...%s", name + n - MOST);
}

#endif
