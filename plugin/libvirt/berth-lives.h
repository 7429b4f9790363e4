/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which life of a domain an event of libvirt's is about: a domain has the same uuid in all of them,
 * and the number that libvirt gives each is told with some events only. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _BerthLives BerthLives; /* one thread's */

BerthLives *berth_lives_new (void);
void berth_lives_free (BerthLives *self);
/* Events may have been missed. */
void berth_lives_clear (BerthLives *self);

/* In the order of the events: of one that is no end, and of an end. @id: as virDomainGetID() has it
 * in the event. Returns: the number of the life that it is about; 0: nobody knows */
guint berth_lives_note (BerthLives *self, const char *uuid, guint id);
guint berth_lives_note_end (BerthLives *self, const char *uuid, guint id);

G_END_DECLS
