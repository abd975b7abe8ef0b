/* tests/explain/html_check.c - see html_check.h. */
#include "html_check.h"

#include "support/test.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum { MAX_DEPTH = 64, MAX_NAME = 32 };

struct reader {
    const char *at;
    const char *page;
    char open[MAX_DEPTH][MAX_NAME];
    int depth;
    int n_h1;
};

static void complain(const struct reader *reader, const char *what)
{
    fail_msg(
        "%s at byte %zu: %.80s", what, (size_t)(reader->at - reader->page), reader->at);
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool is_void(const char *name)
{
    static const char *const names[] = {"meta", "img", "br"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static void read_name(struct reader *reader, char name[MAX_NAME])
{
    int n = 0;
    while (isalnum((unsigned char)*reader->at) && n < MAX_NAME - 1)
        name[n++] = *reader->at++;
    name[n] = '\0';
    if (n == 0) complain(reader, "a tag without a name");
}

/* What an element must say about itself. */
static void check_element(
    const struct reader *reader, const char *name, const char *attributes, size_t n)
{
    char copy[4096];
    const size_t kept = n < sizeof copy - 1 ? n : sizeof copy - 1;
    memcpy(copy, attributes, kept);
    copy[kept] = '\0';
    if (strcmp(name, "img") == 0 && !strstr(copy, "alt=\"")) complain(reader, "no alt");
    if (strcmp(name, "svg") == 0 && !strstr(copy, "aria-"))
        complain(reader, "mute svg");
    if (strcmp(name, "th") == 0 && !strstr(copy, "scope=\""))
        complain(reader, "no scope");
    if (strcmp(name, "html") == 0 && !strstr(copy, "lang=\""))
        complain(reader, "no lang");
    static const char *const banned[] = {
        "script",
        "iframe",
        "object",
        "embed",
        "link",
        "form",
        "base",
        "a",
        "foreignObject"};
    for (size_t i = 0; i < sizeof banned / sizeof *banned; i++)
        if (strcmp(name, banned[i]) == 0) complain(reader, "a banned element");
}

/* One attribute, its value quoted; only data: may be fetched. */
static void read_attribute(struct reader *reader)
{
    const char *name = reader->at;
    while (isalnum((unsigned char)*reader->at) || *reader->at == '-')
        reader->at++;
    const size_t n = (size_t)(reader->at - name);
    if (n == 0 || reader->at[0] != '=' || reader->at[1] != '"')
        complain(reader, "an attribute that is not name=\"value\"");
    if (n > 2 && starts(name, "on")) complain(reader, "an event handler");
    reader->at += 2;
    const bool is_address =
        (n == 3 && starts(name, "src")) || (n == 4 && starts(name, "href"));
    if (is_address && !starts(reader->at, "data:image/png;base64,"))
        complain(reader, "an address");
    while (*reader->at != '"') {
        if (*reader->at == '<' || *reader->at == '\0')
            complain(reader, "an attribute without end");
        reader->at++;
    }
    reader->at++;
}

static void open_tag(struct reader *reader)
{
    char name[MAX_NAME];
    read_name(reader, name);
    const char *attributes = reader->at;
    while (*reader->at == ' ') {
        reader->at++;
        read_attribute(reader);
    }
    check_element(reader, name, attributes, (size_t)(reader->at - attributes));
    reader->n_h1 += strcmp(name, "h1") == 0;
    if (starts(reader->at, "/>")) {
        reader->at += 2;
        return;
    }
    if (*reader->at != '>') complain(reader, "a tag without end");
    reader->at++;
    if (is_void(name)) return;
    if (reader->depth == MAX_DEPTH) complain(reader, "too deep");
    memcpy(reader->open[reader->depth++], name, sizeof name);
    if (strcmp(name, "style") == 0) reader->at = strstr(reader->at, "</style>");
}

static void close_tag(struct reader *reader)
{
    char name[MAX_NAME];
    read_name(reader, name);
    if (reader->depth == 0 || strcmp(reader->open[reader->depth - 1], name) != 0)
        complain(reader, "a tag closed that was not the last one opened");
    reader->depth--;
    if (*reader->at++ != '>') complain(reader, "a closing tag without end");
}

static void check_entity(const struct reader *reader)
{
    static const char *const entities[] = {
        "&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&nbsp;"};
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
        if (starts(reader->at, entities[i])) return;
    complain(reader, "a bare &");
}

void test_html_check(const char *page)
{
    static const char *const banned[] = {
        "http:", "https:", "javascript:", "url(", "@import", "<script"};
    struct reader reader = {.at = page, .page = page};
    for (size_t i = 0; i < sizeof banned / sizeof *banned; i++)
        if (strstr(page, banned[i])) fail_msg("the page contains %s", banned[i]);
    if (!starts(page, "<!DOCTYPE html>\n")) complain(&reader, "no doctype");
    reader.at = strchr(page, '\n');
    while (*reader.at) {
        if (starts(reader.at, "</")) {
            reader.at += 2;
            close_tag(&reader);
        } else if (*reader.at == '<') {
            reader.at++;
            open_tag(&reader);
        } else {
            if (*reader.at == '&') check_entity(&reader);
            if (*reader.at == '>') complain(&reader, "a bare >");
            reader.at++;
        }
    }
    if (reader.depth != 0)
        fail_msg("<%s> is never closed", reader.open[reader.depth - 1]);
    assert_int_equal(reader.n_h1, 1);
}
