// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A parser for lists of numeric expressions. It knows no names and calls nothing.
#include "weights/expression.h"

#include <math.h>

#define MAX_DEPTH 32 // of parentheses, signs and powers inside one another

struct parser {
    const char *at;
    int depth;
    bool failed;
};

static double sum(struct parser *parser);

static void skip_space(struct parser *parser)
{
    while (g_ascii_isspace(*parser->at)) {
        parser->at++;
    }
}

static bool accept(struct parser *parser, const char *token)
{
    skip_space(parser);
    const char *at = parser->at;
    while (*token && *at == *token) {
        at++;
        token++;
    }
    if (*token) {
        return false;
    }
    parser->at = at;
    return true;
}

static double fail(struct parser *parser)
{
    parser->failed = true;
    return 0.0;
}

static double primary(struct parser *parser)
{
    if (accept(parser, "(")) {
        double value = sum(parser);
        return accept(parser, ")") ? value : fail(parser);
    }
    skip_space(parser);
    if (!g_ascii_isdigit(*parser->at) && *parser->at != '.') { // no "inf", no "nan"
        return fail(parser);
    }
    char *end;
    double value = g_ascii_strtod(parser->at, &end);
    if (end == parser->at) {
        return fail(parser);
    }
    parser->at = end;
    return value;
}

// A sign binds weaker than a power on its right and stronger than a product, as in Python.
static double factor(struct parser *parser)
{
    double value;
    if (++parser->depth > MAX_DEPTH) {
        return fail(parser);
    }
    if (accept(parser, "-")) {
        value = -factor(parser);
    } else if (accept(parser, "+")) {
        value = factor(parser);
    } else {
        value = primary(parser);
        if (accept(parser, "**")) {
            value = pow(value, factor(parser));
        }
    }
    parser->depth--;
    return value;
}

static double product(struct parser *parser)
{
    double value = factor(parser);
    while (!parser->failed) {
        if (accept(parser, "*")) {
            value *= factor(parser);
        } else if (accept(parser, "/")) {
            value /= factor(parser);
        } else {
            break;
        }
    }
    return value;
}

static double sum(struct parser *parser)
{
    double value = product(parser);
    while (!parser->failed) {
        if (accept(parser, "+")) {
            value += product(parser);
        } else if (accept(parser, "-")) {
            value -= product(parser);
        } else {
            break;
        }
    }
    return value;
}

static void item(struct parser *parser, bool pair, double out[2])
{
    if (!pair) {
        out[0] = sum(parser);
    } else {
        const char *close = accept(parser, "(") ? ")" : accept(parser, "[") ? "]" : NULL;
        if (!close) {
            fail(parser);
            return;
        }
        out[0] = sum(parser);
        parser->failed = parser->failed || !accept(parser, ",");
        out[1] = sum(parser);
        accept(parser, ",");
        parser->failed = parser->failed || !accept(parser, close);
    }
    parser->failed = parser->failed || !isfinite(out[0]) || (pair && !isfinite(out[1]));
}

bool expression_list(const char *text, bool pairs, double (*items)[2], int max, int *n)
{
    struct parser parser = {.at = text};
    const char *close = accept(&parser, "[") ? "]" : accept(&parser, "(") ? ")" : NULL;
    *n = 0;
    if (!close) {
        return false;
    }
    while (!accept(&parser, close)) {
        if (*n == max) {
            return false;
        }
        item(&parser, pairs, items[(*n)++]);
        if (parser.failed) {
            return false;
        }
        if (!accept(&parser, ",")) {
            if (!accept(&parser, close)) {
                return false;
            }
            break;
        }
    }
    skip_space(&parser);
    return *parser.at == '\0';
}

bool expression_number(const char *text, double *value)
{
    struct parser parser = {.at = text};
    *value = sum(&parser);
    skip_space(&parser);
    return !parser.failed && *parser.at == '\0' && isfinite(*value);
}
