/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What follows from a domain's name: its uuid, whether it stays defined, whether it is in use. */
#include "berth-places.h"

#include <string.h>

/* Chosen, not measured: of two who destroy a domain at once the second has its turn when libvirt is
 * done with the first, which a busy host delays. */
#define REST_MS 3000u

struct _BerthPlaces
{
  char *key; /* what uuids are made of, beside the name */
  GMutex lock;
  guint max;
  char **stems;      /* (nullable): any */
  GHashTable *taken; /* name (owned) -> how many times */
};

BerthPlaces *
berth_places_new (const char *host, const char *instance)
{
  BerthPlaces *self = g_atomic_rc_box_new0 (BerthPlaces);

  self->max = G_MAXUINT; /* what an earlier berthd left is looked at before anybody says how many */
  self->key = g_strdup_printf ("berth place\n%s\n%s\n", host != NULL ? host : "", instance);
  g_mutex_init (&self->lock);
  self->taken = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return self;
}

BerthPlaces *
berth_places_ref (BerthPlaces *self)
{
  return g_atomic_rc_box_acquire (self);
}

static void
places_clear (BerthPlaces *self)
{
  g_free (self->key);
  g_strfreev (self->stems);
  g_hash_table_unref (self->taken);
  g_mutex_clear (&self->lock);
}

void
berth_places_unref (BerthPlaces *self)
{
  g_atomic_rc_box_release_full (self, (GDestroyNotify)places_clear);
}

/* Of version 8 (RFC 9562, 5.8): the rest is the maker's. */
char *
berth_places_make_uuid (BerthPlaces *self, const char *name)
{
  g_autofree char *text = g_strconcat (self->key, name, NULL);
  g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
  const char variant = "89ab"[g_ascii_xdigit_value (sum[16]) & 3];

  return g_strdup_printf ("%.8s-%.4s-8%.3s-%c%.3s-%.12s", sum, sum + 8, sum + 13, variant, sum + 17,
                          sum + 20);
}

guint
berth_places_get_ordinal (const char *name)
{
  const char *dash = strrchr (name, '-');
  guint64 number = 0;

  if (dash != NULL)
    g_ascii_string_to_unsigned (dash + 1, 10, 1, G_MAXUINT, &number, NULL);
  return (guint)number;
}

void
berth_places_set_kept (BerthPlaces *self, guint max, char **stems)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  self->max = max;
  g_strfreev (self->stems);
  self->stems = stems;
}

/* No VM has the name of another prefix, or of a template that is gone, any more. */
static gboolean
places_has_stem (BerthPlaces *self, const char *name)
{
  const char *dash = strrchr (name, '-');
  g_autofree char *stem = dash != NULL ? g_strndup (name, (gsize)(dash - name)) : NULL;

  return self->stems == NULL
         || (stem != NULL && g_strv_contains ((const char *const *)self->stems, stem));
}

/* An administrator may have given a domain one of our names, and an earlier berthd gave each life
 * a uuid of its own. */
gboolean
berth_places_keeps (BerthPlaces *self, const char *name, const char *uuid)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  guint ordinal = berth_places_get_ordinal (name);
  g_autofree char *wanted = NULL;

  if (ordinal == 0 || ordinal > self->max || !places_has_stem (self, name))
    return FALSE;
  wanted = berth_places_make_uuid (self, name);
  return g_str_equal (uuid, wanted);
}

static guint
places_count (BerthPlaces *self, const char *name)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (self->taken, name));
}

void
berth_places_take (BerthPlaces *self, const char *name)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  g_hash_table_replace (self->taken, g_strdup (name),
                        GUINT_TO_POINTER (places_count (self, name) + 1));
}

void
berth_places_give_back (BerthPlaces *self, const char *name)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  guint count = places_count (self, name);

  g_assert (count > 0);
  if (count == 1)
    g_hash_table_remove (self->taken, name);
  else
    g_hash_table_replace (self->taken, g_strdup (name), GUINT_TO_POINTER (count - 1));
}

typedef struct
{
  BerthPlaces *places; /* owned */
  char *name;
} Rest;

static void
rested_cb (gpointer data)
{
  Rest *rest = data;

  berth_places_give_back (rest->places, rest->name);
  berth_places_unref (rest->places);
  g_free (rest->name);
  g_free (rest);
}

void
berth_places_rest (BerthPlaces *self, const char *name)
{
  Rest *rest = g_new0 (Rest, 1);

  rest->places = berth_places_ref (self);
  rest->name = g_strdup (name);
  berth_places_take (self, name);
  g_timeout_add_once (REST_MS, rested_cb, rest);
}

gboolean
berth_places_is_taken (BerthPlaces *self, const char *name)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return g_hash_table_contains (self->taken, name);
}
