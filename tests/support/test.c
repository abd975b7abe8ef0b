/* tests/support/test.c - see test.h. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "support/test.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void test_assert_status(
    enum cop_status got,
    enum cop_status want,
    const struct cop_err *err,
    const char *call,
    const char *file,
    int line)
{
    if (got != want) {
        print_error(
            "%s\n    got '%s' (%s), wanted '%s'\n",
            call,
            cop_status_text(got),
            got != COP_OK ? err->text : "",
            cop_status_text(want));
        _fail(file, line);
    }
    if (want != COP_OK && (err->text[0] == '\0' || strchr(err->text, '\n') != NULL)) {
        print_error("%s\n    error text is not one line: '%s'\n", call, err->text);
        _fail(file, line);
    }
}

void test_assert_near(
    const float *a,
    const float *b,
    int64_t n,
    double relative,
    double absolute,
    const char *what,
    const char *file,
    int line)
{
    int64_t worst = -1;
    double worst_excess = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double x = (double)a[i];
        double y = (double)b[i];
        double excess = fabs(x - y) - absolute - relative * fmax(fabs(x), fabs(y));
        if (isnan(x) != isnan(y)) excess = INFINITY;
        if (excess > worst_excess) {
            worst_excess = excess;
            worst = i;
        }
    }
    if (worst < 0) return;
    print_error(
        "%s: element %lld of %lld is %.9g and %.9g\n",
        what,
        (long long)worst,
        (long long)n,
        (double)a[worst],
        (double)b[worst]);
    _fail(file, line);
}

char *test_make_dir(char path[256])
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(path, 256, "%s/coppice-test-XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(path) == NULL) fail_msg("cannot make a folder at %s", path);
    return path;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

void test_remove_dir(const char *path)
{
    (void)nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}
