/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Remembers the number of the life that each domain is in, as the events tell it. */
#include "berth-lives.h"

#define NO_ID G_MAXUINT /* virDomainGetID()'s word for a domain that does not run */

struct _BerthLives
{
  GHashTable *running; /* uuid (owned) -> number */
};

BerthLives *
berth_lives_new (void)
{
  BerthLives *self = g_new0 (BerthLives, 1);

  self->running = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return self;
}

void
berth_lives_free (BerthLives *self)
{
  g_hash_table_unref (self->running);
  g_free (self);
}

void
berth_lives_clear (BerthLives *self)
{
  g_hash_table_remove_all (self->running);
}

/* The domain itself may be told as it is now, and not as it was then. */
guint
berth_lives_note (BerthLives *self, const char *uuid, guint id)
{
  if (id == NO_ID || id == 0)
    return GPOINTER_TO_UINT (g_hash_table_lookup (self->running, uuid));
  g_hash_table_replace (self->running, g_strdup (uuid), GUINT_TO_POINTER (id));
  return id;
}

/* libvirt tells an end by its own tools behind it, without a number: it may have told the start of
 * the next life before. */
guint
berth_lives_note_end (BerthLives *self, const char *uuid, guint id)
{
  g_hash_table_remove (self->running, uuid);
  return id != NO_ID ? id : 0;
}
