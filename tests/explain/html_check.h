/* tests/explain/html_check.h - a strict reader for the pages we write.
 *
 * Fails the test unless every tag is closed in order, every attribute quoted, every & an
 * entity, every image described, every header cell scoped, and nothing is fetched or
 * run. */
#ifndef COP_TESTS_HTML_CHECK_H
#define COP_TESTS_HTML_CHECK_H

void test_html_check(const char *page);

#endif
