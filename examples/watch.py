#!/usr/bin/env python3
# SPDX-FileCopyrightText: effdet contributors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who comes and goes in a video: a line for each new track, and a picture of it on request.

Reads what effdet and effdettrack leave on the buffers: GstAnalytics where both sides have it, else region-of-interest metas. Needs
PyGObject (Debian: python3-gi, gir1.2-gst-plugins-base-1.0; gir1.2-gst-plugins-bad-1.0 for GstAnalytics)."""
import argparse
import os
import signal
import sys

import gi

gi.require_version('Gst', '1.0')
gi.require_version('GstVideo', '1.0')
from gi.repository import GLib, Gst, GstVideo  # noqa: E402

try:
    gi.require_version('GstAnalytics', '1.0')
    from gi.repository import GstAnalytics
except (ValueError, ImportError):
    GstAnalytics = None

PIPELINE = 'uridecodebin name=source ! videoconvert ! effdet name=detector ! effdettrack ! fakesink name=sink'
CLIP = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'media', 'one-person.mkv')


def roi_objects(buffer):
    """From region-of-interest metas: their ids count from 0, but other metas may take some of the numbers."""
    missing = number = 0
    while missing < 64:
        meta = GstVideo.buffer_get_video_region_of_interest_meta_id(buffer, number)
        number += 1
        missing = 0 if meta else missing + 1
        tracked = meta.get_param('object_id') if meta else None
        if tracked:
            detection = meta.get_param('detection')
            yield {'track': tracked.get_int('id')[1],
                   'label': tracked.get_string('label') or GLib.quark_to_string(meta.roi_type),
                   'confidence': detection.get_double('confidence')[1] if detection else -1.0,
                   'box': (meta.x, meta.y, meta.w, meta.h)}


def analytics_objects(meta):
    """From a GstAnalyticsRelationMeta: an object and the track that it relates to are two entries."""
    numbers = range(GstAnalytics.relation_get_length(meta))
    tracks = [(number, track) for number in numbers for found, track in [meta.get_tracking_mtd(number)] if found]
    for number in numbers:
        found, thing = meta.get_od_mtd(number)
        related = [track for other, track in tracks if found and meta.get_relation(number, other) & GstAnalytics.RelTypes.RELATE_TO]
        if related:
            _, x, y, width, height, confidence = thing.get_location()
            yield {'track': related[0].get_info()[1], 'label': GLib.quark_to_string(thing.get_obj_type()), 'confidence': confidence,
                   'box': (x, y, width, height)}


def tracked_objects(buffer):
    meta = GstAnalytics.buffer_get_analytics_relation_meta(buffer) if GstAnalytics else None
    return analytics_objects(meta) if meta else roi_objects(buffer)


class Watch:
    def __init__(self, options):
        self.options, self.loop, self.status = options, GLib.MainLoop(), 0
        self.seen = {}  # track: [label, first second, last second]
        self.failed = None
        self.pipeline = Gst.parse_launch(PIPELINE)
        source, detector, sink = map(self.pipeline.get_by_name, ('source', 'detector', 'sink'))
        source.set_property('uri', options.video if '://' in options.video else Gst.filename_to_uri(os.path.realpath(options.video)))
        detector.set_property('model', options.model)
        detector.set_property('interval', options.interval)
        detector.set_property('score-threshold', options.score_threshold)
        self.pad = sink.get_static_pad('sink')
        self.pad.add_probe(Gst.PadProbeType.BUFFER, self.look)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect('message', self.hear)

    def look(self, pad, info):
        """In the streaming thread. An exception here would be lost: it ends the program instead."""
        try:
            buffer = info.get_buffer()
            second = buffer.pts / Gst.SECOND if buffer.pts != Gst.CLOCK_TIME_NONE else 0.0
            for found in tracked_objects(buffer):
                known = self.seen.get(found['track'])
                if known:
                    known[0], known[2] = found['label'], second
                    continue
                self.seen[found['track']] = [found['label'], second, second]
                print(f'{second:.2f} s: new #{found["track"]} {found["label"]} {found["confidence"]:.2f} at '
                      '{0},{1} {2}x{3}'.format(*found['box']), flush=True)
                if self.options.save:
                    self.save(buffer, found)
        except Exception as error:
            self.failed = error
            GLib.idle_add(self.loop.quit)
        return Gst.PadProbeReturn.OK

    def save(self, buffer, found):
        """The whole picture, as PNG."""
        sample = Gst.Sample.new(buffer, self.pad.get_current_caps(), None, None)
        png = GstVideo.video_convert_sample(sample, Gst.Caps.from_string('image/png'), 10 * Gst.SECOND).get_buffer()
        with open(os.path.join(self.options.save, f'{found["label"]}-{found["track"]}.png'), 'wb') as file:
            file.write(png.extract_dup(0, png.get_size()))

    def hear(self, bus, message):
        if message.type == Gst.MessageType.EOS:
            self.loop.quit()
        elif message.type == Gst.MessageType.ERROR:
            error, _ = message.parse_error()
            print(f'watch.py: {message.src.get_name()}: {error.message}', file=sys.stderr)
            self.status = 1
            self.loop.quit()
        elif message.type == Gst.MessageType.WARNING:
            warning, _ = message.parse_warning()
            print(f'watch.py: {message.src.get_name()}: {warning.message}', file=sys.stderr)

    def run(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, self.loop.quit)
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        self.pipeline.set_state(Gst.State.NULL)
        for track, (label, first, last) in sorted(self.seen.items()):
            print(f'#{track} {label}: {first:.2f} s to {last:.2f} s')
        if self.failed:
            print(f'watch.py: {self.failed}', file=sys.stderr)
        return 1 if self.failed else self.status


def main():
    parser = argparse.ArgumentParser(description='Prints who comes and goes in a video.')
    parser.add_argument('video', nargs='?', default=CLIP, help='file or address (default: the bundled clip)')
    parser.add_argument('--model', default='person', help='as the property of effdet (default: %(default)s)')
    parser.add_argument('--interval', type=int, default=3, help='look at every n-th frame (default: %(default)s)')
    parser.add_argument('--score-threshold', type=float, default=0.3, help='of the detector (default: %(default)s)')
    parser.add_argument('--save', metavar='FOLDER', help='where a picture of each new track goes')
    options = parser.parse_args()
    if options.save and not os.path.isdir(options.save):
        parser.error(f'{options.save} is no folder')
    Gst.init(None)
    try:
        watch = Watch(options)
    except GLib.Error as error:
        sys.exit(f'watch.py: {error.message}: "meson devenv -C build" is a shell in which GStreamer finds the plugin')
    sys.exit(watch.run())


if __name__ == '__main__':
    main()
