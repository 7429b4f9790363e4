/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an administrator steers: the warm pool and the templates' snapshots. */
#include "plugin/manager/berth-manager-admin.h"

#include <sys/stat.h>

#include "plugin/base/berth-event.h"
#include "plugin/manager/berth-manager-private.h"
#include "plugin/template/berth-images.h"
#include "pool/berth-error.h"

typedef void (*TemplateFunc) (BerthManager *self, const char *template_name, gconstpointer data);

/* Calls @func for one template, or for all. */
static gboolean
for_templates (BerthManager *self, const char *template_name, TemplateFunc func, gconstpointer data,
               GError **error)
{
  gboolean all = template_name == NULL || template_name[0] == '\0';
  g_autoptr (GList) names = berth_manager_list_templates (self);

  if (!all && berth_manager_find_template (self, template_name) == NULL)
    {
      berth_manager_set_no_template_error (self, template_name, error);
      return FALSE;
    }
  for (GList *link = names; link != NULL; link = link->next)
    if (all || g_str_equal (link->data, template_name))
      func (self, link->data, data);
  return TRUE;
}

static void
set_warm (BerthManager *self, const char *template_name, gconstpointer data)
{
  const guint *range = data;

  berth_snapshot_keeper_set_target (self->keeper, template_name, range[0], range[1]);
}

gboolean
berth_manager_set_warm (BerthManager *self, const char *template_name, guint min, guint max,
                        GError **error)
{
  const guint range[] = { min, max };

  return for_templates (self, template_name, set_warm, range, error);
}

static void
drain (BerthManager *self, const char *template_name, gconstpointer data)
{
  berth_pool_drain (self->pool, template_name);
}

gboolean
berth_manager_drain_pool (BerthManager *self, const char *template_name, GError **error)
{
  return for_templates (self, template_name, drain, NULL, error);
}

void
berth_manager_set_admitting (BerthManager *self, gboolean admitting)
{
  berth_pool_set_admitting (self->pool, admitting);
  self->is_drained = !admitting;
  berth_manager_tell_places (self);
  berth_event_log (G_LOG_LEVEL_MESSAGE, BERTH_EVENT_ADMITTING, NULL, "%s",
                   admitting ? "requests are given VMs again: an administrator has ended the drain"
                             : "no request is given a VM: an administrator drains this host");
}

static void
fill (BerthManager *self, const char *template_name, gconstpointer data)
{
  berth_pool_fill (self->pool, template_name);
  berth_snapshot_keeper_retry (self->keeper, template_name);
}

gboolean
berth_manager_fill_pool (BerthManager *self, const char *template_name, GError **error)
{
  return for_templates (self, template_name, fill, NULL, error);
}

static void
remove_snapshot (BerthManager *self, const char *template_name, gconstpointer data)
{
  berth_snapshot_keeper_remove (self->keeper, template_name);
}

gboolean
berth_manager_remove_snapshot (BerthManager *self, const char *template_name, GError **error)
{
  return for_templates (self, template_name, remove_snapshot, NULL, error);
}

/* The files of a template's layers; NULL where one is not there */
static GStrv
dup_layer_paths (BerthImages *images, BerthTemplate *template)
{
  return images != NULL
             ? berth_images_dup_layers (images, berth_template_get_layers (template), NULL)
             : NULL;
}

/* (transfer full): how many templates have a layer, by its path */
static GHashTable *
count_layers (BerthManager *self, BerthImages *images)
{
  GHashTable *counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GList) names = berth_manager_list_templates (self);

  for (GList *link = names; link != NULL; link = link->next)
    {
      g_auto (GStrv) paths
          = dup_layer_paths (images, g_hash_table_lookup (self->templates, link->data));

      for (guint i = 0; paths != NULL && paths[i] != NULL; i++)
        {
          guint count = GPOINTER_TO_UINT (g_hash_table_lookup (counts, paths[i]));

          g_hash_table_insert (counts, g_strdup (paths[i]), GUINT_TO_POINTER (count + 1));
        }
    }
  return counts;
}

/* What its layers take on disk: what other templates have, too, and what would go with it */
static void
describe_sizes (BerthTemplate *template, BerthImages *images, GHashTable *counts,
                GVariantDict *dict)
{
  g_auto (GStrv) paths = dup_layer_paths (images, template);
  guint64 shared = 0;
  guint64 own = 0;

  for (guint i = 0; paths != NULL && paths[i] != NULL; i++)
    {
      struct stat status;

      if (stat (paths[i], &status) == 0
          && GPOINTER_TO_UINT (g_hash_table_lookup (counts, paths[i])) > 1)
        shared += (guint64)status.st_size;
      else if (stat (paths[i], &status) == 0)
        own += (guint64)status.st_size;
    }
  g_variant_dict_insert (dict, "shared_mb", "u", (guint)((shared + 1048575) >> 20));
  g_variant_dict_insert (dict, "own_mb", "u", (guint)((own + 1048575) >> 20));
}

