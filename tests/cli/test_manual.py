#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The man page as its readers see it, as TAP: every option, subcommand and variable of --help stands in it and none besides, and the
formatter has nothing to complain of.

    test_manual.py EFFDET MAN_PAGE
"""
import functools
import os
import re
import shutil
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tap

EFFDET, PAGE = sys.argv[1:3]


@functools.cache
def run(*arguments):
    done = subprocess.run(arguments, env=dict(os.environ, LC_ALL='C.UTF-8'), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done
    return done.stdout, done.stderr


def terms(text):
    """Options, and variables of the environment."""
    return sorted(set(re.findall(r'(?<![\w-])--[a-z][\w-]*(?:=[\w.]+)?', text)) | set(re.findall(r'\bEFFDET_[A-Z_]+', text)))


def words(text):
    return re.sub(r'\s+', ' ', text)


@functools.cache
def formatted():
    """The page as it is read, one long line a paragraph; groff says nothing on stderr."""
    with open(PAGE, encoding='utf-8') as file:
        assert file.read().isascii()
    text, complaints = run('groff', '-ww', '-man', '-Tutf8', '-P-c', '-rLL=2000n', '-rHY=0', PAGE)
    assert not complaints, complaints
    return re.sub(r'.\x08', '', text).replace('\u2212', '-').replace('\u2010', '-')


def section(name):
    """The lines of one subcommand."""
    match = re.search(rf'^ +effdet {name} \[OPTION.*?(?=^ *effdet \w+ \[OPTION|^[A-Z])', formatted(), re.M | re.S)
    assert match, f'no section for {name}'
    return match.group(0)


def subcommands():
    names = re.findall(r'^  (\w+) ', run(EFFDET, '--help')[0].split('Subcommands:')[1].split('\n\n')[0], re.M)
    assert len(names) > 5, names
    return names


def everything_that_help_says():
    for name in subcommands():
        page, text = section(name), run(EFFDET, name, '--help')[0]
        wanted = [term for term in terms(text) if term != '--help']
        assert terms(page) == wanted, f'{name}: on the page {terms(page)}, of --help {wanted}'
        for line in text.split('Application Options:')[1].splitlines():
            explanation = words(line.strip().split('  ')[-1])
            assert explanation in words(page), f'{name}: "{explanation}" is lacking'
    top = run(EFFDET, '--help')[0]
    for name, summary in re.findall(r'^  (\w+) +(.*)$', top.split('Subcommands:')[1].split('\n\n')[0], re.M):
        assert re.search(rf'^ +{name}\s+{re.escape(summary)}$', formatted(), re.M), f'{name}: "{summary}" is lacking'


def nothing_besides():
    named = set(re.findall(r'^ +effdet ([a-z]+) \[OPTION', formatted(), re.M))
    assert named == set(subcommands()), named
    known = {term for name in ['', *subcommands()] for term in terms(run(EFFDET, *[name] * bool(name), '--help')[0])} | {'--help', '--version'}
    assert set(terms(formatted())) <= known, set(terms(formatted())) - known


def its_form():
    text = formatted()
    assert re.search(r'^NAME\n +effdet - \w', text, re.M), text[:400]
    for heading in ('SYNOPSIS', 'DESCRIPTION', 'SUBCOMMANDS', 'ENVIRONMENT', 'FILES', 'SEE ALSO'):
        assert f'\n{heading}\n' in text, heading
    assert run(EFFDET, '--version')[0].strip() in text.rstrip().splitlines()[-1], 'the version is not in the footer'


def main():
    if not shutil.which('groff'):
        print('1..0 # SKIP groff not installed')
        return 0
    return tap.run([everything_that_help_says, nothing_besides, its_form], '/manual/')


if __name__ == '__main__':
    sys.exit(main())
