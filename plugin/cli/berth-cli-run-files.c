/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run with files: which go where, and the life of the sandbox around them. */
#include "plugin/cli/berth-cli-run-files.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-copy-tree.h"
#include "pool/berth-error.h"

typedef struct
{
  char *option; /* as given */
  char *local;
  char *guest;
} Item;

struct _BerthRunFiles
{
  GPtrArray *uploads;   /* Item */
  GPtrArray *downloads; /* Item */
  BerthTransfer transfer;
  char *id;
  gint64 begun_us;
  gboolean waits_gone;
};

static void
item_free (gpointer data)
{
  Item *item = data;

  g_free (item->option);
  g_free (item->local);
  g_free (item->guest);
  g_free (item);
}

static gboolean
refuse (const char *option, const char *value, const char *what, GError **error)
{
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s '%.200s': %s", option, value, what);
  return FALSE;
}

/* LOCAL:GUEST. The rule of both options: GUEST has no colon, so LOCAL may have some. */
static gboolean
add_upload (BerthRunFiles *self, const char *value, GError **error)
{
  const char *colon = strrchr (value, ':');
  Item *item;

  if (colon == NULL || colon == value || colon[1] == '\0')
    return refuse ("--upload", value, "give LOCAL:GUEST", error);
  item = g_new0 (Item, 1);
  g_ptr_array_add (self->uploads, item);
  item->option = g_strconcat ("--upload ", value, NULL);
  item->local = g_strndup (value, (gsize)(colon - value));
  item->guest = g_strdup (colon + 1);
  if (strcmp (item->local, "-") == 0)
    return refuse ("--upload", value, "standard input is the program's", error);
  if (access (item->local, R_OK) != 0)
    return refuse ("--upload", value, g_strerror (errno), error);
  return TRUE;
}

/* GUEST[:LOCAL], by the same rule */
static gboolean
add_download (BerthRunFiles *self, const char *value, GError **error)
{
  const char *colon = strchr (value, ':');
  Item *item;

  if (value[0] == '\0' || colon == value || (colon != NULL && colon[1] == '\0'))
    return refuse ("--download", value, "give GUEST or GUEST:LOCAL", error);
  item = g_new0 (Item, 1);
  g_ptr_array_add (self->downloads, item);
  item->option = g_strconcat ("--download ", value, NULL);
  item->guest = colon != NULL ? g_strndup (value, (gsize)(colon - value)) : g_strdup (value);
  item->local = colon != NULL ? g_strdup (colon + 1) : berth_copy_tree_dup_name (item->guest);
  if (item->local == NULL)
    return refuse ("--download", value, "it has no name of its own: give GUEST:LOCAL", error);
  if (strcmp (item->local, "-") == 0)
    return refuse ("--download", value, "standard output is the program's", error);
  return TRUE;
}

gboolean
berth_run_files_new (const BerthOptionValues *values, BerthRunFiles **out_carry, GError **error)
{
  BerthRunFiles *self;
  guint64 max_bytes;

  *out_carry = NULL;
  if (!berth_option_values_get_max_bytes (values, &max_bytes, error))
    return FALSE;
  if (values->uploads == NULL && values->downloads == NULL)
    return TRUE;
  self = *out_carry = g_new0 (BerthRunFiles, 1);
  self->uploads = g_ptr_array_new_with_free_func (item_free);
  self->downloads = g_ptr_array_new_with_free_func (item_free);
  self->begun_us = g_get_monotonic_time ();
  self->transfer.max_bytes = max_bytes;
  self->waits_gone = values->wait_gone;
  for (char **value = values->uploads; value != NULL && *value != NULL; value++)
    if (!add_upload (self, *value, error))
      return FALSE;
  for (char **value = values->downloads; value != NULL && *value != NULL; value++)
    if (!add_download (self, *value, error))
      return FALSE;
  return TRUE;
}

void
berth_run_files_free (BerthRunFiles *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->uploads);
  g_ptr_array_unref (self->downloads);
  g_free (self->id);
  g_free (self);
}

