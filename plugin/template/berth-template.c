/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A template's life: read from a file, expanded, checked once, then immutable. */
#include "berth-template.h"

#include <string.h>

#include "agent/berth-language.h"
#include "berth-template-private.h"

G_DEFINE_QUARK (berth - template - error - quark, berth_template_error)

/* by hand: G_DEFINE_BOXED_TYPE leans on a union that -Wpedantic objects to */
GType
berth_template_get_type (void)
{
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_boxed_type_register_static ("BerthTemplate",
                                                            (GBoxedCopyFunc)berth_template_ref,
                                                            (GBoxedFreeFunc)berth_template_unref));

  return type;
}

/**
 * berth_template_ref:
 *
 * Any thread.
 */
BerthTemplate *
berth_template_ref (BerthTemplate *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->refs);
  return self;
}

/**
 * berth_template_unref:
 * @self: (nullable)
 *
 * Any thread.
 */
void
berth_template_unref (BerthTemplate *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->refs))
    return;

  g_free (self->path);
  g_free (self->xml);
  g_free (self->card);
  g_free (self->digest);
  berth_template_info_clear (&self->info);
  g_free (self);
}

const char *
berth_template_get_name (BerthTemplate *self)
{
  return self->info.name;
}

const char *
berth_template_get_path (BerthTemplate *self)
{
  return self->path;
}

const char *
berth_template_get_language (BerthTemplate *self)
{
  return self->info.language;
}

gboolean
berth_template_has_language (BerthTemplate *self)
{
  return strcmp (self->info.language, BERTH_TEMPLATE_NO_LANGUAGE) != 0;
}

gboolean
berth_template_check_language (const char *name, GError **error)
{
  if (berth_language_find (name) != NULL || strcmp (name, BERTH_TEMPLATE_NO_LANGUAGE) == 0)
    return TRUE;
  g_set_error (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_SCHEMA,
               "language '%.40s': give " BERTH_LANGUAGE_WORDS ", or " BERTH_TEMPLATE_NO_LANGUAGE,
               name);
  return FALSE;
}

guint
berth_template_get_memory_mb (BerthTemplate *self)
{
  return self->info.memory_mb;
}

guint
berth_template_get_vcpus (BerthTemplate *self)
{
  return self->info.vcpus;
}

BerthShape
berth_template_get_shape (BerthTemplate *self)
{
  return *BERTH_SHAPE (self->info.name, self->info.memory_mb, self->info.vcpus);
}

guint
berth_template_get_boot_timeout_s (BerthTemplate *self)
{
  return self->info.boot_timeout_s;
}

gboolean
berth_template_is_fresh (BerthTemplate *self)
{
  return self->info.is_fresh;
}

const char *const *
berth_template_get_layers (BerthTemplate *self)
{
  return (const char *const *)self->info.layers;
}

const BerthReachWords *
berth_template_get_reach (BerthTemplate *self)
{
  return &self->reach;
}

const char *const *
berth_template_get_env (BerthTemplate *self)
{
  return (const char *const *)self->info.env;
}

const char *const *
berth_template_get_entry (BerthTemplate *self)
{
  return (const char *const *)self->info.entry;
}

const char *
berth_template_get_workdir (BerthTemplate *self)
{
  return self->info.workdir;
}

const char *
berth_template_get_digest (BerthTemplate *self)
{
  return self->digest;
}

static char *
dup_digest (const BerthTemplate *self)
{
  g_autofree char *all = g_strconcat (self->xml, self->card, NULL);

  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, all, -1);
}

/* documented in the header */
BerthTemplate *
berth_template_load_data (const char *data, gsize length, const char *path, const char *schema_path,
                          GError **error)
{
  g_autofree char *shared_dir = g_path_get_dirname (schema_path);
  g_autoptr (BerthTemplate) self = g_new0 (BerthTemplate, 1);
  g_autoptr (xmlDoc) doc = NULL;
  const xmlNode *element = NULL;

  g_atomic_ref_count_init (&self->refs);
  doc = berth_xml_parse (data, length, path, error);
  if (doc == NULL || !berth_template_expand (doc, path, shared_dir, error))
    return NULL;

  element = berth_template_check_element (doc, schema_path, error);
  if (element == NULL || !berth_template_check_domain (doc, error)
      || !berth_template_take_card (doc, &self->card, error))
    return NULL;

  self->xml = berth_xml_canonicalize (doc);
  if (self->xml == NULL)
    {
      g_set_error (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_PARSE,
                   "%s:1: has no canonical form: every xmlns must be an absolute URI", path);
      return NULL;
    }

  if (strlen (self->xml) > BERTH_XML_MAX_BYTES)
    {
      g_set_error (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_PARSE,
                   "%s:1: is too large with all that it includes; at most %d bytes are allowed",
                   path, BERTH_XML_MAX_BYTES);
      return NULL;
    }

  berth_template_info_read (&self->info, element);
  self->reach = (BerthReachWords){ .allow = (const char *const *)self->info.allow,
                                   .deny = (const char *const *)self->info.deny,
                                   .private = (const char *const *)self->info.private };
  self->digest = dup_digest (self);
  self->path = g_strdup (path);
  return g_steal_pointer (&self);
}

