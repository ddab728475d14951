// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Life of a frame with the engine: who waits for its result, and when its place is free again.
// Everything here is under the element's lock; nothing here calls the engine.
#include "detector.h"

static void end(GstEffdet *self, Flight *flight)
{
    if (flight->result != NULL) {
        effdet_result_free(&flight->result);
    }
    g_clear_pointer(&flight->labels, g_array_unref);
    if (self->late == flight) {
        self->late = NULL;
    }
    flight->state = FLIGHT_FREE;
}

Flight *flight_begin(GstEffdet *self, GstClockTime pts)
{
    for (guint i = 0; i < N_FLIGHTS; i++) {
        Flight *flight = &self->flights[i];

        if (flight->state == FLIGHT_FREE) {
            *flight = (Flight){
                .state = FLIGHT_ENGINE, .pts = pts, .labels = g_array_ref(self->use.labels)};
            self->n_in_engine++;
            return flight;
        }
    }
    g_assert_not_reached(); // N_FLIGHTS counts every buffer and every orphan
}

void flight_submitted(GstEffdet *self, Flight *flight)
{
    flight->submitted = TRUE;
    self->n_submitted++;
    g_cond_broadcast(&self->cond);
}

void flight_land(GstEffdet *self, Flight *flight, EffdetResult *result)
{
    self->n_in_engine--;
    if (flight->submitted) {
        self->n_submitted--;
    }
    flight->state = FLIGHT_DONE;
    flight->result = result;
    if (flight->wanted == WANTED_NOT || (flight->wanted == WANTED_LATE && result == NULL)) {
        end(self, flight);
    } else if (flight->wanted == WANTED_LATE) {
        if (self->late != NULL) {
            end(self, self->late);
        }
        self->late = flight;
    }
    g_cond_broadcast(&self->cond);
}

void flight_land_all(GstEffdet *self)
{
    for (guint i = 0; i < N_FLIGHTS; i++) {
        if (self->flights[i].state == FLIGHT_ENGINE && self->flights[i].submitted) {
            flight_land(self, &self->flights[i], NULL);
        }
    }
}

void flight_abandon(GstEffdet *self, Flight *flight)
{
    if (flight->state == FLIGHT_DONE) {
        end(self, flight);
    } else {
        flight->wanted = WANTED_NOT;
    }
}
