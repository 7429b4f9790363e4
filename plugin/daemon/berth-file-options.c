/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which options Put, Get and Ls may have; anything else is the caller's mistake and is named. */
#include "plugin/daemon/berth-file-options.h"

#include <string.h>

#include "plugin/daemon/berth-options.h"
#include "pool/berth-error.h"

typedef enum
{
  OF_PUT = 1 << BERTH_FILE_PUT,
  OF_GET = 1 << BERTH_FILE_GET,
  OF_LIST = 1 << BERTH_FILE_LIST,
} Methods;

typedef struct
{
  BerthFileRequest *request;
  const BerthCallerFds *fds;
  guint32 uid;
  gboolean has_size;
  gboolean is_directory;
} Parser;

typedef struct
{
  const char *key;
  const char *type;
  Methods methods;
  gboolean (*parse) (Parser *self, GVariant *value, GError **error);
} OptionEntry;

/* (transfer full) (nullable): bytes with or without a NUL behind them; NULL with a NUL within */
static char *
dup_bytes (const char *what, GVariant *value, GError **error)
{
  gsize size;
  const char *bytes = g_variant_get_fixed_array (value, &size, 1);

  if (size > 0 && bytes[size - 1] == '\0')
    size--;
  if (size == 0 || memchr (bytes, '\0', size) == NULL)
    return g_strndup (size > 0 ? bytes : "", size);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s: has a NUL byte within", what);
  return NULL;
}

static gboolean
parse_data (Parser *self, GVariant *value, GError **error)
{
  return berth_option_take_fd ("data", value, self->fds, self->request->kind == BERTH_FILE_PUT,
                               self->uid, &self->request->fd, error);
}

static gboolean
parse_size (Parser *self, GVariant *value, GError **error)
{
  self->request->size = g_variant_get_uint64 (value);
  self->has_size = TRUE;
  return TRUE;
}

/* Bytes and no array of numbers: GDBus takes some hundred bytes for each value of that. */
static gboolean
parse_holes (Parser *self, GVariant *value, GError **error)
{
  gsize size;
  const guint8 *bytes = g_variant_get_fixed_array (value, &size, 1);
  GArray *holes = berth_file_holes_new (size);

  if (holes == NULL && size > 0)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "option \"holes\": %" G_GSIZE_FORMAT
                   " bytes: give %u for each of at most %u, and "
                   "send the rest as the zeros that they are",
                   size, (guint)sizeof (BerthHole), BERTH_HOLES_MAX);
      return FALSE;
    }
  g_clear_pointer (&self->request->holes, g_array_unref);
  self->request->holes = holes;
  if (holes != NULL)
    memcpy (holes->data, bytes, size);
  return TRUE;
}

static gboolean
parse_max_bytes (Parser *self, GVariant *value, GError **error)
{
  self->request->size_max = g_variant_get_uint64 (value);
  return TRUE;
}

static gboolean
parse_mode (Parser *self, GVariant *value, GError **error)
{
  self->request->mode = g_variant_get_uint32 (value);
  return TRUE;
}

static gboolean
parse_directory (Parser *self, GVariant *value, GError **error)
{
  self->is_directory = g_variant_get_boolean (value);
  return TRUE;
}

static gboolean
parse_after (Parser *self, GVariant *value, GError **error)
{
  g_free (self->request->after);
  self->request->after = dup_bytes ("option \"after\"", value, error);
  return self->request->after != NULL;
}

static gboolean
parse_limit (Parser *self, GVariant *value, GError **error)
{
  self->request->count_max = g_variant_get_uint32 (value);
  return TRUE;
}

static const OptionEntry option_entries[] = {
  { "data", "h", OF_PUT | OF_GET, parse_data },
  { "size", "t", OF_PUT, parse_size },
  { "holes", "ay", OF_PUT, parse_holes },
  { "max_bytes", "t", OF_PUT | OF_GET, parse_max_bytes },
  { "mode", "u", OF_PUT, parse_mode },
  { "directory", "b", OF_PUT, parse_directory },
  { "after", "ay", OF_LIST, parse_after },
  { "limit", "u", OF_LIST, parse_limit },
};

static gboolean
parse_entry (Parser *self, const char *key, GVariant *value, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (option_entries); i++)
    {
      const OptionEntry *entry = &option_entries[i];

      if ((entry->methods & 1 << self->request->kind) == 0 || strcmp (entry->key, key) != 0)
        continue;
      if (g_variant_is_of_type (value, G_VARIANT_TYPE (entry->type)))
        return entry->parse (self, value, error);
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "option \"%s\": is of type '%.16s', must be '%s'", key,
                   g_variant_get_type_string (value), entry->type);
      return FALSE;
    }
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "option \"%.40s\" is unknown to this method", key);
  return FALSE;
}

/* Which belong together */
static gboolean
check_set (Parser *self, GError **error)
{
  gboolean has_data = self->request->fd >= 0;

  if (self->is_directory && (has_data || self->has_size || self->request->holes != NULL))
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                         "option \"directory\": a folder has no \"data\", \"size\" or \"holes\"");
  else if (!self->is_directory && self->request->kind != BERTH_FILE_LIST && !has_data)
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID, "option \"data\": missing");
  else if (!self->is_directory && self->request->kind == BERTH_FILE_PUT && !self->has_size)
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID, "option \"size\": missing");
  else
    return TRUE;
  return FALSE;
}

/**
 * berth_file_options_parse:
 * @kind: which method
 * @path: ay, as it came
 * @options: a{sv}, as it came
 * @fds: (nullable): as they came
 * @uid: the caller's
 *
 * Returns: (transfer full) (nullable): a checked request; %NULL with %BERTH_ERROR_INVALID
 */
BerthFileRequest *
berth_file_options_parse (BerthFileKind kind, GVariant *path, GVariant *options,
                          const BerthCallerFds *fds, guint32 uid, GError **error)
{
  g_autofree char *bytes = dup_bytes ("the path", path, error);
  g_autoptr (BerthFileRequest) request = NULL;
  Parser parser = { .fds = fds, .uid = uid };
  GVariantIter iter;
  const char *key;
  GVariant *child;

  if (bytes == NULL)
    return NULL;
  parser.request = request = berth_file_request_new (kind, bytes);
  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &child))
    {
      g_autoptr (GVariant) value = child;

      if (!parse_entry (&parser, key, value, error))
        return NULL;
    }
  if (!check_set (&parser, error))
    return NULL;
  if (parser.is_directory)
    {
      request->kind = BERTH_FILE_MAKE_DIRECTORY;
      if (request->mode == BERTH_FILE_MODE_DEFAULT
          && !g_variant_lookup (options, "mode", "u", NULL))
        request->mode = BERTH_FILE_DIRECTORY_MODE_DEFAULT;
    }
  return berth_file_request_check (request, error) ? g_steal_pointer (&request) : NULL;
}
