/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* put, get and ls: files of a sandbox. */
#include <string.h>

#include "plugin/base/berth-printable.h"
#include "plugin/cli/berth-cli-client.h"
#include "plugin/base/berth-json.h"
#include "plugin/cli/berth-cli-options.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-copy-tree.h"
#include "plugin/cli/berth-cli-verbs.h"
#include "plugin/model/berth-file-request.h"
#include "pool/berth-error.h"

#define GUEST_PATH_HELP                                                                            \
  "GUEST is relative to the sandbox's home, or absolute in it or in /tmp; '..' and symbolic\n"     \
  "links may not lead out of there.\n\n"

#define FILES_STATUS_HELP                                                                          \
  "Exit status: 0, 2 when the request is wrong, 125 when it could not be done, 130 after "         \
  "Ctrl-C.\n"

const BerthVerbHelp berth_put_help = {
  .synopsis = "ID LOCAL GUEST",
  .summary = "Carries a file or a folder into a sandbox.",
  .description = GUEST_PATH_HELP
  "A file gets its name when all of it has arrived; what was cut on the way leaves nothing\n"
  "behind. Folders above it are made, permission bits are kept. A GUEST that ends with a slash\n"
  "gets it under its own name. '-' is standard input. Holes of a file are not sent, and take no\n"
  "space there either. Of a folder, all files and folders are carried; symbolic links and special\n"
  "files in it are left out, and a remark says so. What can't\n"
  "be carried (it may not be read, its name has a control character) is named at the end, with\n"
  "status 2; the rest is carried.\n\n" FILES_STATUS_HELP "\nExamples:\n"
  "  berth put $id data.csv data/\n"
  "  berth put $id src work/src\n"
  "  tar c . | berth put $id - in.tar",
  .takes = BERTH_TAKES_FILES,
  .max_arguments = 3,
};

const BerthVerbHelp berth_get_help = {
  .synopsis = "ID GUEST LOCAL",
  .summary = "Carries a file or a folder out of a sandbox.",
  .description = GUEST_PATH_HELP
  "A file gets its name when all of it has arrived and its checksum is right. An existing folder\n"
  "as LOCAL, or a LOCAL that ends with a slash, gets it under its own name. '-' is standard\n"
  "output. Of a folder, all files and folders are carried, with their permission bits as your\n"
  "umask lets them be, and never out of LOCAL; symbolic links and special files in it are left\n"
  "out, and a remark says so. What can't be carried is named at the end, with status 2; the rest\n"
  "is carried. At most 100,000 entries, 128 folders deep, and all together 8 times --max-size.\n"
  "Holes take no space in LOCAL, nor do zeros.\n\n" FILES_STATUS_HELP "\nExamples:\n"
  "  berth get $id out.png .\n"
  "  berth get $id results ./results\n"
  "  berth get $id log.txt - | tail",
  .takes = BERTH_TAKES_FILES,
  .max_arguments = 3,
};

const BerthVerbHelp berth_ls_help = {
  .synopsis = "ID [GUEST]",
  .summary = "Lists a folder of a sandbox, its home without GUEST, sorted by name.",
  .description
  = "GUEST is relative to the sandbox's home, or absolute in it or in /tmp. Of each entry: mode,\n"
    "bytes, bytes that it takes in the sandbox (fewer where it has holes), time, name.\n\n"
    "With --json: an array of objects with name, type, size (bytes), allocated (bytes that it\n"
    "takes), mode (octal) and mtime (seconds since 1970).\n\n" FILES_STATUS_HELP "\nExamples:\n"
    "  berth ls $id\n"
    "  berth ls $id data --json | jq -r '.[].name'",
  .takes = BERTH_TAKES_JSON,
  .max_arguments = 2,
};

/* A verb's options, connection and sandbox */
typedef struct
{
  BerthOptionValues values;
  BerthClient *client;
  BerthTransfer transfer;
} Verb;

static void
verb_clear (Verb *self)
{
  berth_option_values_clear (&self->values);
  berth_client_free (self->client);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Verb, verb_clear)