/**
 * berth_template_load:
 * @path: a domain XML file with berth's element
 * @schema_path: berth.rng; the folder that it lies in is the one of the shared files
 *
 * Reads a template, brings in what it includes and checks all that berth relies on. The rest of the
 * domain is libvirt's to check, when the first instance is defined. Any thread.
 *
 * Files may be included from the template's own folder and from that of @schema_path, and from
 * below them; a relative name is looked up from the including file first. Messages begin with file
 * and line.
 *
 * Returns: (transfer full): %NULL with a #BerthTemplateError
 */
BerthTemplate *
berth_template_load (const char *path, const char *schema_path, GError **error)
{
  g_autofree char *data = NULL;
  gsize length = 0;

  g_return_val_if_fail (path != NULL && schema_path != NULL, NULL);

  data = berth_xml_read_file (path, &length, error);
  if (data == NULL)
    return NULL;

  return berth_template_load_data (data, length, path, schema_path, error);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* (transfer full) (element-type utf8): the template files of a folder, in the order of their names;
 * NULL with *@error unset when there is no such folder */
static GPtrArray *
list_files (const char *dir_path, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GDir) dir = g_dir_open (dir_path, 0, &local_error);
  const char *name = NULL;

  if (dir == NULL)
    {
      if (!g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        g_set_error_literal (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_PARSE,
                             local_error->message);
      return NULL;
    }

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      if (name[0] != '.' && g_str_has_suffix (name, ".xml"))
        g_ptr_array_add (names, g_build_filename (dir_path, name, NULL));
    }
  g_ptr_array_sort (names, compare_names);

  return g_steal_pointer (&names);
}

static gboolean
add_file (GHashTable *of_dir, const char *path, const char *schema_path, GError **error)
{
  g_autoptr (BerthTemplate) template = berth_template_load (path, schema_path, error);
  BerthTemplate *first = NULL;
  char *name = NULL;

  if (template == NULL)
    return FALSE;

  first = g_hash_table_lookup (of_dir, template->info.name);
  if (first != NULL)
    {
      g_set_error (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_SCHEMA,
                   "%s: name='%s' is taken by %s; two templates of one folder need two names", path,
                   template->info.name, first->path);
      return FALSE;
    }

  name = g_strdup (template->info.name);
  g_hash_table_insert (of_dir, name, g_steal_pointer (&template));
  return TRUE;
}

static GHashTable *
new_table (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                (GDestroyNotify)berth_template_unref);
}

/* (transfer full) (element-type utf8 BerthTemplate) */
static GHashTable *
load_dir (const char *dir_path, const char *schema_path, GPtrArray *errors)
{
  g_autoptr (GHashTable) of_dir = new_table ();
  g_autoptr (GError) dir_error = NULL;
  g_autoptr (GPtrArray) paths = list_files (dir_path, &dir_error);

  if (dir_error != NULL)
    g_ptr_array_add (errors, g_steal_pointer (&dir_error));

  for (guint i = 0; paths != NULL && i < paths->len; i++)
    {
      GError *error = NULL;

      if (!add_file (of_dir, g_ptr_array_index (paths, i), schema_path, &error))
        g_ptr_array_add (errors, error);
    }

  return g_steal_pointer (&of_dir);
}

/* documented in the header */
GHashTable *
berth_template_load_all (const char *const *dirs, const char *schema_path, GPtrArray **errors)
{
  g_autoptr (GHashTable) templates = new_table ();
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func ((GDestroyNotify)g_error_free);

  g_return_val_if_fail (dirs != NULL && schema_path != NULL, NULL);

  for (gsize i = 0; dirs[i] != NULL; i++)
    {
      g_autoptr (GHashTable) of_dir = load_dir (dirs[i], schema_path, found);
      GHashTableIter iter;
      gpointer name = NULL;
      gpointer template = NULL;

      g_hash_table_iter_init (&iter, of_dir);
      while (g_hash_table_iter_next (&iter, &name, &template))
        g_hash_table_replace (templates, g_strdup (name), berth_template_ref (template));
    }

  if (errors != NULL)
    *errors = g_steal_pointer (&found);
  return g_steal_pointer (&templates);
}
