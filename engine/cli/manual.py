#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the man page of the effdet command on standard output, from what the command itself prints with --help. No option and no
subcommand is named in here.

    manual.py EFFDET
"""
import os
import re
import subprocess
import sys
import textwrap
import time

FILES = '''
EFFDET_MODEL_PATH, $XDG_DATA_HOME/effdet/models (~/.local/share/effdet/models) and the data folder of the installation, in this order, are
searched for weights.

$XDG_CACHE_HOME/effdet (~/.cache/effdet) holds compiled kernels and what was measured of them. It can be deleted at any time.
'''


def ask(*arguments):
    environment = dict(os.environ, LC_ALL='C.UTF-8', LANGUAGE='C', ASAN_OPTIONS='detect_leaks=0')
    for name in ('EFFDET_LOG', 'G_MESSAGES_DEBUG'):
        environment.pop(name, None)
    done = subprocess.run([sys.argv[1], *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode or done.stderr:
        sys.exit(f'manual.py: {" ".join([sys.argv[1], *arguments])}: exit status {done.returncode}: {done.stderr.decode().strip()}')
    return re.sub(r'\[OPTION[^]]*\]', '[OPTION...]', done.stdout.decode())


def roff(text):
    """As one paragraph of short lines, in which nothing is a request or a special character."""
    text = '\n'.join(textwrap.wrap(text, 76, break_long_words=False, break_on_hyphens=False))
    text = text.replace('\\', '\\e').replace('-', '\\-').replace("'", '\\(aq').replace('~', '\\(ti').replace('^', '\\(ha').replace('`', '\\(ga')
    return re.sub(r'^\.', '\\&.', text, flags=re.M)


def quoted(text):
    return '"' + roff(text).replace('\n', ' ').replace('"', '\\(dq') + '"'


def blocks(text):
    """The paragraphs of a help text: lists of lines. A heading, which ends in a colon, begins the one that is indented below it."""
    return [block.split('\n') for block in re.split(r'\n\n+', text.strip('\n'))]


def items(lines):
    """Two columns as [(term, explanation)]; None if the lines are something else, such as commands."""
    found = []
    for line in lines:
        start = re.match(r'  (\S.*?)(?:\s{2,}(\S.*))?$', line)
        if start:
            found.append([start.group(1), start.group(2) or ''])
        elif found:
            found[-1][1] = (found[-1][1] + ' ' + line.strip()).strip()
    return found if found and all(explanation for _, explanation in found) else None


def listing(lines):
    rows = items(lines)
    if rows is None:
        return ['.PP', '.EX', *('    ' + roff(line.strip()) for line in lines), '.EE']
    out = []
    for term, explanation in rows:
        out += ['.TP', '.B ' + quoted(term), roff(explanation)]
    return out


def prose(block):
    """One paragraph, and what is indented below its first line."""
    if len(block) > 1 and block[0].endswith(':') and block[1].startswith('  '):
        return ['.PP', roff(block[0]), *listing(block[1:])]
    return ['.PP', roff(' '.join(block))]


def subcommand(name):
    """Usage as a heading, summary, options, the rest."""
    usage, *rest = blocks(ask(name, '--help'))
    out = ['.SS ' + quoted(usage[1].strip())]
    for block in rest:
        if block[0] == 'Help Options:':
            continue
        out += listing(block[1:]) if block[0] == 'Application Options:' else prose(block)
    return out


def main():
    usage, summary, *rest = blocks(ask('--help'))
    epoch = os.environ.get('SOURCE_DATE_EPOCH')  # set by whoever packages it; else there is no date, as builds have to be alike
    date = time.strftime('%Y-%m-%d', time.gmtime(int(epoch))) if epoch else ''
    out = [f'.TH EFFDET 1 "{date}" {quoted(ask("--version").strip())} "User Commands"', '.SH NAME', 'effdet \\- ' + roff(summary[0].rstrip('.')),
           '.SH SYNOPSIS', '.B ' + quoted(usage[1].strip()), '.br', '.B ' + quoted('effdet --help'), '.br', '.B ' + quoted('effdet --version'),
           '.SH DESCRIPTION']
    names, after = [], []
    for block in rest:
        if block[0] == 'Subcommands:':
            rows = items(block[1:])
            names = [name for name, _ in rows]
            after += ['.SH SUBCOMMANDS'] + listing(block[1:])
        elif block[0] == 'Environment:':
            environment = ['.SH ENVIRONMENT'] + listing(block[1:])
        else:
            out += prose(block)
    out += after
    for name in names:
        out += subcommand(name)
    out += environment + ['.SH FILES']
    for block in blocks(FILES):
        out += prose(block)
    out += ['.SH SEE ALSO', '.BR gst\\-inspect\\-1.0 (1),', '.BR gst\\-launch\\-1.0 (1),', '.BR vulkaninfo (1)']
    print(re.sub(r'^(\.S[HS] .*)\n\.PP$', r'\1', '\n'.join(out), flags=re.M))


if __name__ == '__main__':
    main()