static gboolean
verb_begin (Verb *self, const BerthVerbHelp *help, int min_arguments, int *argc, char ***argv,
            GError **error)
{
  if (!berth_option_values_parse (&self->values, help, argc, argv, error)
      || !berth_option_values_get_max_bytes (&self->values, &self->transfer.max_bytes, error))
    return FALSE;
  if (*argc - 1 < min_arguments)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "give %s; 'berth list' shows the ids",
                   help->synopsis);
      return FALSE;
    }
  if (!berth_option_check_utf8 ("an id", (*argv)[1], error))
    return FALSE;
  self->client = berth_client_new (self->values.socket, error);
  self->transfer.client = self->client;
  self->transfer.id = (*argv)[1];
  self->transfer.is_quiet = self->values.quiet;
  return self->client != NULL;
}

/**
 * berth_verb_put:
 * @argc: of @argv
 * @argv: options, a sandbox id and two paths
 *
 * Returns: the exit status
 */
int
berth_verb_put (int argc, char **argv)
{
  g_auto (Verb) self = { 0 };
  g_autoptr (GError) error = NULL;

  if (verb_begin (&self, &berth_put_help, 3, &argc, &argv, &error))
    berth_copy_tree_put (&self.transfer, argv[2], argv[3], &error);
  return berth_client_report (self.client, error);
}

/**
 * berth_verb_get:
 * @argc: of @argv
 * @argv: options, a sandbox id and two paths
 *
 * Returns: the exit status
 */
int
berth_verb_get (int argc, char **argv)
{
  g_auto (Verb) self = { 0 };
  g_autoptr (GError) error = NULL;

  if (verb_begin (&self, &berth_get_help, 3, &argc, &argv, &error))
    berth_copy_tree_get (&self.transfer, argv[2], argv[3], &error);
  return berth_client_report (self.client, error);
}

/* ---- ls ---- */

typedef struct
{
  gboolean is_json;
  gboolean has_printed; /* an entry, or the beginning of the array */
  char *last;
} Listing;

static void
append_mode (GString *text, const char *type, guint32 mode)
{
  static const char letters[] = "rwxrwxrwx";
  char letter = strcmp (type, "file") == 0        ? '-'
                : strcmp (type, "directory") == 0 ? 'd'
                : strcmp (type, "symlink") == 0   ? 'l'
                : strcmp (type, "fifo") == 0      ? 'p'
                : strcmp (type, "socket") == 0    ? 's'
                                                  : '?';

  g_string_append_c (text, letter);
  for (guint i = 0; i < 9; i++)
    g_string_append_c (text, mode & (0400u >> i) ? letters[i] : '-');
}

/* As Ls of the D-Bus interface tells it */
typedef struct
{
  const char *name;
  const char *type;
  guint64 size;
  guint64 allocated; /* BERTH_FILE_ALLOCATED_UNKNOWN: not told */
  guint32 mode;
  double mtime;
} Entry;

static void
entry_read (Entry *self, GVariant *dictionary)
{
  *self = (Entry){ .name = "", .type = "unknown", .allocated = BERTH_FILE_ALLOCATED_UNKNOWN };
  g_variant_lookup (dictionary, "name", "^&ay", &self->name);
  g_variant_lookup (dictionary, "type", "&s", &self->type);
  g_variant_lookup (dictionary, "size", "t", &self->size);
  g_variant_lookup (dictionary, "allocated", "t", &self->allocated);
  g_variant_lookup (dictionary, "mode", "u", &self->mode);
  g_variant_lookup (dictionary, "mtime", "d", &self->mtime);
}

static void
append_line (GString *text, const Entry *entry)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_local ((gint64)entry->mtime);
  g_autofree char *when = time != NULL ? g_date_time_format (time, "%Y-%m-%d %H:%M") : NULL;
  g_autofree char *printable = berth_printable_dup (entry->name, FALSE);
  g_autofree char *allocated = entry->allocated != BERTH_FILE_ALLOCATED_UNKNOWN
                                   ? g_strdup_printf ("%" G_GUINT64_FORMAT, entry->allocated)
                                   : g_strdup ("?");

  append_mode (text, entry->type, entry->mode);
  g_string_append_printf (text, "  %12" G_GUINT64_FORMAT "  %12s  %-16s  %s\n", entry->size,
                          allocated, when != NULL ? when : "?", printable);
}