static GVariant *
describe_template (BerthManager *self, BerthTemplate *template, BerthImages *images,
                   GHashTable *counts)
{
  g_autofree char *layers = g_strjoinv (",", (char **)berth_template_get_layers (template));
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "name", "s", berth_template_get_name (template));
  g_variant_dict_insert (&dict, "path", "s", berth_template_get_path (template));
  g_variant_dict_insert (&dict, "language", "s", berth_template_get_language (template));
  g_variant_dict_insert (&dict, "memory_mb", "u", berth_template_get_memory_mb (template));
  g_variant_dict_insert (&dict, "vcpus", "u", berth_template_get_vcpus (template));
  g_variant_dict_insert (&dict, "layers", "s", layers);
  describe_sizes (template, images, counts, &dict);
  berth_snapshot_keeper_describe (self->keeper, berth_template_get_name (template), &dict);
  return g_variant_dict_end (&dict);
}

static void
add_broken_files (BerthManager *self, GVariantBuilder *list)
{
  for (guint i = 0; i < self->template_errors->len; i++)
    {
      GError *error = g_ptr_array_index (self->template_errors, i);
      g_autofree char *text = g_utf8_make_valid (error->message, -1); /* it names a file */
      GVariantDict dict;

      g_variant_dict_init (&dict, NULL);
      g_variant_dict_insert (&dict, "error", "s", text);
      g_variant_builder_add_value (list, g_variant_dict_end (&dict));
    }
}

GVariant *
berth_manager_dup_templates (BerthManager *self)
{
  g_autoptr (GList) names = berth_manager_list_templates (self);
  g_autoptr (BerthImages) images = berth_images_load (self->config->image_dir, NULL);
  g_autoptr (GHashTable) counts = count_layers (self, images);
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (GList *link = names; link != NULL; link = link->next)
    g_variant_builder_add_value (
        &list, describe_template (self, g_hash_table_lookup (self->templates, link->data), images,
                                  counts));
  add_broken_files (self, &list);
  return g_variant_ref_sink (g_variant_builder_end (&list));
}

char *
berth_manager_dup_template_xml (BerthManager *self, const char *template_name, GError **error)
{
  if (berth_manager_find_template (self, template_name) == NULL)
    {
      berth_manager_set_no_template_error (self, template_name, error);
      return NULL;
    }
  return berth_host_dup_domain_xml (self->host, template_name, error);
}

gboolean
berth_manager_check_template (BerthManager *self, const char *path, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autoptr (BerthTemplate) template = NULL;

  if (!g_path_is_absolute (path))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "'%s' is no absolute path", path);
      return FALSE;
    }
  template = berth_template_load (path, self->config->schema, &reason);
  if (template == NULL)
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID, reason->message);
  return template != NULL;
}

static void
take_template (BerthManager *self, BerthTemplate *template)
{
  const char *name = berth_template_get_name (template);
  BerthTemplate *old = berth_manager_find_template (self, name);

  if (old != NULL
      && g_str_equal (berth_template_get_digest (old), berth_template_get_digest (template)))
    return;
  g_message (old != NULL ? "template %s has changed: %s" : "template %s is new: %s", name,
             berth_template_get_path (template));
  g_hash_table_replace (self->templates, g_strdup (name), berth_template_ref (template));
  g_hash_table_remove (self->gone, name);
  berth_snapshot_keeper_note_template (self->keeper, template);
}

/* No new VM is made of it. It stays known for those that there are. */
static void
forget_template (BerthManager *self, const char *name)
{
  g_message ("template %s is gone: its snapshot and warm VMs go", name);
  g_hash_table_add (self->gone, g_strdup (name));
  berth_snapshot_keeper_forget (self->keeper, name);
}

/* A file that is there and can't be read is one that is being mended. */
static void
forget_templates (BerthManager *self, GHashTable *found)
{
  g_autoptr (GList) names = berth_manager_list_templates (self);

  for (GList *link = names; link != NULL; link = link->next)
    {
      BerthTemplate *template = g_hash_table_lookup (self->templates, link->data);

      if (!g_hash_table_contains (found, link->data)
          && !g_file_test (berth_template_get_path (template), G_FILE_TEST_EXISTS))
        forget_template (self, link->data);
    }
}

gboolean
berth_manager_reload_templates (BerthManager *self, const char *template_name, GError **error)
{
  g_autoptr (GPtrArray) errors = NULL;
  g_autoptr (GHashTable) found = berth_template_load_all (
      (const char *const *)self->config->template_dirs, self->config->schema, &errors);
  GHashTableIter iter;
  BerthTemplate *template;

  g_ptr_array_unref (self->template_errors);
  self->template_errors = g_steal_pointer (&errors);
  g_hash_table_iter_init (&iter, found);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&template))
    take_template (self, template);
  forget_templates (self, found);
  berth_manager_tell_places (self);
  if (template_name == NULL || *template_name == '\0'
      || berth_manager_find_template (self, template_name) != NULL)
    return TRUE;
  berth_manager_set_no_template_error (self, template_name, error);
  return FALSE;
}

static void
made_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (berth_snapshot_keeper_make_finish (BERTH_SNAPSHOT_KEEPER (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

void
berth_manager_snapshot_async (BerthManager *self, const char *template_name,
                              GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, berth_manager_snapshot_async);
  berth_snapshot_keeper_make_async (self->keeper, template_name, made_cb, g_steal_pointer (&task));
}

gboolean
berth_manager_snapshot_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}
