// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Epochs and clocks.
#include "utc.h"

#define NTP_TO_UNIX_S G_GINT64_CONSTANT(2208988800) // 1900 to 1970

static GstStaticCaps unix_caps = GST_STATIC_CAPS("timestamp/x-unix");
static GstStaticCaps ntp_caps = GST_STATIC_CAPS("timestamp/x-ntp");

static gboolean read_meta(GstBuffer *buffer, GstStaticCaps *reference, GstClockTime *time)
{
    g_autoptr(GstCaps) caps = gst_static_caps_get(reference);
    GstReferenceTimestampMeta *meta = gst_buffer_get_reference_timestamp_meta(buffer, caps);

    *time = meta != NULL ? meta->timestamp : GST_CLOCK_TIME_NONE;
    return GST_CLOCK_TIME_IS_VALID(*time) && *time <= G_MAXINT64;
}

static gint64 age_ns(GstElement *element, GstClockTime running_time)
{
    g_autoptr(GstClock) clock = gst_element_get_clock(element);

    if (clock == NULL || !GST_CLOCK_TIME_IS_VALID(running_time)) {
        return 0;
    }
    return GST_CLOCK_DIFF(running_time,
                          gst_clock_get_time(clock) - gst_element_get_base_time(element));
}

FrameUtc utc_of_frame(GstElement *element, GstBuffer *buffer, GstClockTime running_time)
{
    GstClockTime time;

    if (read_meta(buffer, &unix_caps, &time)) {
        return (FrameUtc){.unix_ns = (gint64)time};
    }
    if (read_meta(buffer, &ntp_caps, &time) && time >= NTP_TO_UNIX_S * GST_SECOND) {
        return (FrameUtc){.unix_ns = (gint64)(time - NTP_TO_UNIX_S * GST_SECOND),
                          .of_sender = TRUE};
    }
    return (FrameUtc){.unix_ns = g_get_real_time() * 1000 - age_ns(element, running_time),
                      .estimated = TRUE};
}

gchar *utc_format(gint64 unix_ns)
{
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(unix_ns / (gint64)GST_SECOND);
    g_autofree gchar *seconds = NULL;

    if (unix_ns < 0 || date == NULL || g_date_time_get_year(date) > 9999) {
        return NULL;
    }
    seconds = g_date_time_format(date, "%Y-%m-%dT%H:%M:%S");
    return g_strdup_printf("%s.%06dZ", seconds, (gint)(unix_ns % (gint64)GST_SECOND / 1000));
}