static void
append_object (GString *text, const Entry *entry)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) object = NULL;
  g_autofree char *json = NULL;

  g_variant_builder_add (&builder, "{sv}", "name",
                         g_variant_new_take_string (g_utf8_make_valid (entry->name, -1)));
  g_variant_builder_add (&builder, "{sv}", "type", g_variant_new_string (entry->type));
  g_variant_builder_add (&builder, "{sv}", "size", g_variant_new_uint64 (entry->size));
  if (entry->allocated != BERTH_FILE_ALLOCATED_UNKNOWN)
    g_variant_builder_add (&builder, "{sv}", "allocated", g_variant_new_uint64 (entry->allocated));
  g_variant_builder_add (&builder, "{sv}", "mode",
                         g_variant_new_take_string (g_strdup_printf ("%04o", entry->mode & 07777)));
  g_variant_builder_add (&builder, "{sv}", "mtime", g_variant_new_double (entry->mtime));
  object = g_variant_ref_sink (g_variant_builder_end (&builder));
  json = berth_json_from_variant (object);
  g_string_append (text, json);
}

static void
listing_append (Listing *self, GString *text, GVariant *dictionary)
{
  Entry entry;

  entry_read (&entry, dictionary);
  if (self->is_json)
    {
      g_string_append (text, self->has_printed ? ", " : "[");
      append_object (text, &entry);
    }
  else
    append_line (text, &entry);
  self->has_printed = TRUE;
  g_free (self->last);
  self->last = g_strdup (entry.name);
}

/* Prints a page; FALSE with @error or without: there is no more. */
static gboolean
listing_page (Listing *self, BerthTransfer *transfer, const char *path, int *out_status,
              GError **error)
{
  g_autoptr (GVariant) reply
      = berth_transfer_list (transfer, path, self->last, BERTH_FILE_ENTRIES_MAX, error);
  g_autoptr (GVariant) entries = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
  g_autoptr (GVariant) info = reply != NULL ? g_variant_get_child_value (reply, 1) : NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  gboolean is_more = FALSE;

  if (reply == NULL)
    return FALSE;
  for (gsize i = 0; i < g_variant_n_children (entries); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (entries, i);

      listing_append (self, text, entry);
    }
  g_variant_lookup (info, "more", "b", &is_more);
  *out_status = berth_report_text (text->str);
  return is_more && *out_status == BERTH_EXIT_OK && g_variant_n_children (entries) > 0;
}

/* What was printed stays a JSON array, whatever came between. */
static int
listing_end (Listing *self, Verb *verb, const GError *error, int status)
{
  if (self->is_json && error != NULL && !self->has_printed)
    berth_report_json (berth_report_failure_object (error));
  else if (self->is_json)
    status = berth_report_text (self->has_printed ? "]\n" : "[]\n");
  g_free (self->last);
  return error != NULL ? berth_client_report (verb->client, error) : status;
}

/**
 * berth_verb_ls:
 * @argc: of @argv
 * @argv: options, a sandbox id and at most one path
 *
 * Returns: the exit status
 */
int
berth_verb_ls (int argc, char **argv)
{
  g_auto (Verb) self = { 0 };
  Listing listing = { 0 };
  g_autoptr (GError) error = NULL;
  int status = BERTH_EXIT_OK;

  if (verb_begin (&self, &berth_ls_help, 1, &argc, &argv, &error))
    {
      listing.is_json = self.values.json;
      while (listing_page (&listing, &self.transfer, argc > 2 ? argv[2] : ".", &status, &error))
        ;
    }
  listing.is_json = self.values.json;
  return listing_end (&listing, &self, error, status);
}
