# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""watch.py, mosaic and people-counter of examples/ as their users run them, as TAP: on the bundled clip, in which one person goes and another
comes."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tap

EXAMPLES = os.path.join(os.environ['EFFDET_SOURCE_DIR'], 'examples')
SCRIPT = os.path.join(EXAMPLES, 'watch.py')


def run(*arguments, **environment):
    return subprocess.run([sys.executable, SCRIPT, *arguments], env=dict(os.environ, **environment), text=True, timeout=240,
                          capture_output=True, check=False)


def need_gi():
    try:
        import gi  # noqa: F401
    except ImportError as error:
        raise tap.Skip('no PyGObject (Debian: python3-gi)') from error


def people_come_and_go():
    need_gi()
    with tempfile.TemporaryDirectory() as folder:
        done = run('--interval', '5', '--save', folder)
        assert done.returncode == 0 and not done.stderr, done
        new = re.findall(r'^([\d.]+) s: new #(\d+) person (0\.\d+) at (\d+),(\d+) (\d+)x(\d+)$', done.stdout, re.M)
        spans = re.findall(r'^#(\d+) person: ([\d.]+) s to ([\d.]+) s$', done.stdout, re.M)
        assert 2 <= len(new) <= 4 and len(spans) == len(new), done.stdout
        assert [int(row[1]) for row in new] == list(range(1, len(new) + 1)), done.stdout
        assert float(new[0][0]) < 2 and float(spans[0][2]) < 9, done.stdout
        assert float(spans[-1][2]) > 20, done.stdout
        assert sorted(os.listdir(folder)) == sorted(f'person-{row[1]}.png' for row in new)
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), 'rb') as file:
                assert file.read(8) == b'\x89PNG\r\n\x1a\n', name


def what_fails_says_so():
    need_gi()
    for arguments, environment, wanted in (
            (['/no/such.mkv'], {}, 'source: Resource not found'),
            (['--model', 'none of them'], {}, 'detector: unknown model "none of them"'),
            ([], {'GST_PLUGIN_PATH': '/nowhere', 'GST_REGISTRY': os.environ['GST_REGISTRY'] + '.none'}, 'no element "effdet"')):
        done = run(*arguments, **environment)
        assert done.returncode == 1 and wanted in done.stderr and 'Traceback' not in done.stderr, done
    assert run('--save', '/no/such/folder').returncode == 2


def mosaic(*arguments):
    return subprocess.run([os.path.join(EXAMPLES, 'mosaic'), *arguments], text=True, timeout=240, capture_output=True, check=False)


def a_mosaic_is_recorded():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'mosaic.mkv')
        done = mosaic('--output', path, '--tile', '160x90', '--seconds', '20', *[os.path.join(EXAMPLES, 'media', 'one-person.mkv')] * 3)
        assert done.returncode == 0, done
        caps = subprocess.run(['gst-launch-1.0', '-v', 'filesrc', f'location={path}', '!', 'matroskademux', '!', 'jpegdec', '!', 'fakesink'],
                              text=True, timeout=60, capture_output=True, check=True).stdout
        assert re.search(r'fakesink.*width=\(int\)320, height=\(int\)180', caps), caps
    for arguments in (['/no/such.mkv'], ['--tile', '640'], ['--columns', '0'], ['--what'], ['--seconds']):
        done = mosaic(*arguments)
        assert done.returncode == 2 and done.stderr.startswith('error: ') and done.stderr.count('\n') == 1, done


def people_are_counted():
    counter = sys.argv[1]
    done = subprocess.run([counter], text=True, timeout=240, capture_output=True, check=False)
    assert done.returncode == 0 and not done.stderr, done
    events = re.findall(r'^([\d.]+) s: person #\d+ (enters|leaves) (left|right) half: (\d) inside, (\d) entered, (\d) left$', done.stdout, re.M)
    assert events[0][1:] == ('enters', 'right', '1', '1', '0') and float(events[0][0]) < 2, done.stdout
    assert events[1][1:] == ('leaves', 'right', '0', '1', '1') and 6 < float(events[1][0]) < 12, done.stdout
    for half in ('left', 'right'):
        last = [event for event in events if event[2] == half][-1]
        assert int(last[3]) == int(last[4]) - int(last[5]), done.stdout
    assert re.search(r'^1[2-5]\.\d+ s: person #\d+ crosses middle, forward: 1 forward, 0 backward$', done.stdout, re.M), done.stdout
    for arguments, status in ((['/no/such.mkv'], 1), (['--zones', '/no/such.json'], 1), (['--interval', '0'], 2), (['a', 'b'], 2)):
        done = subprocess.run([counter, *arguments], text=True, timeout=60, capture_output=True, check=False)
        assert done.returncode == status and done.stderr.startswith('people-counter: ') and done.stderr.count('\n') == 1, done


if __name__ == '__main__':
    sys.exit(tap.run([people_come_and_go, what_fails_says_so, a_mosaic_is_recorded, people_are_counted], '/examples/'))