const char *
berth_run_files_get_id (BerthRunFiles *self)
{
  return self->id;
}

/* Whether the sandbox is gone for certain */
static gboolean
carry_destroy (BerthRunFiles *self)
{
  g_autoptr (GVariant) reply = berth_client_call (
      self->transfer.client, "Destroy", g_variant_new ("(s)", self->id), "(a{sv})", NULL, NULL);

  return reply != NULL;
}

static gboolean
carry_upload (BerthRunFiles *self, GError **error)
{
  for (guint i = 0; i < self->uploads->len; i++)
    {
      Item *item = g_ptr_array_index (self->uploads, i);

      if (!berth_copy_tree_put (&self->transfer, item->local, item->guest, error))
        {
          if (error != NULL && !g_error_matches (*error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
            g_prefix_error (error, "%s: ", item->option);
          return FALSE;
        }
    }
  return TRUE;
}

gboolean
berth_run_files_begin (BerthRunFiles *self, BerthClient *client, GVariant *sandbox,
                       GUnixFDList *fds, const BerthOptionValues *values, GError **error)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (sandbox);
  g_autoptr (GVariant) reply = NULL;
  GVariantDict options;

  g_variant_dict_init (&options, owned);
  self->transfer.client = client;
  self->transfer.is_quiet = values->quiet || values->json;
  g_variant_dict_insert (&options, "attached", "b", TRUE);
  reply = berth_client_call (client, "Create",
                             g_variant_new ("(@a{sv})", g_variant_dict_end (&options)), "(s)", fds,
                             error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(s)", &self->id);
  self->transfer.id = self->id;
  return carry_upload (self, error);
}

static void
carry_download (BerthRunFiles *self, GError **out_failure)
{
  for (guint i = 0; i < self->downloads->len; i++)
    {
      Item *item = g_ptr_array_index (self->downloads, i);
      g_autoptr (GError) error = NULL;

      if (berth_client_get_signal (self->transfer.client) != 0
          || berth_copy_tree_get (&self->transfer, item->guest, item->local, &error))
        continue;
      g_prefix_error (&error, "%s: ", item->option);
      berth_report_error (error);
      if (*out_failure == NULL)
        *out_failure = g_steal_pointer (&error);
    }
}

/* What the program's result lacks of a run's
 * @may_exist: its VM's end was waited for, and in vain */
static GVariant *
complete_result (BerthRunFiles *self, GVariant *result, gint64 destroy_us, gboolean may_exist)
{
  g_autoptr (GVariant) timing = g_variant_lookup_value (result, "timing", G_VARIANT_TYPE_VARDICT);
  GVariantDict dict, times;

  g_variant_dict_init (&times, timing);
  g_variant_dict_insert (&times, "destroy_ms", "d", (double)destroy_us / 1000);
  g_variant_dict_insert (&times, "total_ms", "d",
                         (double)(g_get_monotonic_time () - self->begun_us) / 1000);
  g_variant_dict_init (&dict, result);
  g_variant_dict_insert_value (&dict, "timing", g_variant_dict_end (&times));
  g_variant_dict_insert (&dict, "destroy_unconfirmed", "b", may_exist);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

GVariant *
berth_run_files_end (BerthRunFiles *self, GVariant *result, GError **out_failure)
{
  g_autoptr (GVariant) owned = result;
  gint64 begun_us;

  if (result == NULL)
    return NULL;
  carry_download (self, out_failure);
  /* the sandbox is attached: the connection's end destroys it */
  if (!self->waits_gone)
    return complete_result (self, owned, 0, FALSE);
  begun_us = g_get_monotonic_time ();
  if (berth_client_get_signal (self->transfer.client) == 0 && carry_destroy (self))
    return complete_result (self, owned, g_get_monotonic_time () - begun_us, FALSE);
  return complete_result (self, owned, g_get_monotonic_time () - begun_us, TRUE);
}
