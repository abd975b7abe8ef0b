/* store/version.c - which SQLite this is, for `doctor`. */
#include "store/store.h"

#include <sqlite3.h>

const char *cop_store_sqlite_version(void)
{
    return sqlite3_libversion();
}
