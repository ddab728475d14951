#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the documentation tells people to type, and where it sends them, as TAP: pipelines are parsed with the built elements, options of programs
are among those that --help lists, files and headings that links lead to are there, and properties that a text gives a value are an element's.

    test_commands.py BUILD
"""
import functools
import os
import re
import shlex
import subprocess
import sys

BUILD = sys.argv[1]
SOURCE = os.environ['EFFDET_SOURCE_DIR']
COMMAND = os.path.join(BUILD, 'engine/cli/effdet')
# Of the system, with arguments that are not ours. What is downloaded, installed or built is for the reader.
OTHERS = {'git', 'ninja', 'apt', 'clang-format', 'export', 'sudo', 'podman', 'docker'}
OF_CAMERAS = {'subtype'}


class Wrong(Exception):
    """What a document says is not so."""


def documents():
    listing = subprocess.run(['git', '-C', SOURCE, 'ls-files', '*.md'], capture_output=True, text=True, check=False).stdout.split()
    if not listing:  # a tree without history
        listing = [os.path.relpath(os.path.join(folder, name), SOURCE) for folder, _, names in os.walk(SOURCE)
                   for name in names if name.endswith('.md') and '/build' not in folder]
    return [name for name in sorted(listing) if not name.startswith(('tests/', 'examples/models/'))]


def read(name):
    with open(os.path.join(SOURCE, name), encoding='utf-8') as file:
        return file.read()


# ---- commands -------------------------------------------------------------------------------------

def lines_of(text):
    """(line number, command) of every line in a shell block; lines that go on are one."""
    for block in re.finditer(r'^```sh\n(.*?)^```$', text, re.M | re.S):
        number = text.count('\n', 0, block.start(1)) + 1
        for line in re.sub(r'\\\n\s*', ' ', block.group(1)).split('\n'):
            if line.strip() and not line.startswith('#'):
                yield number, line
    # commands within a sentence or a table
    for match in re.finditer(r'`((?:effdet|meson|gst-launch-1\.0|gst-inspect-1\.0|examples/\w+|tests/\w+) [^`…]+)`', text):
        yield text.count('\n', 0, match.start()) + 1, match.group(1)


def commands_of(line):
    """The argument lists of a line, without environment, redirection and background."""
    words = shlex.shlex(line, posix=True, punctuation_chars='&|<>;')
    words.whitespace_split = True
    command = []
    for word in [*words, ';']:
        if re.fullmatch(r'[&|<>;]+', word):
            if command:
                yield command
            command = [None] if word in ('>', '<', '>>') else []  # a file name follows
        elif command == [None]:
            command = []
        elif command or not re.match(r'[A-Z_]+=', word):
            command.append(word)


@functools.lru_cache(None)
def help_of(*program):
    done = subprocess.run([*program, '--help'], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Wrong(f'{" ".join(program)} --help ends with {done.returncode}: {done.stderr}')
    return done.stdout


def check_options(program, arguments):
    known = set(re.findall(r'--[a-z][a-z-]*', help_of(*program)))
    for argument in arguments:
        option = argument.split('=')[0]
        if option.startswith('--') and option not in known | {'--help'}:
            raise Wrong(f'{os.path.basename(program[0])} has no option {option}')


def check_pipeline(words):
    while words and words[0] in ('-e', '-m', '-q', '-v'):
        words = words[1:]
    try:
        Gst.parse_launchv(words)
    except GLib.Error as error:
        raise Wrong(f'{error.message}: {" ".join(words)}') from None


def check_meson(words, folder):
    if words[0] != 'devenv':
        if words[0] not in ('setup', 'install', 'test'):
            raise Wrong(f'meson {words[0]}')
        return
    if words[1:3] != ['-C', 'build']:
        raise Wrong('meson devenv without -C build')
    words, folder = words[3:], BUILD
    if words[:2] == ['-w', '.']:
        words, folder = words[2:], SOURCE
    if words:
        check(words, folder)


def check_file(path, arguments, folder):
    if path.startswith('build/') and folder == SOURCE:
        path = os.path.join(BUILD, path[len('build/'):])
    elif path.startswith('../') and folder == BUILD:  # the build folder of the documents lies in the tree
        path = os.path.join(SOURCE, path[len('../'):])
    path = os.path.join(folder, path)
    if not os.path.isfile(path):
        raise Wrong(f'{path} is not there')
    program = [sys.executable, path] if path.endswith('.py') else [path]
    check_options(tuple(program), arguments)


def check(words, folder=SOURCE):
    name = words[0]
    if name == 'gst-launch-1.0':
        check_pipeline(words[1:])
    elif name == 'gst-inspect-1.0':
        if len(words) > 1 and not Gst.ElementFactory.find(words[1]):
            raise Wrong(f'no element {words[1]}')
    elif name == 'effdet':
        if words[1].startswith('--'):
            check_options((COMMAND,), words[1:])
        else:
            check_options((COMMAND, words[1]), words[2:])
    elif name == 'meson':
        check_meson(words[1:], folder)
    elif '/' in name:
        check_file(name, words[1:], folder)
    elif name not in OTHERS:
        raise Wrong(f'nothing is known of the command {name}')


def commands():
    """Every command can be typed."""
    count = 0
    for name in documents():
        for number, line in lines_of(read(name)):
            for words in commands_of(line):
                count += 1
                try:
                    check(words)
                except Wrong as wrong:
                    yield f'{name}:{number}: {wrong}'
    print(f'# {count} commands')
    if count < 60:
        yield f'only {count} commands were found'


# ---- links and properties -------------------------------------------------------------------------

def anchors(text):
    """As the hosts of repositories make them from headings."""
    for heading in re.findall(r'^#+ (.*)$', re.sub(r'^```.*?^```$', '', text, flags=re.M | re.S), re.M):
        yield re.sub(r'[^\w\- ]', '', heading.lower()).strip(' ').replace(' ', '-')


def links():
    """Every link within the tree leads somewhere."""
    for name in documents():
        for match in re.finditer(r'\]\(([^)\s]+)\)', read(name)):
            target, _, anchor = match.group(1).partition('#')
            if re.match(r'\w+:', target):
                continue
            path = os.path.normpath(os.path.join(os.path.dirname(name), target)) if target else name
            if not os.path.exists(os.path.join(SOURCE, path)):
                yield f'{name}: {match.group(1)} is not there'
            elif anchor and anchor not in anchors(read(path)):
                yield f'{name}: {path} has no heading #{anchor}'


def properties():
    """Every `name=value` in a sentence is a property."""
    known = set(OF_CAMERAS)
    elements = ['rtspsrc', *[feature.get_name() for feature in Gst.Registry.get().get_feature_list_by_plugin('effdet')]]
    for element in elements:
        known |= {spec.name for spec in Gst.ElementFactory.make(element, None).list_properties()}
    for name in documents():
        for value in re.findall(r'`(?:(?:effdet\w*|overlay|rtspsrc) )?([a-z][a-z-]*)=[^`/]*`', re.sub(r'^```.*?^```$', '', read(name), flags=re.M | re.S)):
            if value not in known:
                yield f'{name}: none of {", ".join(elements)} has a property {value}'


def main():
    tests = [commands, links, properties]
    print(f'1..{len(tests)}')
    failed = 0
    for number, test in enumerate(tests, 1):
        findings = list(test())
        for finding in findings:
            print('# ' + finding.replace('\n', '\n# '))
        failed += bool(findings)
        print(f'{"not ok" if findings else "ok"} {number} /docs/{test.__name__}')
    return 1 if failed else 0


try:
    import gi
    gi.require_version('Gst', '1.0')
    from gi.repository import GLib, Gst
except (ImportError, ValueError) as lacking:
    print(f'1..0 # SKIP no PyGObject with GStreamer (Debian: python3-gi): {lacking}')
    sys.exit(0)
Gst.init(None)
if __name__ == '__main__':
    sys.exit(main())
