/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the host tells unasked, when a test says so; and what it is told. */
#include "tests/host/fake-watch.h"

#include "tests/host/fake-host.h"

#define BASES_KEY "fake-bases"
#define TOLD_KEY "fake-bases-told"
#define PLACES_KEY "fake-places"
#define PLACES_OF_KEY "fake-places-of"

void
fake_host_spoil (FakeHost *self, const char *name, const char *reason)
{
  gpointer data;
  const BerthHostWatch *watch = fake_host_get_watch (self, &data);

  berth_host_drop_snapshot (BERTH_HOST (self), name);
  if (watch->snapshot_spoilt != NULL)
    watch->snapshot_spoilt (name, reason, data);
}

void
fake_host_return_session (FakeHost *self, BerthVm *vm, BerthRequest *request, gboolean is_paused)
{
  gpointer data;
  const BerthHostWatch *watch = fake_host_get_watch (self, &data);

  watch->session_returns (vm, request, is_paused, data);
  watch->session_returned (vm, request, is_paused, data);
}

gboolean
fake_host_begin_copy (FakeHost *self, BerthVm *vm, GError **error)
{
  gpointer data;
  const BerthHostWatch *watch = fake_host_get_watch (self, &data);

  return watch->copy_begins (vm, data, error);
}

void
fake_host_end_copy (FakeHost *self, BerthVm *vm, gint64 took_us, guint64 bytes)
{
  gpointer data;
  const BerthHostWatch *watch = fake_host_get_watch (self, &data);

  watch->copy_ended (vm, took_us, bytes, data);
}

void
fake_host_go_on (BerthHost *host, BerthVm *vm)
{
  fake_host_end_copy (FAKE_HOST (host), vm, -1, 0);
}

void
fake_host_keep_bases (BerthHost *host, const char *dir, GHashTable *sums)
{
  guint told = fake_host_count_bases_told (FAKE_HOST (host)) + 1;

  g_object_set_data (G_OBJECT (host), BASES_KEY, GUINT_TO_POINTER (g_hash_table_size (sums)));
  g_object_set_data (G_OBJECT (host), TOLD_KEY, GUINT_TO_POINTER (told));
}

guint
fake_host_count_bases_told (FakeHost *self)
{
  return GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (self), TOLD_KEY));
}

guint
fake_host_count_bases (FakeHost *self)
{
  return GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (self), BASES_KEY));
}

BerthDiskPart *
fake_host_take_disk (FakeHost *self, BerthVm *vm, GError **error)
{
  gpointer data;
  const BerthHostWatch *watch = fake_host_get_watch (self, &data);

  return watch->take_disk (vm, data, error);
}

gboolean
fake_host_has_places (FakeHost *self, const char *template_name)
{
  return g_strv_contains (g_object_get_data (G_OBJECT (self), PLACES_OF_KEY), template_name);
}

guint
fake_host_get_places (FakeHost *self)
{
  return GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (self), PLACES_KEY));
}

static void
fake_set_places (BerthHost *host, guint max, const char *const *template_names)
{
  g_object_set_data_full (G_OBJECT (host), PLACES_OF_KEY, g_strdupv ((char **)template_names),
                          (GDestroyNotify)g_strfreev);
  g_object_set_data (G_OBJECT (host), PLACES_KEY, GUINT_TO_POINTER (max));
}

static void
fake_set_tenant_snapshots (BerthHost *host, gboolean has_tenant_snapshots)
{
}

void
fake_watch_init (BerthHostInterface *iface)
{
  iface->set_places = fake_set_places;
  iface->set_tenant_snapshots = fake_set_tenant_snapshots;
}
