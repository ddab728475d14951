# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""web-viewer of examples/ as TAP, on the bundled clip: asked by small clients of its own, and with --browser shown by headless Chromium.

    test_web.py WEB_VIEWER [--browser]"""
import base64
import colorsys
import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import urlparse

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tap

VIEWER = sys.argv[1]
PICTURE = os.path.join(os.environ['EFFDET_SOURCE_DIR'], 'examples', 'models', 'person-lite0', 'one-person.jpg')
WAIT_S = 60  # for one thing; the first waits for the network to be loaded
MAX_UNANSWERED = 2


@contextlib.contextmanager
def viewer(*arguments):
    """The program, playing; yields its address. It has to end by itself, and say nothing but that."""
    with subprocess.Popen([VIEWER, '--port', '0', *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        watchdog = threading.Timer(WAIT_S, process.kill)
        try:
            watchdog.start()
            line = process.stdout.readline()
            if not re.fullmatch(r'http://127\.0\.0\.1:\d+/\n', line):
                process.kill()
                raise AssertionError('wanted an address, found:\n' + line + process.stdout.read())
            watchdog.cancel()
            yield urlparse(line.strip())
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=WAIT_S)
            assert process.returncode == 0 and rest == '', (process.returncode, rest)
        finally:
            watchdog.cancel()
            process.kill()


def get(url, path, method='GET', **headers):
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=WAIT_S)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


class Client:
    """One WebSocket."""

    def __init__(self, url, **headers):
        key = base64.b64encode(os.urandom(16)).decode()
        wanted = {'Host': url.netloc, 'Upgrade': 'websocket', 'Connection': 'Upgrade', 'Sec-WebSocket-Version': '13',
                  'Sec-WebSocket-Key': key, 'Sec-WebSocket-Extensions': 'permessage-deflate', **headers}
        self.socket = socket.create_connection((url.hostname, url.port), timeout=WAIT_S)
        self.file = self.socket.makefile('rb')
        self.socket.sendall(b'GET /frames HTTP/1.1\r\n' + b''.join(f'{name}: {text}\r\n'.encode() for name, text in wanted.items()) + b'\r\n')
        self.status = int(self.file.readline().split()[1])
        answer = http.client.parse_headers(self.file)
        if self.status == 101:
            accept = base64.b64encode(hashlib.sha1((key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest()).decode()
            assert answer['Sec-WebSocket-Accept'] == accept and 'Sec-WebSocket-Extensions' not in answer, answer

    def __enter__(self):
        assert self.status == 101, self.status
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def message(self):
        """Kind (1 text, 2 binary, 8 end) and content. Servers neither mask nor, here, split."""
        first, length = self.file.read(2)
        assert first & 0x80 and not length & 0x80
        if length == 126:
            length, = struct.unpack('>H', self.file.read(2))
        elif length == 127:
            length, = struct.unpack('>Q', self.file.read(8))
        return first & 15, self.file.read(length)

    def answer(self, text=b'shown'):
        self.socket.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)

    def frame(self):
        """What the text says, and the picture, which has to belong to it."""
        kind, text = self.message()
        assert kind == 1, (kind, text)
        note = json.loads(text)
        kind, picture = self.message()
        assert kind == 2 and picture[8:10] == b'\xff\xd8' and picture[-2:] == b'\xff\xd9', (kind, picture[:12])
        assert struct.unpack('>Q', picture[:8]) == (note['pts'],), (note, picture[:8])
        assert jpeg_size(picture[8:]) == (note['width'], note['height']), note
        return note, picture


def jpeg_size(jpeg):
    """From the frame header, to which the segments lead."""
    at = 2
    while jpeg[at + 1] not in (0xc0, 0xc1, 0xc2):
        at += 2 + struct.unpack('>H', jpeg[at + 2:at + 4])[0]
    height, width = struct.unpack('>HH', jpeg[at + 5:at + 9])
    return width, height


def persons(note):
    """Tracks of whoever stands where, in the first six seconds of the bundled clip, one does: right of the middle, and tall."""
    for thing in note['objects']:
        assert sorted(thing) == ['confidence', 'h', 'id', 'label', 'predicted', 'w', 'x', 'y'], thing
        assert thing['label'] == 'person' and 0.3 <= thing['confidence'] <= 1, thing
        assert thing['id'] is None or thing['id'] > 0 and isinstance(thing['predicted'], bool), thing
    return [thing['id'] for thing in note['objects'] if thing['id'] is not None and note['pts'] < 6e9 and
            0.5 < (thing['x'] + thing['w'] / 2) / note['width'] < 0.75 and 0.6 * note['height'] < thing['h'] < note['height'] - thing['y']]


def check_frames(url):
    with Client(url) as fast, Client(url) as silent, Client(url) as late:
        notes, seen = [], 0
        started = time.monotonic()
        while seen < 5 or len(notes) < 20:
            assert time.monotonic() - started < WAIT_S, f'no person in {notes}'
            note, _ = fast.frame()
            fast.answer()
            assert (note['width'], note['height']) == (768, 432) and abs(note['aspect'] - 16 / 9) < 1e-3, note
            assert not notes or note['pts'] != notes[-1]['pts'], note
            seen += bool(persons(note))
            notes.append(note)
        # Meanwhile the others got as many as may be without an answer, and go on when they give one.
        for client in (silent, late):
            for _ in range(MAX_UNANSWERED):
                client.frame()
        late.answer()
        late.frame()
        silent.socket.settimeout(0.5)
        try:
            raise AssertionError(f'more than may be without an answer: {silent.message()}')
        except TimeoutError:
            pass


def what_has_an_end_is_repeated():
    with tempfile.TemporaryDirectory() as folder:
        clip = os.path.join(folder, 'clip.mkv')  # of one frame
        subprocess.run(['gst-launch-1.0', '-q', 'filesrc', f'location={PICTURE}', '!', 'jpegdec', '!', 'jpegenc', '!', 'matroskamux', '!',
                        'filesink', f'location={clip}'], timeout=WAIT_S, check=True)
        with viewer('--uri', clip) as url:
            client, times = Client(url), []  # there still when the program ends
            for _ in range(3):
                note, _ = client.frame()
                client.answer()
                times.append(time.monotonic())
                assert note['pts'] == 0 and [thing['label'] for thing in note['objects']] == ['person'], note
            assert times[2] - times[0] > 0.15, times  # it does not spin


def check_access(url):
    status, headers, body = get(url, '/')
    assert status == 200 and headers['Content-Type'] == 'text/html; charset=utf-8', headers
    assert "default-src 'none'" in headers['Content-Security-Policy'] and b'<title>' in body
    for path in re.findall(rb'(?:src|href)="([^":]+)"', body):
        assert get(url, '/' + path.decode())[0] == 200, path
    assert get(url, '/', 'HEAD')[::2] == (200, b'')
    assert get(url, '/no-such-page')[0] == 404 and get(url, '/../viewer.c')[0] == 404
    assert get(url, '/', 'POST')[0] == 405
    port = url.port
    for host, wanted in (('evil.example', 403), (f'evil.example:{port}', 403), (f'127.0.0.1.evil.example:{port}', 403),
                         (f'localhost:{port}', 200), (f'[::1]:{port}', 200), (f'camera.example:{port}', 200), ('CAMERA.example', 200)):
        assert get(url, '/', Host=host)[0] == wanted, host
    for host, origin, wanted in ((url.netloc, f'http://{url.netloc}', 101), (url.netloc, 'http://evil.example', 403),
                                 (url.netloc, f'http://{url.hostname}:{port + 1}', 403), (url.netloc, 'null', 403),
                                 (f'evil.example:{port}', f'http://evil.example:{port}', 403),
                                 ('camera.example', 'https://camera.example', 101)):
        assert Client(url, Host=host, Origin=origin).status == wanted, (host, origin)


def frames_come_with_their_objects_to_its_own_page():
    with viewer('--allow-host', 'camera.example') as url:
        check_frames(url)
        check_access(url)


def what_is_wrong_is_said():
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        used = str(taken.getsockname()[1])
        for arguments, status, wanted in ((['--listen', 'here', '--port', '0'], 1, 'wanted an IP address'), (['--port', used], 1, 'in use'),
                                          (['--port', '65536'], 2, '0 to 65535'), (['what'], 2, 'options alone'),
                                          (['--port', '0', '--uri', '/no/such.mkv'], 1, 'source: Resource not found')):
            done = subprocess.run([VIEWER, *arguments], text=True, timeout=WAIT_S, capture_output=True, check=False)
            assert done.returncode == status and not done.stdout, done
            assert done.stderr.startswith('web-viewer: ') and wanted in done.stderr and done.stderr.count('\n') == 1, done


# ---- the page ----

class Browser:
    """Headless Chromium with one page, driven by the DevTools protocol over a pair of pipes."""

    def __init__(self, program, folder):
        self.number, self.session, self.complaints = 0, None, []
        to_browser, self.output = os.pipe()
        self.input, from_browser = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_browser, from_browser)]

        def place_ends():
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        # the browser draws with Vulkan too, and neither its calls nor its memory are looked at here
        environment = {name: text for name, text in os.environ.items() if name != 'LD_PRELOAD' and not name.startswith('VK_')}
        self.process = subprocess.Popen(
            [program, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--remote-debugging-pipe',
             f'--user-data-dir={folder}', 'about:blank'], env=environment, pass_fds=(3, 4), preexec_fn=place_ends, stderr=subprocess.DEVNULL)
        for end in (to_browser, from_browser, *ends):
            os.close(end)
        self.input = os.fdopen(self.input, 'rb')
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self.session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        self.call('Log.enable')
        self.call('Runtime.enable')
        self.call('Emulation.setDeviceMetricsOverride', width=900, height=700, deviceScaleFactor=1, mobile=False)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.input.close()
        os.close(self.output)

    def call(self, method, **parameters):
        self.number += 1
        session = {'sessionId': self.session} if self.session else {}
        os.write(self.output, json.dumps({'id': self.number, 'method': method, 'params': parameters, **session}).encode() + b'\0')
        while True:
            text = bytearray()
            while (byte := self.input.read(1)) != b'\0':
                assert byte, 'the browser ended'
                text += byte
            message = json.loads(text)
            if message.get('method') in ('Log.entryAdded', 'Runtime.exceptionThrown', 'Runtime.consoleAPICalled'):
                self.complaints.append(message['params'])
            if message.get('id') == self.number:
                assert 'result' in message, message
                return message['result']

    def value(self, expression):
        """Of JavaScript in the page, by way of JSON."""
        result = self.call('Runtime.evaluate', expression=f'JSON.stringify({expression})')
        assert 'exceptionDetails' not in result, result
        return json.loads(result['result'].get('value', 'null'))

    def wait_for(self, expression):
        end = time.monotonic() + WAIT_S
        while not self.value(expression):
            assert time.monotonic() < end, (expression, self.value('document.body.innerText'), self.complaints)
            time.sleep(0.05)


class Screenshot:
    def __init__(self, png):
        import gi
        gi.require_version('GdkPixbuf', '2.0')
        from gi.repository import GdkPixbuf
        loader = GdkPixbuf.PixbufLoader()
        loader.write(png)
        loader.close()
        self.pixbuf = loader.get_pixbuf()
        self.bytes, self.stride, self.channels = self.pixbuf.get_pixels(), self.pixbuf.get_rowstride(), self.pixbuf.get_n_channels()

    def pixel(self, x, y):
        at = round(y) * self.stride + round(x) * self.channels
        return self.bytes[at:at + 3]

    def share(self, points, colour):
        """Of the points that have this colour, or a neighbour that has it."""
        def has_it(x, y):
            return any(max(abs(a - b) for a, b in zip(self.pixel(x + i, y + j), colour)) < 40 for i in (-1, 0, 1) for j in (-1, 0, 1))
        return sum(has_it(x, y) for x, y in points) / len(points)


def rgb(hsl):
    hue, saturation, lightness = map(float, re.findall(r'[\d.]+', hsl))
    return [round(255 * part) for part in colorsys.hls_to_rgb(hue / 360, lightness / 100, saturation / 100)]


def outline(x, y, w, h):
    """Left, lower and right edge: the text may lie on the upper one."""
    parts = [i / 100 for i in range(5, 96)]
    return [(x, y + part * h) for part in parts] + [(x + w, y + part * h) for part in parts] + [(x + part * w, y + h) for part in parts]


def check_screenshot(picture, place, note, colours):
    inside = [picture.pixel(place['x'] + i * place['width'] / 40, place['y'] + j * place['height'] / 40) for i in range(1, 40) for j in range(1, 40)]
    assert len(set(inside)) > 400 and max(map(sum, inside)) - min(map(sum, inside)) > 300, len(set(inside))
    scale = place['width'] / note['width']
    for thing, colour in zip(note['objects'], map(rgb, colours)):
        x, y, w, h = place['x'] + thing['x'] * scale, place['y'] + thing['y'] * scale, thing['w'] * scale, thing['h'] * scale
        share = picture.share(outline(x, y, w, h), colour)
        assert share > (0.5 if thing['predicted'] else 0.95), (thing, colour, share)
        for other in (outline(x + 8, y, w - 16, h - 8), outline(x - 8, y, w + 16, h + 8)):
            assert picture.share(other, colour) < 0.1, (thing, colour)


def the_page_shows_boxes():
    program = find_browser()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(program, folder)
        try:
            with viewer() as url:
                browser.call('Page.navigate', url=url.geturl())
                browser.wait_for("document.readyState === 'complete' && shown?.note.pts < 6e9 && shown.note.objects.length === 1 && "
                                 "shown.note.objects[0].h > 0.6 * shown.note.height && shown.note.objects[0].id !== null && "
                                 "getComputedStyle(canvas).opacity === '1'")
                browser.value('[window.usual = setState, show = setState = () => {}]')  # time stands still
                time.sleep(0.2)
                place, note, colours = browser.value(
                    '[canvas.getBoundingClientRect(), shown.note, shown.note.objects.map(colourOf)]')
                assert browser.value("document.getElementById('objects').innerText").startswith(f"person #{note['objects'][0]['id']} ")
                assert browser.value("document.getElementById('state').innerText") == 'live'
                assert abs(place['width'] / place['height'] - note['aspect']) < 0.01 and place['width'] > 800, place
                png = base64.b64decode(browser.call('Page.captureScreenshot', format='png')['data'])
                if 'EFFDET_SCREENSHOT' in os.environ:
                    with open(os.environ['EFFDET_SCREENSHOT'], 'wb') as file:
                        file.write(png)
                check_screenshot(Screenshot(png), place, note, colours)
                assert not browser.complaints, browser.complaints
                browser.value('setState = usual')
            browser.wait_for("document.getElementById('state').innerText.startsWith('no connection, next attempt in ')")
            with viewer('--port', str(url.port)):
                browser.wait_for('connected')
        finally:
            browser.close()


def find_browser():
    try:
        import gi
        gi.require_version('GdkPixbuf', '2.0')
    except (ImportError, ValueError) as error:
        raise tap.Skip('no GdkPixbuf for Python (Debian: python3-gi, gir1.2-gdkpixbuf-2.0)') from error
    program = shutil.which('chromium-headless-shell') or shutil.which('chromium')
    if not program:
        raise tap.Skip('no Chromium (Debian: chromium-headless-shell)')
    return program


def main():
    tests = [frames_come_with_their_objects_to_its_own_page, what_has_an_end_is_repeated, what_is_wrong_is_said]
    if '--browser' in sys.argv:
        tests.append(the_page_shows_boxes)
    return tap.run(tests, '/examples/')


if __name__ == '__main__':
    sys.exit(main())
