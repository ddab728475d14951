# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the Python tests of the effdet command share: running it, expectations with readable failures, TAP."""
import functools
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tap
from tap import Skip

COMMAND = sys.argv[1]
LAYER = re.compile(r'Validation (Error|Warning)|VUID-|SYNC-HAZARD|UNASSIGNED-')
SOURCE = os.environ['EFFDET_SOURCE_DIR']
PERSON = os.path.join(SOURCE, 'examples', 'models', 'person-lite0')
PERSON_WEIGHTS = os.path.join(PERSON, 'person-lite0.fp16.safetensors')


class Run:
    def __init__(self, args, env):
        self.args = ' '.join(args)
        full = dict(os.environ)
        full.update({k: v for k, v in (env or {}).items() if v is not None})
        for key in (k for k, v in (env or {}).items() if v is None):
            full.pop(key, None)
        done = subprocess.run([COMMAND, *args], env=full, stdin=subprocess.DEVNULL, capture_output=True, timeout=500)
        self.status = done.returncode
        self.out = done.stdout.decode('utf-8', 'replace')
        self.err = done.stderr.decode('utf-8', 'replace')
        assert not LAYER.search(self.out + self.err), f'the validation layer spoke: {self}'

    def __str__(self):
        return f'effdet {self.args}: exit status {self.status}\nstdout: {self.out[:2000]}\nstderr: {self.err[:2000]}'

    def done(self):
        """Succeeded, and silently on stderr."""
        assert self.status == 0 and self.err == '', str(self)
        return self

    def one_line(self, status, *parts):
        """Failed with this status and one line on stderr that contains each of the parts."""
        lines = self.err.splitlines()
        assert self.status == status and len(lines) == 1 and lines[0].startswith('effdet: '), str(self)
        for part in parts:
            assert part in lines[0], f'"{part}" is lacking\n{self}'
        return self

    def json(self):
        return json.loads(self.out)

    def json_lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


def run(*args, env=None):
    return Run([str(a) for a in args], env)


def has_device():
    return bool(run('devices', '--json').json()['devices'])


def need_device():
    if not has_device():
        raise Skip('no Vulkan device')


def keys(document, *names):
    """The document has exactly these members."""
    assert sorted(document) == sorted(names), f'members {sorted(document)}, wanted {sorted(names)}'


def main(tests):
    """Runs the functions, each with a temporary folder."""
    def in_folder(test):
        @functools.wraps(test)
        def inside():
            with tempfile.TemporaryDirectory(prefix='effdet-cli-') as folder:
                test(folder)
        return inside
    return tap.run([in_folder(test) for test in tests])
