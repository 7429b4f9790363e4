/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The places of berth's domains: a name that stays defined between the lives of its VMs, with a
 * uuid that is always the same. libvirt has the definition; here is what follows from a name. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _BerthPlaces BerthPlaces; /* reference counted; any thread */

/* @host: of which the instance is one, for other hosts have the same names; NULL: nobody knows */
BerthPlaces *berth_places_new (const char *host, const char *instance);
BerthPlaces *berth_places_ref (BerthPlaces *self);
void berth_places_unref (BerthPlaces *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthPlaces, berth_places_unref)

/* (transfer full): of the domain @name, in each of its lives */
char *berth_places_make_uuid (BerthPlaces *self, const char *name);
/* "berth-python-3" -> 3; 0 where it has none */
guint berth_places_get_ordinal (const char *name);

/* Places of higher numbers than @max are not kept, nor those whose names don't begin with one of
 * @stems, as "berth-python". Until then, all are. @stems: (transfer full) (array zero-terminated=1)
 */
void berth_places_set_kept (BerthPlaces *self, guint max, char **stems);
/* Whether the domain @name with @uuid is a place that stays when its life ends. */
gboolean berth_places_keeps (BerthPlaces *self, const char *name, const char *uuid);

/* A life that somebody else ended: who did may still wait for libvirt to do it, which then ends
 * whatever lives in that place; so for a moment nothing does. In the default main context. */
void berth_places_rest (BerthPlaces *self, const char *name);
/* From the start of a life until nothing is under way any more that was meant for it: what comes
 * late finds a domain by its uuid, and would find the next life. */
void berth_places_take (BerthPlaces *self, const char *name);
void berth_places_give_back (BerthPlaces *self, const char *name);
gboolean berth_places_is_taken (BerthPlaces *self, const char *name);

G_END_DECLS
