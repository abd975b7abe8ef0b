/* cli/bar.c - how far long work is, and whether the user wants it to stop. */
#include "cli/bar.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR_WIDTH = 24, REDRAW_MS = 100, LINE_MS = 5000 };

void cop_bar_clear(struct cop_bar *bar)
{
    if (!bar->is_drawn) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    bar->is_drawn = false;
}

/* "12s", "3m05s", "2h10m" */
static void print_time(char *text, size_t bytes, double seconds)
{
    const long s = (long)(seconds + 0.5);
    if (s < 60)
        snprintf(text, bytes, "%lds", s);
    else if (s < 3600)
        snprintf(text, bytes, "%ldm%02lds", s / 60, s % 60);
    else
        snprintf(text, bytes, "%ldh%02ldm", s / 3600, s / 60 % 60);
}

static void draw_bar(struct cop_bar *bar, int64_t done, int64_t total)
{
    const double now = cop_clock_ms();
    if (done < total && bar->is_drawn && now - bar->drawn_ms < REDRAW_MS) return;
    bar->drawn_ms = now;
    const double seconds = (now - bar->started_ms) / 1000;
    const double rate = seconds > 0 ? (double)(done - bar->first_done) / seconds : 0;
    if (total <= 0) {
        fprintf(stderr, "\r\033[K%s: %lld", bar->what, (long long)done);
    } else {
        char cells[BAR_WIDTH + 1];
        const int64_t full = done * BAR_WIDTH / total;
        for (int i = 0; i < BAR_WIDTH; ++i)
            cells[i] = i < full ? '#' : '.';
        cells[BAR_WIDTH] = 0;
        fprintf(
            stderr,
            "\r\033[K%s [%s] %lld/%lld",
            bar->what,
            cells,
            (long long)done,
            (long long)total);
    }
    if (rate > 0) fprintf(stderr, rate < 10 ? "  %.2f/s" : "  %.0f/s", rate);
    if (rate > 0 && done < total) {
        char left[24];
        print_time(left, sizeof left, (double)(total - done) / rate);
        fprintf(stderr, "  %s left", left);
    }
    fflush(stderr);
    bar->is_drawn = true;
    if (total > 0 && done >= total) cop_bar_clear(bar);
}

/* A line at most every 10 % and every five seconds: short work says nothing. */
static void print_tenth(struct cop_bar *bar, int64_t done, int64_t total)
{
    if (total <= 0) return;
    const int tenth = (int)(done * 10 / total);
    const double now = cop_clock_ms();
    if (tenth <= bar->last_tenth || now - bar->drawn_ms < LINE_MS) return;
    bar->last_tenth = tenth;
    bar->drawn_ms = now;
    fprintf(
        stderr,
        "%s: %d %% (%lld of %lld)\n",
        bar->what,
        tenth * 10,
        (long long)done,
        (long long)total);
}

static void step(void *context, const char *what, int64_t done, int64_t total)
{
    struct cop_bar *bar = context;
    if (*bar->is_quiet) return;
    if (done < bar->first_done || strncmp(bar->what, what, sizeof bar->what - 1) != 0) {
        cop_bar_clear(bar);
        snprintf(bar->what, sizeof bar->what, "%s", what);
        bar->started_ms = cop_clock_ms();
        bar->first_done = done;
        bar->last_tenth = total > 0 ? (int)(done * 10 / total) : 0;
        if (!bar->is_terminal) bar->drawn_ms = bar->started_ms;
    }
    if (bar->is_terminal)
        draw_bar(bar, done, total);
    else
        print_tenth(bar, done, total);
    /* The same work may start over: the next step below this one is a new bar. */
    if (total > 0 && done >= total) bar->what[0] = 0;
}

static void note(void *context, const char *line)
{
    struct cop_bar *bar = context;
    if (*bar->is_quiet) return;
    cop_bar_clear(bar);
    fprintf(stderr, "%s\n", line);
}

static int stop(void *context)
{
    struct cop_bar *bar = context;
    if (*bar->stop_signal == 0) return 0;
    if (!bar->is_stop_told && !*bar->is_quiet) {
        cop_bar_clear(bar);
        fputs("stopping after the step in hand; once more stops at once\n", stderr);
    }
    bar->is_stop_told = true;
    return 1;
}

void cop_bar_init(
    struct cop_bar *bar,
    const bool *is_quiet,
    const volatile sig_atomic_t *stop_signal,
    struct cop_progress *progress)
{
    *bar = (struct cop_bar){
        .stop_signal = stop_signal,
        .is_terminal = isatty(STDERR_FILENO) != 0,
        .is_quiet = is_quiet};
    *progress =
        (struct cop_progress){.context = bar, .step = step, .note = note, .stop = stop};
}
