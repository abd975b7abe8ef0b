/* tests/support/test.h - cmocka plus what it lacks: errors printed, near-equality. */
#ifndef COP_TESTS_TEST_H
#define COP_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above */
#include <cmocka.h>

#include "base/err.h"

/** Fails and prints err.text unless the call returns COP_OK.  Needs a cop_err `err`. */
#define assert_ok(call) test_assert_status((call), COP_OK, &err, #call, __FILE__, __LINE__)
/** Fails unless the call returns that status and its text is one non-empty line. */
#define assert_fails(call, want)                                                       \
    test_assert_status((call), (want), &err, #call, __FILE__, __LINE__)

void test_assert_status(
    enum cop_status got,
    enum cop_status want,
    const struct cop_err *err,
    const char *call,
    const char *file,
    int line);

/** |a - b| <= absolute + relative * max(|a|, |b|) for every element; else both values,
 *  the index and the worst element are printed. */
#define assert_near(a, b, n, relative, absolute)                                       \
    test_assert_near((a), (b), (n), (relative), (absolute), #a " ~ " #b, __FILE__, __LINE__)
void test_assert_near(
    const float *a,
    const float *b,
    int64_t n,
    double relative,
    double absolute,
    const char *what,
    const char *file,
    int line);

/** A fresh folder for this test under TMPDIR; removed by test_remove_dir. */
char *test_make_dir(char path[256]);
void test_remove_dir(const char *path);

#endif
