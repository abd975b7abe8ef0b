/* explain/report.c - the page around the sections; see report.h. */
#include "explain/report.h"

#include "base/file.h"
#include "explain/html.h"
#include "explain/report_parts.h"

#include <string.h>

enum { MAX_REPORT_BYTES = 64 << 20 };

static void open_page(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    cop_text_puts(
        html,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
        "img-src data:; style-src 'unsafe-inline'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"generator\" content=\"Coppice " COPPICE_VERSION "\">\n<title>");
    cop_html_text(html, report->models[1]->name);
    if (report->models[0]) {
        cop_text_puts(html, " against ");
        cop_html_text(html, report->models[0]->name);
    }
    cop_text_printf(
        html,
        " \xc2\xb7 Coppice "
        "report</title>\n<style>%s%s</style>\n</head>\n<body>\n<main>\n",
        cop_report__style,
        cop_report__print_style);
}

static void close_page(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    cop_text_printf(
        html,
        "<footer><p>Made by Coppice " COPPICE_VERSION " from project records only; "
        "nothing on this page was typed by hand. Audit root <span "
        "class=\"hash\">%s</span>, %lld "
        "records.</p></footer>\n</main>\n</body>\n</html>\n",
        report->audit_root,
        (long long)report->audit_length);
}

/* The page from top to bottom; some sections only make sense beside an original. */
static const struct {
    enum cop_status (*write)(struct cop_report *report, struct cop_err *err);
    bool needs_original;
} sections[] = {
    {cop_report__summary, false},
    {cop_report__numbers, false},
    {cop_report__search, true},
    {cop_report__cuts, true},
    {cop_report__behaviour, true},
    {cop_report__classes, true},
    {cop_report__evidence, true},
    {cop_report__channels, false},
    {cop_report__method, false},
};

static enum cop_status write_sections(struct cop_report *report, struct cop_err *err)
{
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (report->models[0] || !sections[i].needs_original)
            COP_TRY(sections[i].write(report, err));
    return COP_OK;
}

/* A copy of the page in which "5 %" never breaks across lines. */
static enum cop_status bind_units(
    const struct cop_text *html, struct cop_text *bound, struct cop_err *err)
{
    size_t done = 0;
    for (size_t i = 1; i + 1 < html->n; i++) {
        const char *at = html->bytes + i;
        if (at[0] != ' ' || at[1] != '%' || at[-1] < '0' || at[-1] > '9') continue;
        cop_text_add(bound, html->bytes + done, i - done);
        cop_text_puts(bound, "\xc2\xa0");
        done = i + 1;
    }
    cop_text_add(bound, html->bytes + done, html->n - done);
    return cop_text_status(bound, err);
}

static enum cop_status write_file(
    const struct cop_text *html, const char *path, struct cop_err *err)
{
    struct cop_file *file = NULL;
    COP_TRY(cop_file_create(path, &file, err));
    const enum cop_status status = cop_file_write(file, html->bytes, html->n, err);
    if (status == COP_OK) return cop_file_commit(file, err);
    cop_file_discard(file);
    return status;
}

enum cop_status cop_report_write(
    struct cop_store *store,
    const char *name,
    const char *path,
    const struct cop_report_options *options,
    struct cop_err *err)
{
    enum cop_status status = COP_OK;
    struct cop_report report;
    struct cop_text page;
    memset(&report, 0, sizeof report);
    report.store = store;
    if (options) report.options = *options;
    if (report.options.max_samples <= 0) report.options.max_samples = 10;
    report.arena = cop_arena_create();
    if (!report.arena) return COP_FAIL_NOMEM(err);
    cop_text_init(&report.html, MAX_REPORT_BYTES);
    cop_text_init(&page, MAX_REPORT_BYTES);
    status = cop_report__load(&report, name, err);
    if (status != COP_OK) goto done;
    open_page(&report);
    status = write_sections(&report, err);
    if (status != COP_OK) goto done;
    close_page(&report);
    status = cop_text_status(&report.html, err);
    if (status != COP_OK) goto done;
    status = bind_units(&report.html, &page, err);
    if (status != COP_OK) goto done;
    status = write_file(&page, path, err);
done:
    cop_text_clear(&page);
    cop_text_clear(&report.html);
    cop_arena_destroy(report.arena);
    return status;
}
