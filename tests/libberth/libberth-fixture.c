/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts the real berthd on a host without VMs (tests/host), BERTHD in the environment. */
#include "libberth-fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static gboolean
limit_cb (gpointer user_data)
{
  g_error ("waited %d s in vain", LIMIT_S);
  return G_SOURCE_REMOVE;
}

guint
limit_add (void)
{
  return g_timeout_add_seconds (LIMIT_S, limit_cb, NULL);
}

void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Answers *answers = user_data;

  g_ptr_array_add (answers->results, g_object_ref (result));
}

void
answers_init (Answers *self)
{
  self->results = g_ptr_array_new_with_free_func (g_object_unref);
}

GAsyncResult *
answers_wait (Answers *self, guint index)
{
  guint limit_id = limit_add ();

  while (self->results->len <= index)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (limit_id);
  return self->results->pdata[index];
}

void
answers_clear (Answers *self)
{
  g_ptr_array_unref (self->results);
}

GBytes *
random_bytes (gsize size)
{
  guchar *data = g_malloc (size);
  guint32 state = 1;

  for (gsize i = 0; i < size; i++)
    {
      state = state * 1664525u + 1013904223u;
      data[i] = state >> 24;
    }
  return g_bytes_new_take (data, size);
}

void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("berth-lib-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->folder, "s", NULL);
  fixture->client = berth_client_new (fixture->path);
  fixture->berthd.snapshot_scope = data;
  berthd_process_start (&fixture->berthd, fixture->path);
}

/* Nothing may hold the client any more, but for the thread that connected, on its way out. */
static void
assert_finalized_soon (gpointer object)
{
  gint64 end = g_get_monotonic_time () + LIMIT_S * G_USEC_PER_SEC;
  GWeakRef weak;
  gpointer left;

  g_weak_ref_init (&weak, object);
  g_object_unref (object);
  while ((left = g_weak_ref_get (&weak)) != NULL)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_object_unref (left);
      g_usleep (1000);
    }
  g_weak_ref_clear (&weak);
}

void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *lock = g_strconcat (fixture->path, ".lock", NULL);

  assert_finalized_soon (fixture->client);
  if (fixture->berthd.process != NULL)
    berthd_process_stop (&fixture->berthd, SIGTERM);
  g_unlink (fixture->path);
  g_unlink (lock);
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0);
  g_free (fixture->folder);
  g_free (fixture->path);
}

BerthResult *
run_in (Fixture *fixture, const char *template_name, const char *code, GError **error)
{
  g_autoptr (BerthSpec) spec = berth_spec_new (template_name);
  g_autoptr (BerthProgram) program = berth_program_new (code);

  return berth_client_run (fixture->client, spec, program, NULL, error);
}

char *
create (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  char *id = berth_client_create (fixture->client, NULL, NULL, &error);

  g_assert_no_error (error);
  return id;
}

guint
claimed (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) status = berth_client_status (fixture->client, NULL, &error);
  g_autoptr (GVariant) slots = NULL;
  guint32 count = G_MAXUINT32;

  g_assert_no_error (error);
  slots = g_variant_lookup_value (status, "slots", G_VARIANT_TYPE_VARDICT);
  g_assert_true (g_variant_lookup (slots, "claimed", "u", &count));
  return count;
}
